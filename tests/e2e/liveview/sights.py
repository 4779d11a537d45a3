"""What a person sees of a session in a live view, and where to click in it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Frame, Page
from websockets.sync.client import ClientConnection

from tests.eventually import eventually
from tests.platform import Platform

#: Seconds in which a picture arrives and is drawn, on a machine that runs other tests as well.
SEEN_WITHIN = 20

#: A button at 100,100 that turns the page green, and a field at 100,200 whose text becomes the page's title.
PAGE = """
<style>body { margin: 0; background: rgb(200, 0, 0) } * { position: fixed; left: 100px; width: 200px; height: 50px }
button { top: 100px } input { top: 200px }</style>
<button
  onclick="document.body.style.background = 'rgb(0, 160, 0)'; window.clicks = (window.clicks ?? 0) + 1">go</button>
<input oninput="document.title = value">
"""

RED, GREEN = (200, 0, 0), (0, 160, 0)


def urls(platform: Platform, session: dict[str, Any], **query: Any) -> dict[str, Any]:
    return dict(platform.http.get(f"/v1/sessions/{session['id']}/debug", params=query).raise_for_status().json())


def pixel(viewer: Page | Frame, x: int, y: int) -> tuple[int, ...]:
    read = "([x, y]) => [...document.querySelector('#screen').getContext('2d').getImageData(x, y, 1, 1).data]"
    return tuple(viewer.evaluate(read, [x, y])[:3])


def sees(viewer: Page | Frame, colour: tuple[int, int, int]) -> None:
    """Waits until the picture has this colour where the test's page shows its background."""

    def like() -> bool:
        return all(abs(a - b) < 12 for a, b in zip(pixel(viewer, 600, 400), colour, strict=True))

    eventually(like, within=SEEN_WITHIN)


def spot(viewer: Page | Frame, x: float, y: float) -> tuple[float, float]:
    """Where a point of the remote page is in the viewer's window."""
    canvas = viewer.locator("#screen")
    width, height = canvas.evaluate("canvas => [canvas.width, canvas.height]")
    box = canvas.bounding_box()
    assert box is not None
    scale = min(box["width"] / width, box["height"] / height)
    left = box["x"] + (box["width"] - width * scale) / 2
    top = box["y"] + (box["height"] - height * scale) / 2
    return left + x * scale, top + y * scale


def click(viewer: Page, x: float, y: float, frame: Frame | None = None) -> None:
    viewer.mouse.click(*spot(frame or viewer, x, y))


def socket_of(url: str) -> str:
    """The live view's WebSocket, from the address of its page."""
    return url.replace("http", "ws", 1).replace("/index.html", "/socket")


def look_on(viewer: ClientConnection) -> None:
    """Until the other side ends it. Raises ConnectionClosed."""
    while True:
        viewer.recv(timeout=SEEN_WITHIN)
