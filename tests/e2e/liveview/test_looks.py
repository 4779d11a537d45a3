"""A person looks at a session: from its first picture until they are told of its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.liveview.prefixes import PrefixProxy
from tests.e2e.liveview.sights import GREEN, RED, SEEN_WITHIN, click, look_on, sees, socket_of, urls
from tests.eventually import eventually
from tests.platform import Platform, running

pytestmark = pytest.mark.browser


def test_the_picture_is_there_again_after_a_reload(
    platform: Platform, session: dict[str, Any], remote: Page, viewer: Page
) -> None:
    """Of a page in which nothing moves, to the one who loads again and to a second one, who see the same."""
    url = urls(platform, session)["debuggerFullscreenUrl"]
    viewer.goto(url)
    sees(viewer, RED)

    viewer.reload()
    sees(viewer, RED)
    second = viewer.context.new_page()
    second.goto(url)
    sees(second, RED)
    click(second, 200, 125)

    sees(viewer, GREEN)
    sees(second, GREEN)


def test_it_works_behind_a_prefix_and_in_a_frame(
    platform: Platform, session: dict[str, Any], remote: Page, viewer: Page
) -> None:
    """Sandboxed as Browserbase's users write it; the frame is told when the session has ended."""
    url = urls(platform, session)["debuggerFullscreenUrl"]
    parts = urlsplit(url)
    proxy = PrefixProxy(parts.netloc, "/some/prefix")
    inner = f"{proxy.origin}/some/prefix{parts.path}?{parts.query}&navbar=false"
    viewer.goto(proxy.origin.replace("127.0.0.1", "localhost"))  # another site, as where somebody embeds it
    viewer.set_content(
        "<script>addEventListener('message', ({data}) => { document.title = data })</script>"
        f'<iframe sandbox="allow-same-origin allow-scripts" width=800 height=600 src="{inner}"></iframe>'
    )
    viewer.frame_locator("iframe").locator("#screen").wait_for()
    frame = viewer.frames[1]
    sees(frame, RED)

    click(viewer, 200, 125, frame)
    sees(frame, GREEN)
    hidden = frame.locator("#bar").is_hidden()
    platform.release(session["id"])
    eventually(lambda: viewer.title() == "browserbase-disconnected", within=SEEN_WITHIN)

    assert hidden
    assert frame.locator("#saying").inner_text() == "The session has ended: released"
    proxy.close()


def test_a_lost_connection_comes_back(platform: Platform, session: dict[str, Any], remote: Page, viewer: Page) -> None:
    """By itself, while the session lives, with what has changed meanwhile."""
    parts = urlsplit(urls(platform, session)["debuggerFullscreenUrl"])
    proxy = PrefixProxy(parts.netloc, "/way")
    viewer.goto(f"{proxy.origin}/way{parts.path}?{parts.query}")
    sees(viewer, RED)

    proxy.cut()
    remote.click("button")

    sees(viewer, GREEN)
    eventually(lambda: viewer.locator("#state").is_hidden(), within=SEEN_WITHIN)
    proxy.close()


def test_nothing_runs_while_nobody_watches(
    platform: Platform, session: dict[str, Any], remote: Page, viewer: Page
) -> None:
    """The page believes itself in nobody's focus again, as it does in a tab that was put behind another."""
    viewer.goto(urls(platform, session)["debuggerFullscreenUrl"])
    sees(viewer, RED)
    guest = connections(platform, session)

    viewer.goto("about:blank")

    eventually(lambda: connections(platform, session) == guest - 1, within=SEEN_WITHIN)


def connections(platform: Platform, session: dict[str, Any]) -> int:
    """How many the guest has with its Chrome."""
    mine = [chrome for chrome in platform.chromes() if any(session["id"][:8] in part for part in chrome.cmdline())]
    browser = next(chrome for chrome in mine if not any(part.startswith("--type=") for part in chrome.cmdline()))
    guest = browser.parent()
    assert guest is not None
    port = urlsplit(session["connectUrl"]).port
    return sum(one.status == "ESTABLISHED" and one.laddr.port != port for one in guest.net_connections("tcp"))


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """An instance that gives a session up when nobody comes within two seconds."""
    with running(tmp_path_factory.mktemp("impatient"), connect_within=2) as platform:
        yield platform


def test_a_session_is_not_given_up_while_somebody_looks(impatient: Platform) -> None:
    """Nobody connects for more than twice the time in which one has to; then nobody looks either."""
    session = impatient.create()
    with connect(socket_of(urls(impatient, session)["readOnlyUrl"])):
        eventually(lambda: impatient.events(session["id"]).count("WATCHED") > 4, within=SEEN_WITHIN)
        status = impatient.retrieve(session["id"])["status"]

    eventually(lambda: impatient.ended(session["id"]), within=SEEN_WITHIN)

    assert status == "RUNNING"
    assert impatient.retrieve(session["id"])["endedReason"] == "never_connected"


def test_who_looks_does_not_keep_a_session_alive(platform: Platform) -> None:
    """It ends with its last client all the same, and the one who looks is told so."""
    session = platform.create()
    url = socket_of(urls(platform, session)["debuggerFullscreenUrl"])
    with connect(session["connectUrl"]) as client, connect(url, max_size=None) as viewer:
        client.close()
        with pytest.raises(ConnectionClosed) as closed:
            look_on(viewer)

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "disconnected")
    eventually(platform.settled, within=SEEN_WITHIN)
