"""A connection of the guest's own to Chrome, beside those of its clients."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from controller.chrome import Endpoint

#: Called with an event's parameters and the session of the target that it is of.
Listener = Callable[[dict[str, Any], str | None], None]

#: How Chrome begins an event.
_EVENT = re.compile(r'\{"method":"([\w.]+)"')

#: Seconds that a page's size may take to be what was asked for.
RESIZE_WITHIN = 2.0


class Refused(LookupError):
    """Chrome answered a command with an error."""


class Connection:
    """Commands, answers and events. Safe to use from many tasks at once."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, endpoint: Endpoint, path: str | None = None) -> Connection:
        """To the browser, or to another of its sockets. Raises OSError where there is none."""
        url = f"ws://127.0.0.1:{endpoint.port}{path or endpoint.browser_path}"
        try:
            # Without pings: a Chrome that is busy with a page must not lose its guest.
            return cls(await connect(url, max_size=None, compression=None, proxy=None, ping_interval=None))
        except WebSocketException as refused:
            raise OSError(f"no DevTools socket: {type(refused).__name__}") from None

    def on(self, event: str, listener: Listener) -> None:
        """Have the listener called with every event of this name, in order; it must not block, nor raise."""
        self._listeners.setdefault(event, []).append(listener)

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The command's result. Raises Refused, or OSError where Chrome went away."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        try:
            await self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
            told = await answer
        except ConnectionClosed:
            raise OSError("Chrome closed the connection") from None
        finally:
            self._waiting.pop(number, None)
        if "error" in told:
            raise Refused(f"{method}: {told['error'].get('message')}")
        result: dict[str, Any] = told["result"]
        return result

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                if (event := _EVENT.match(str(text))) and event[1] not in self._listeners:
                    continue  # most of what Chrome tells of its network
                message = json.loads(text)
                if (number := message.get("id")) is not None:
                    if (answer := self._waiting.get(number)) and not answer.done():
                        answer.set_result(message)
                    continue
                for listener in self._listeners.get(message["method"], ()):
                    listener(message["params"], message.get("sessionId"))
        except ConnectionClosed:
            pass  # those who wait are told below
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(OSError("Chrome closed the connection"))

    async def close(self) -> None:
        """Safe to repeat, and where Chrome went already."""
        with suppress(OSError, WebSocketException):
            await self._socket.close()
        self._reader.cancel()
        await asyncio.wait({self._reader})


async def version(connection: Connection) -> str:
    """A real answer from Chrome: its product and version. Raises OSError where Chrome is gone."""
    product: str = (await connection.call("Browser.getVersion"))["product"]
    return product


async def fit(browser: Connection, endpoint: Endpoint, viewport: tuple[int, int]) -> None:
    """Have Chrome's page at exactly this size, over a connection of its own: `browser`'s listeners hear nothing of it.

    Raises OSError where Chrome is gone, Refused where the page does not take this size.
    """
    targets = (await browser.call("Target.getTargets"))["targetInfos"]
    page = next((target["targetId"] for target in targets if target["type"] == "page"), None)
    if page is None:
        page = (await browser.call("Target.createTarget", url="about:blank"))["targetId"]
    connection = await Connection.open(endpoint, f"/devtools/page/{page}")
    try:
        # The window's size was chosen so that this holds; where Chrome's own parts have another height, it is told.
        if not await _fits(connection, viewport, wait=False):
            window = (await browser.call("Browser.getWindowForTarget", targetId=page))["windowId"]
            await browser.call("Browser.setContentsSize", windowId=window, width=viewport[0], height=viewport[1])
            try:
                async with asyncio.timeout(RESIZE_WITHIN):
                    await _fits(connection, viewport, wait=True)
            except TimeoutError:
                raise Refused(f"the page does not take the size of {viewport[0]} x {viewport[1]}") from None
    finally:
        await connection.close()


async def _fits(page: Connection, viewport: tuple[int, int], *, wait: bool) -> bool:
    """Whether the page has this size; with `wait`, only answers when it has."""
    fits = f"innerWidth === {viewport[0]} && innerHeight === {viewport[1]}"
    when = (
        f"new Promise(done => {{ const look = () => {fits} && done(true); addEventListener('resize', look); look() }})"
    )
    answer = await page.call("Runtime.evaluate", expression=when if wait else fits, awaitPromise=wait)
    return answer["result"]["value"] is True
