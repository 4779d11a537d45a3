"""Keep pages on the domains that a session may be on: main frames alone, whoever navigates them, and wherever to.

Chrome is asked for it by DevTools, on a connection of its own. Every page that appears waits until the requests of its
documents are stopped at, redirects included; what a main frame may not be is answered with a page that says so, and
nothing of it is fetched. A document that came by another road, such as a service worker that was there, is left again.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from controller.cdp import Connection
from controller.chrome import Endpoint
from controller.egress import pages
from wallcrawler.egress.domains import Domains

#: Documents of ours that are remembered, until Chrome says that it shows them.
REMEMBERED = 1000

REMEDY = "The session was created with browserSettings.allowedDomains; sub-resources and frames are not concerned."


class Fence:
    """`refused` is called with a host and a sentence."""

    def __init__(self, domains: Domains, refused: Callable[[str, str], None]) -> None:
        self._domains = domains
        self._refused = refused
        #: Pages by the session that is attached to them.
        self._pages: dict[str, str] = {}
        #: Loaders of documents that are ours, and not the refused site's.
        self._ours: deque[str] = deque(maxlen=REMEMBERED)
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection: Connection | None = None

    async def raise_around(self, endpoint: Endpoint) -> None:
        """Returns when no page is without it. Raises OSError."""
        self._connection = connection = await Connection.open(endpoint)
        connection.on("Target.attachedToTarget", self._attached)
        connection.on("Target.detachedFromTarget", self._detached)
        connection.on("Fetch.requestPaused", self._paused)
        connection.on("Page.frameNavigated", self._navigated)
        only_pages = [{"type": "page", "exclude": False}]
        await connection.call(
            "Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True, filter=only_pages
        )
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._connection is not None:
            await self._connection.close()

    def _attached(self, told: dict[str, Any], _: str | None) -> None:
        self._pages[told["sessionId"]] = told["targetInfo"]["targetId"]
        self._begin(self._guard(told["sessionId"], told["targetInfo"]["url"]))

    def _detached(self, told: dict[str, Any], _: str | None) -> None:
        self._pages.pop(told["sessionId"], None)

    async def _guard(self, page: str, url: str) -> None:
        documents = [{"urlPattern": "*", "resourceType": "Document"}]
        await self._call("Fetch.enable", page, patterns=documents)
        await self._call("Page.enable", page)
        if not self._domains.admit(url):
            # Of a profile that was kept, or opened before there was a fence.
            await self._leave(page, url)
        await self._call("Runtime.runIfWaitingForDebugger", page)

    def _paused(self, told: dict[str, Any], page: str | None) -> None:
        self._begin(self._decide(told, page or ""))

    async def _decide(self, told: dict[str, Any], page: str) -> None:
        request, url = told["requestId"], told["request"]["url"]
        if told["frameId"] != self._pages.get(page) or self._domains.admit(url):
            await self._call("Fetch.continueRequest", page, requestId=request)
            return
        self._ours.append(told.get("networkId", ""))
        body = pages.page("This address is refused", self._tell(url), REMEDY)
        await self._call(
            "Fetch.fulfillRequest",
            page,
            requestId=request,
            responseCode=403,
            responseHeaders=[
                {"name": "content-type", "value": "text/html; charset=utf-8"},
                {"name": "cache-control", "value": "no-store"},
            ],
            body=b64encode(body.encode()).decode(),
        )

    def _navigated(self, told: dict[str, Any], page: str | None) -> None:
        frame = told["frame"]
        if frame.get("parentId") or frame["loaderId"] in self._ours or self._domains.admit(frame["url"]):
            return
        self._begin(self._leave(page or "", frame["url"]))

    async def _leave(self, page: str, url: str) -> None:
        self._tell(url)
        await self._call("Page.navigate", page, url="about:blank")

    def _tell(self, url: str) -> str:
        """Why it is refused; said to whoever keeps account, too."""
        host = urlsplit(url.removeprefix("blob:")).hostname or "this address"
        why = f"{host} is not in the session's allowedDomains"
        self._refused(host, why)
        return why

    async def _call(self, method: str, page: str, **params: Any) -> None:
        # Pages come and go, and Chrome with them.
        with suppress(LookupError, OSError):
            assert self._connection is not None  # noqa: S101 - events come from there
            await self._connection.call(method, page, **params)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
