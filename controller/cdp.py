"""A connection of the guest's own to Chrome, beside those of its clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.client import connect

from controller.chrome import Endpoint

Call = Callable[..., Awaitable[dict[str, Any]]]

#: Seconds that a page's size may take to be what was asked for.
RESIZE_WITHIN = 2.0


async def prepare(endpoint: Endpoint, viewport: tuple[int, int]) -> str:
    """Have a real answer from Chrome, and its page at exactly this size; returns the browser's version.

    Raises OSError or websockets' ConnectionClosed where Chrome is gone, LookupError where it has no page.
    """
    url = f"ws://127.0.0.1:{endpoint.port}{endpoint.browser_path}"
    async with connect(url, max_size=None, compression=None, proxy=None) as socket:
        numbers = iter(range(1, 1000))

        async def call(method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
            number = next(numbers)
            message = {"id": number, "method": method, "params": params}
            await socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
            while (answer := json.loads(await socket.recv())).get("id") != number:
                pass
            if "error" in answer:
                raise LookupError(f"{method}: {answer['error']['message']}")
            result: dict[str, Any] = answer["result"]
            return result

        version: str = (await call("Browser.getVersion"))["product"]
        targets = (await call("Target.getTargets"))["targetInfos"]
        page = next((target["targetId"] for target in targets if target["type"] == "page"), None)
        if page is None:
            page = (await call("Target.createTarget", url="about:blank"))["targetId"]
        session = (await call("Target.attachToTarget", targetId=page, flatten=True))["sessionId"]

        # The window's size was chosen so that this holds; where Chrome's own parts have another height, it is told.
        if not await _fits(call, session, viewport, wait=False):
            window = (await call("Browser.getWindowForTarget", targetId=page))["windowId"]
            await call("Browser.setContentsSize", windowId=window, width=viewport[0], height=viewport[1])
            async with asyncio.timeout(RESIZE_WITHIN):
                await _fits(call, session, viewport, wait=True)
        return version


async def _fits(call: Call, session: str, viewport: tuple[int, int], *, wait: bool) -> bool:
    """Whether the page has this size; with `wait`, only answers when it has."""
    fits = f"innerWidth === {viewport[0]} && innerHeight === {viewport[1]}"
    when = (
        f"new Promise(done => {{ const look = () => {fits} && done(true); addEventListener('resize', look); look() }})"
    )
    expression = when if wait else fits
    answer = await call("Runtime.evaluate", session, expression=expression, awaitPromise=wait)
    return answer["result"]["value"] is True
