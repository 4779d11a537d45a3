"""A person takes a session in hand: what is done to its picture is done to its page."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.liveview.sights import GREEN, PAGE, RED, SEEN_WITHIN, click, sees, spot, urls
from tests.eventually import eventually
from tests.platform import Platform

pytestmark = pytest.mark.browser


def test_a_person_clicks_and_types_in_the_remote_page(
    platform: Platform, session: dict[str, Any], remote: Page, viewer: Page
) -> None:
    """The picture is there at once, the page does what is done to its picture, and the picture follows."""
    viewer.goto(urls(platform, session)["debuggerFullscreenUrl"])
    sees(viewer, RED)

    click(viewer, 200, 125)
    sees(viewer, GREEN)
    click(viewer, 200, 225)
    viewer.keyboard.type("Hello w")
    viewer.keyboard.press("Backspace")
    viewer.keyboard.press("Shift+ArrowLeft")
    viewer.keyboard.insert_text("→ Grüße")

    eventually(lambda: remote.title() == "Hello→ Grüße", within=SEEN_WITHIN)
    assert remote.evaluate("clicks") == 1


def test_wheel_and_paste_arrive(platform: Platform, session: dict[str, Any], remote: Page, viewer: Page) -> None:
    """The page scrolls by what the wheel turned, and a field gets what the person's own clipboard held."""
    remote.set_content(PAGE + "<style>html, body, p { position: static; height: 5000px }</style><p>long</p>")
    viewer.context.grant_permissions(["clipboard-read", "clipboard-write"])
    viewer.goto(urls(platform, session)["debuggerFullscreenUrl"])
    sees(viewer, RED)

    viewer.mouse.move(*spot(viewer, 600, 500))
    viewer.mouse.wheel(0, 300)
    eventually(lambda: remote.evaluate("scrollY") == 300, within=SEEN_WITHIN)
    viewer.evaluate("navigator.clipboard.writeText('from far away')")
    click(viewer, 200, 225)
    viewer.keyboard.press("Control+v")

    eventually(lambda: remote.title() == "from far away", within=SEEN_WITHIN)


def test_a_person_goes_to_addresses_of_the_web_alone(
    platform: Platform, session: dict[str, Any], remote: Page, viewer: Page
) -> None:
    """There, back and forward; not to files of the machine, nor to scripts."""
    for name, colour in (("one", "rgb(0, 0, 200)"), ("two", "rgb(200, 200, 0)")):
        body = f"<title>{name}</title><body style='background: {colour}'>"
        remote.route(f"http://{name}.localhost/", lambda route, _, body=body: route.fulfill(body=body))
    viewer.goto(urls(platform, session)["debuggerFullscreenUrl"])
    sees(viewer, RED)

    for address in ("one.localhost", "http://two.localhost/"):
        viewer.fill("#address", address)
        viewer.press("#address", "Enter")
        eventually(lambda: remote.title() == address.removeprefix("http://")[:3], within=SEEN_WITHIN)  # noqa: B023
    sees(viewer, (200, 200, 0))
    for address in ("file:///etc/passwd", "chrome://version", "javascript:document.title=1"):
        viewer.fill("#address", address)
        viewer.press("#address", "Enter")
        eventually(lambda: "not opened here" in viewer.locator("#notice").inner_text(), within=SEEN_WITHIN)
        viewer.evaluate("document.querySelector('#notice').textContent = ''")
    viewer.click("#back")
    sees(viewer, (0, 0, 200))
    viewer.click("#forward")
    sees(viewer, (200, 200, 0))

    assert remote.url == "http://two.localhost/"


def test_a_dialog_is_answered_by_who_looks(
    platform: Platform, session: dict[str, Any], remote: Page, viewer: Page
) -> None:
    """A page that asks stands still until it has an answer; with nobody to see it, it would do so for ever."""
    remote.on("dialog", lambda _: None)  # the program leaves it to the person
    viewer.goto(urls(platform, session)["debuggerFullscreenUrl"])
    sees(viewer, RED)

    remote.evaluate("void setTimeout(() => { document.title = prompt('<i>Who?</i>', 'me') })")
    viewer.locator("#question").wait_for(timeout=SEEN_WITHIN * 1000)
    question = viewer.locator("#question").inner_text()
    viewer.fill("#reply", "you")
    viewer.click("#accept")

    eventually(lambda: remote.title() == "you", within=SEEN_WITHIN)
    assert question == "<i>Who?</i>"
    assert viewer.locator("#dialog").is_hidden()


def test_tabs_are_listed_and_followed(platform: Platform, session: dict[str, Any], remote: Page, viewer: Page) -> None:
    """A tab that the page opens is shown, one that stands behind others is live, and one that closes is left."""
    remote.set_content(PAGE + "<title><b>first</b></title>")
    viewer.goto(urls(platform, session)["debuggerFullscreenUrl"])
    sees(viewer, RED)

    with remote.context.expect_page() as opened:
        remote.evaluate("void window.open('about:blank')")
    second = opened.value
    second.set_content("<title>second</title><body style='background: rgb(0, 0, 200)'>")
    sees(viewer, (0, 0, 200))
    viewer.get_by_role("tab", name="second").wait_for(timeout=SEEN_WITHIN * 1000)
    tabs = [tab.inner_text() for tab in viewer.locator("#tabs button").all()]
    viewer.get_by_role("tab", name="first").click()
    sees(viewer, RED)
    second.bring_to_front()
    click(viewer, 200, 125)
    sees(viewer, GREEN)
    viewer.get_by_role("tab", name="second").click()
    sees(viewer, (0, 0, 200))
    second.close()

    sees(viewer, GREEN)
    assert tabs == ["<b>first</b>", "second"]
