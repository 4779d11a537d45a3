"""The size of Chrome's page."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller import cdp
from controller.cdp import Connection, Refused
from tests.unit.controller.devtools import GONE, Answers, Devtools

pytestmark = pytest.mark.usefixtures("loopback")

VIEWPORT = 1280, 720


def fitted(answers: Answers) -> list[tuple[str, dict[str, Any]]]:
    """What was asked of this Chrome for its page's size."""
    devtools = Devtools(answers)

    async def live() -> None:
        async with devtools.open() as endpoint:
            browser = await Connection.open(endpoint)
            try:
                await cdp.fit(browser, endpoint, VIEWPORT)
            finally:
                await browser.close()

    asyncio.run(live())
    return devtools.asked


def chrome(*, fits: bool, resizes: dict[str, Any] | None, pages: bool = True) -> Answers:
    """`resizes` is what it says when its page has the size that it was told to have."""

    def answers(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if method == "Target.getTargets":
            return {"targetInfos": [{"type": "page", "targetId": "P"}] if pages else []}
        if method == "Target.createTarget":
            return {"targetId": "new"}
        if method == "Browser.getWindowForTarget":
            return {"windowId": 7}
        if method == "Runtime.evaluate":
            return resizes if params["awaitPromise"] else {"result": {"value": fits}}
        return {}

    return answers


def test_a_page_that_fits_is_left_alone() -> None:
    asked = [method for method, _ in fitted(chrome(fits=True, resizes=None))]

    assert asked == ["Target.getTargets", "Runtime.evaluate"]


def test_a_page_of_another_size_is_given_its_own() -> None:
    asked = dict(fitted(chrome(fits=False, resizes={"result": {"value": True}})))

    assert asked["Browser.setContentsSize"] == {"windowId": 7, "width": 1280, "height": 720}


def test_a_browser_without_a_page_is_given_one() -> None:
    asked = dict(fitted(chrome(fits=True, resizes=None, pages=False)))

    assert asked["Target.createTarget"] == {"url": "about:blank"}


def test_a_page_that_does_not_take_its_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an OSError, which would be a browser that is gone."""
    monkeypatch.setattr(cdp, "RESIZE_WITHIN", 0.1)

    with pytest.raises(Refused, match="1280 x 720"):
        fitted(chrome(fits=False, resizes=None))


def test_a_browser_that_goes_meanwhile_is_gone() -> None:
    with pytest.raises(OSError, match="closed the connection"):
        fitted(chrome(fits=False, resizes=GONE))
