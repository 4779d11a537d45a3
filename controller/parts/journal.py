"""The session's log: what its pages say, load and answer, kept for GET /v1/sessions/{id}/logs.

    POST /control/journal/flush    put away what is there -> {}

It is heard on the guest's own connection to Chrome, never on a client's. What Chrome tells is cleaned of secrets and of
bodies (controller/masking.py), written into chunks (controller/chunks.py), and put away at the API every few seconds,
when a chunk is full, when the API asks for it, and at the session's end.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from controller.api import Final
from controller.cdp import Refused
from controller.chunks import Chunks
from controller.masking import clean
from controller.parts import Browser, Handler, Part, Request
from controller.targets import Target, Targets
from wallcrawler import log as logs
from wallcrawler.journal import ENTRY, OPTIONAL

log = logs.get()

#: Seconds after which what was written is put away; a guest that is killed takes so much with it.
EVERY = 5.0
#: Seconds for which the API waits at most when it asks for what is there.
FLUSHED_WITHIN = 1.5
#: Seconds at the end for what Chrome has said to arrive, and for it to be put away.
HEARD_WITHIN = 0.2
STORED_WITHIN = 3.0
#: Messages of one target's console that are heard in EVERY seconds; then it is muted until they are over.
CONSOLE = 1000

#: What is asked of a target, by its kind. Of bodies, Chrome keeps nothing for us.
_NETWORK = "Network.enable", {"maxTotalBufferSize": 0, "maxResourceBufferSize": 0, "maxPostDataSize": 0}
_OTHERS: tuple[tuple[str, dict[str, int]], ...] = (("Runtime.enable", {}), ("Log.enable", {}))
DOMAINS: Mapping[str, tuple[tuple[str, dict[str, int]], ...]] = {
    "page": (_NETWORK, ("Page.enable", {}), *_OTHERS),
    "iframe": (_NETWORK, ("Page.enable", {}), *_OTHERS),
    "worker": (_NETWORK, *_OTHERS),
}

#: The events that are logged.
LOGGED = (
    "Log.entryAdded",
    "Network.loadingFailed",
    "Network.requestWillBeSent",
    "Network.responseReceived",
    "Network.webSocketClosed",
    "Network.webSocketCreated",
    "Page.domContentEventFired",
    "Page.frameNavigated",
    "Page.javascriptDialogOpening",
    "Page.loadEventFired",
    "Page.navigatedWithinDocument",
    "Runtime.consoleAPICalled",
    "Runtime.exceptionThrown",
)

#: Where a page is that has gone nowhere.
BLANK = "about:blank"

#: What a console says.
CONSOLE_EVENTS = frozenset({"Runtime.consoleAPICalled", "Runtime.exceptionThrown"})

#: What is not logged of an event: bodies, handles, and what is long and says little.
WITHOUT = frozenset(
    (
        "objectId",
        "postData",
        "postDataEntries",
        "headersText",
        "requestHeadersText",
        "securityDetails",
        "stack",
        "timing",
    )
)


class Journal(Part):
    """Plan: {"off": true} where nothing is to be logged. Without a plan, all is."""

    name = "journal"

    _task: asyncio.Task[None] | None = None
    _last: asyncio.Task[None] | None = None

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {"control/journal": self._control}

    async def begin(self, browser: Browser) -> None:
        if self.plan and self.plan.get("off"):
            return
        self._chunks = Chunks()
        self._now = 0
        #: Messages of each target's console since it was last looked at, and until when a muted one was heard.
        self._said: Counter[str] = Counter()
        self._muted: dict[str, float] = {}
        #: Pages that were heard to go somewhere.
        self._navigated: set[str] = set()
        self._full, self._putting = asyncio.Event(), asyncio.Lock()
        self._asides: set[asyncio.Task[Any]] = set()
        self._observer = browser.observer
        self._targets = Targets(browser.observer, self._observe)
        for method in LOGGED:
            browser.observer.on(method, partial(self._heard, method))
        browser.observer.on("Target.detachedFromTarget", self._gone)
        await self._targets.watch()
        self._task = asyncio.create_task(self._keep())

    async def _observe(self, target: Target) -> None:
        if target.kind == "page":
            self._write("Target.attachedToTarget", target.page, {"targetInfo": target.info})
        call = self._observer.call
        await asyncio.gather(*(call(method, target.session, **how) for method, how in DOMAINS[target.kind]))
        if target.kind == "page":
            # It may have gone somewhere before it was listened to.
            frame = (await call("Page.getFrameTree", target.session))["frameTree"]["frame"]
            if target.session not in self._navigated and frame["url"] != BLANK:
                self._write("Page.frameNavigated", target.page, {"frame": frame, "type": "Navigation"})

    def _heard(self, method: str, params: dict[str, Any], session: str | None) -> None:
        target = self._targets.of(session)
        if target is None:
            return  # another part's
        if method == "Page.frameNavigated" and "parentId" not in params["frame"]:
            self._navigated.add(target.session)
        if method in CONSOLE_EVENTS and not self._listens(target.session, target.page, params["timestamp"]):
            return
        self._write(method, target.page, params)

    def _listens(self, session: str, page: int, at: float) -> bool:
        """Whether a console's message of this time is heard. A page can say more than a guest can hear, and clients'
        commands would wait behind it."""
        if at <= self._muted.get(session, 0):
            return False  # said again, after it was muted
        self._said[session] += 1
        if self._said[session] == CONSOLE + 1:
            self._muted[session] = at
            self._write("Wallcrawler.consoleMuted", page, {"after": CONSOLE, "seconds": EVERY})
            self._aside("Runtime.disable", session)
        return self._said[session] <= CONSOLE

    def _listen_again(self) -> None:
        for session, said in self._said.items():
            if said > CONSOLE:
                # Chrome says again what it has kept: the last thousand messages.
                self._aside("Runtime.enable", session)
            else:
                # What was said stays in the page's memory until it is let go.
                self._aside("Runtime.releaseObjectGroup", session, objectGroup="console")
        self._said.clear()

    def _gone(self, params: dict[str, Any], _parent: str | None) -> None:
        self._navigated.discard(params["sessionId"])
        self._said.pop(params["sessionId"], None)
        self._muted.pop(params["sessionId"], None)

    def _aside(self, method: str, session: str, **params: Any) -> None:
        """Tell Chrome, and wait for nothing."""

        async def tell() -> None:
            with suppress(OSError, Refused):
                await self._observer.call(method, session, **params)

        task = asyncio.create_task(tell())
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    def _write(self, method: str, page: int, params: dict[str, Any]) -> None:
        # A clock that is set back must not bring entries out of their order.
        self._now = max(self._now, int(time.time() * 1000))
        entry = {"method": method, "pageId": page, "timestamp": self._now, "params": clean(params, without=WITHOUT)}
        frame = params.get("frame")
        ids = (frame.get("id"), frame.get("loaderId")) if frame else (params.get("frameId"), params.get("loaderId"))
        entry |= {name: id for name, id in zip(OPTIONAL, ids, strict=True) if id}
        line = _line(entry)
        if len(line) > ENTRY:
            line = _line(entry | {"params": {"tooLong": len(line)}})
        if self._chunks.add(line):
            self._full.set()

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        look = clock() + EVERY
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look):
                    await self._full.wait()
            self._full.clear()
            if clock() >= look:
                look = clock() + EVERY
                self._listen_again()
            await self._put_away()

    async def _put_away(self) -> None:
        """Everything that is written by now. Waits for an API that is away."""
        async with self._putting:
            while chunk := self._chunks.due():
                lines = len(chunk.lines)
                try:
                    await self.guest.api.call("POST", "/journal", self._chunks.body(chunk))
                    self._chunks.stored(chunk, lines)
                except Final as refused:
                    log.warning("journal.refused", chunk=chunk.number, status=refused.status, why=str(refused))
                    self._chunks.refused(chunk)

    async def _control(self, request: Request) -> None:
        if request.path != "/flush":
            request.caller.refuse(404, "no such path")
        elif request.head.method != "POST":
            request.caller.refuse(405, "only POST")
        else:
            if self._task is not None:
                await self._within(FLUSHED_WITHIN)
            request.caller.answer(200, {})

    async def _within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._put_away()
        except TimeoutError:
            log.warning("journal.not_stored", seconds=seconds)

    async def drain(self, browser: Browser) -> None:
        if self._task is None:
            return
        with suppress(OSError, Refused, TimeoutError):
            # Its answer comes behind what Chrome has told so far.
            async with asyncio.timeout(HEARD_WITHIN):
                await browser.observer.call("Browser.getVersion")
        self._task.cancel()
        await asyncio.wait({self._task})
        # While Chrome goes.
        self._last = asyncio.create_task(self._within(STORED_WITHIN))

    async def close(self) -> None:
        if self._last is not None:
            await self._last


def _line(entry: dict[str, Any]) -> bytes:
    # Pages may write halves of surrogate pairs, which are no text.
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
