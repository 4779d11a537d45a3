"""The size of Chrome's page, asked of a DevTools endpoint that does as a test has it do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from controller import cdp
from controller.cdp import Connection, Refused
from controller.chrome import Endpoint

pytestmark = pytest.mark.usefixtures("loopback")

#: A command's result, or None where it is never answered.
Answers = Callable[[str, dict[str, Any]], dict[str, Any] | None]

VIEWPORT = 1280, 720


def fitted(answers: Answers) -> list[tuple[str, dict[str, Any]]]:
    """What was asked of this Chrome for its page's size."""
    asked: list[tuple[str, dict[str, Any]]] = []

    async def speak(socket: ServerConnection) -> None:
        async for text in socket:
            command = json.loads(text)
            asked.append((command["method"], command["params"]))
            result = answers(command["method"], command["params"])
            if result == {"gone": True}:
                await socket.close()
            elif result is not None:
                await socket.send(json.dumps({"id": command["id"], "result": result}))

    async def live() -> None:
        async with serve(speak, "127.0.0.1", 0) as server:
            endpoint = Endpoint(server.sockets[0].getsockname()[1], "/devtools/browser/1")
            browser = await Connection.open(endpoint)
            try:
                async with asyncio.timeout(10):
                    await cdp.fit(browser, endpoint, VIEWPORT)
            finally:
                await browser.close()

    asyncio.run(live())
    return asked


def chrome(*, fits: bool, resizes: bool | None, pages: bool = True) -> Answers:
    """`resizes`: whether its page has the size once it is told; None where it goes instead."""

    def answers(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if method == "Target.getTargets":
            return {"targetInfos": [{"type": "page", "targetId": "P"}] if pages else []}
        if method == "Target.createTarget":
            return {"targetId": "new"}
        if method == "Browser.getWindowForTarget":
            return {"windowId": 7}
        if method == "Runtime.evaluate" and not params["awaitPromise"]:
            return {"result": {"value": fits}}
        if method == "Runtime.evaluate" and resizes is None:
            return {"gone": True}
        if method == "Runtime.evaluate":
            return {"result": {"value": True}} if resizes else None
        return {}

    return answers


def test_a_page_that_fits_is_left_alone() -> None:
    asked = [method for method, _ in fitted(chrome(fits=True, resizes=False))]

    assert asked == ["Target.getTargets", "Runtime.evaluate"]


def test_a_page_of_another_size_is_given_its_own() -> None:
    asked = dict(fitted(chrome(fits=False, resizes=True)))

    assert asked["Browser.setContentsSize"] == {"windowId": 7, "width": 1280, "height": 720}


def test_a_browser_without_a_page_is_given_one() -> None:
    asked = dict(fitted(chrome(fits=True, resizes=False, pages=False)))

    assert asked["Target.createTarget"] == {"url": "about:blank"}


def test_a_page_that_does_not_take_its_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an OSError, which would be a browser that is gone."""
    monkeypatch.setattr(cdp, "RESIZE_WITHIN", 0.1)

    with pytest.raises(Refused, match="1280 x 720"):
        fitted(chrome(fits=False, resizes=False))


def test_a_browser_that_goes_meanwhile_is_gone() -> None:
    with pytest.raises(OSError, match="closed the connection"):
        fitted(chrome(fits=False, resizes=None))
