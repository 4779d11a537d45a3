"""Whose link opens what, for how long, and by which way."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Page
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from controller.parts.liveview import VIEWERS
from tests.e2e.liveview.sights import GREEN, RED, SEEN_WITHIN, click, look_on, sees, socket_of, urls
from tests.eventually import eventually
from tests.integration.gateway.grounds import RunningGateway
from tests.platform import Platform
from wallcrawler.tokens import Verifier

pytestmark = pytest.mark.browser


def test_who_only_watches_changes_nothing(
    platform: Platform, session: dict[str, Any], remote: Page, viewer: Page
) -> None:
    """Neither with the page's own controls, nor by speaking to the guest directly, nor through DevTools."""
    viewer.goto(urls(platform, session)["readOnlyUrl"])
    sees(viewer, RED)
    token = parse_qs(urlsplit(viewer.url).query)["signingKey"][0]

    click(viewer, 200, 125)
    with connect(socket_of(viewer.url)) as direct:
        direct.send('{"type": "mouse", "kind": "down", "x": 0.2, "y": 0.16, "button": "left", "clicks": 1}')
        direct.send('{"type": "go", "url": "https://example.com"}')
        said = [str(direct.recv(timeout=SEEN_WITHIN)) for _ in range(4)]
    devtools = [refused(session, f"/devtools/page/{page(viewer.url)}", token), refused(session, "/", token)]

    assert any("only lets you watch" in message for message in said)
    assert devtools == [403, 403]
    assert viewer.locator("#address").is_disabled()
    assert remote.evaluate("window.clicks") is None
    assert remote.url == "about:blank"


def page(url: str) -> str:
    return parse_qs(urlsplit(url).query)["page"][0]


def refused(session: dict[str, Any], path: str, token: str) -> int:
    """The status with which the guest refuses this socket."""
    netloc = urlsplit(session["connectUrl"]).netloc
    with pytest.raises(InvalidStatus) as refusal, connect(f"ws://{netloc}{path}?signingKey={token}"):
        pass
    return refusal.value.response.status_code


def test_the_page_may_be_framed_and_loads_nothing_else(session: dict[str, Any]) -> None:
    """Without a token, because it holds nothing; its socket asks for one."""
    origin = f"http://{urlsplit(session['connectUrl']).netloc}"
    token = {"x-bb-signing-key": session["signingKey"]}

    files = [httpx.get(f"{origin}/view/{name}") for name in ("index.html", "view.css", "view.js")]
    socket = httpx.get(f"{origin}/view/socket", headers=token)

    for file, kind in zip(files, ("text/html", "text/css", "text/javascript"), strict=True):
        assert (file.status_code, file.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
        assert file.headers["cache-control"] == "no-cache"
        assert "default-src 'none'" in file.headers["content-security-policy"]
        assert "frame-ancestors *" in file.headers["content-security-policy"]
    assert httpx.get(f"{origin}/view/socket").status_code == 401
    assert (socket.status_code, socket.json()["message"]) == (426, "this is a WebSocket endpoint")


def test_a_viewer_that_talks_nonsense_is_sent_away(platform: Platform, session: dict[str, Any]) -> None:
    """With the name of what is wrong; the others stay, up to a number of them."""
    url = socket_of(urls(platform, session)["debuggerFullscreenUrl"])
    with ExitStack() as crowd:
        first, *_ = [crowd.enter_context(connect(url, max_size=None)) for _ in range(VIEWERS)]
        with pytest.raises(InvalidStatus) as refusal, connect(url):
            pass
        first.send('{"type": "mouse", "kind": "bite"}')
        with pytest.raises(ConnectionClosed) as closed:
            look_on(first)

    assert refusal.value.response.status_code == 429
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "kind must be one of move, down, up")


def test_links_open_nothing_after_their_time_or_the_end(
    platform: Platform, session: dict[str, Any], remote: Page, viewer: Page
) -> None:
    """An expired token is a 401, which the page says; of an ended session the API says 410, and so does the page."""
    links = platform.ports.links
    record = platform.ports.sessions.get(session["id"])
    expired = platform.ports.signer.mint(session["id"], "view", issued_at=0, expires_at=1)
    viewer.goto(links.live_url(record, "", expired))
    eventually(lambda: "expired" in viewer.locator("#saying").inner_text(), within=SEEN_WITHIN)
    viewer.goto(urls(platform, session, expiresIn=3600)["debuggerFullscreenUrl"])
    sees(viewer, RED)

    platform.release(session["id"])
    ended = platform.http.get(f"/v1/sessions/{session['id']}/debug")

    assert ended.status_code == 410
    eventually(lambda: viewer.locator("#saying").inner_text() == "The session has ended: released", within=SEEN_WITHIN)


def test_devtools_open_on_a_page(platform: Platform, session: dict[str, Any], remote: Page, viewer: Page) -> None:
    """Chrome's own front end comes through the guest with its files, and speaks to the page: it shows its elements."""
    heard: list[str] = []
    viewer.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(str(frame))))

    viewer.goto(urls(platform, session)["debuggerUrl"])

    eventually(lambda: viewer.evaluate("1") and any('"root"' in frame for frame in heard), within=SEEN_WITHIN)
    eventually(lambda: viewer.get_by_text("oninput").count() > 0, within=SEEN_WITHIN)


def test_both_open_through_a_gateway(platform: Platform, session: dict[str, Any], remote: Page, viewer: Page) -> None:
    """Where the addresses lead when browsers are not reachable themselves: the live view acts, and DevTools speak."""
    ports = platform.ports
    gateway = RunningGateway(
        sessions=ports.sessions,
        bell=ports.bell,
        verifier=Verifier(ports.signer.verify_keys),
        dependencies={"tables": ports.tables.ping, "bell": ports.bell.ping},
    )
    told = urls(platform, session)
    through = {name: gateway.origin + url[url.index("/", 8) :] for name, url in told.items() if name != "pages"}
    netloc = urlsplit(session["connectUrl"]).netloc
    heard: list[str] = []

    viewer.goto(through["debuggerFullscreenUrl"])
    sees(viewer, RED)
    click(viewer, 200, 125)
    sees(viewer, GREEN)
    viewer.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(str(frame))))
    viewer.goto(through["debuggerUrl"].replace(netloc, gateway.netloc))
    eventually(lambda: viewer.evaluate("1") and any('"root"' in frame for frame in heard), within=SEEN_WITHIN)

    gateway.stop()
