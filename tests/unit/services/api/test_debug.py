"""URLs with which a person looks at a session."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.api.answers import Refusal
from services.api.debug import LONGEST, LONGEST_FAVICON, live_urls
from tests.unit.records import a_ready_session, a_session
from wallcrawler.lifecycle import State
from wallcrawler.links import GRACE, Links
from wallcrawler.session import Session
from wallcrawler.tokens import Claims, Signer, Verifier


class Guest(HTTPServer):
    """A guest that answers every request with the same body, and keeps what it was asked with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.body: bytes = b"[]"
        self.asked: list[tuple[str, str]] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Asked(BaseHTTPRequestHandler):
    server: Guest

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["x-bb-signing-key"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def guest(loopback: None) -> Iterator[Guest]:
    with Guest() as guest:
        yield guest
        guest.shutdown()


def ready(address: str) -> Session:
    """Tokens are checked against the real time of day, so that this session is of now."""
    now = time.time()
    return a_ready_session(at=now, address=address, created_at=now, ends_at=now + 3600)


def claims(signer: Signer, url: str) -> Claims:
    """Of the token in a URL, or in the socket that a URL of the inspector names."""
    [socket] = parse_qs(urlsplit(url).query).get("ws", [url])
    [token] = parse_qs(urlsplit(f"//{socket}").query)["signingKey"]
    return Verifier(signer.verify_keys).verify(token, session_id="session-1", audiences=["cdp", "view", "watch"])


PAGE: dict[str, Any] = {
    "id": "PAGE1",
    "type": "page",
    "url": "https://example.com/",
    "title": "Example",
    "faviconUrl": "https://example.com/favicon.ico",
}


def test_pages_are_listed_with_their_urls(guest: Guest, links: Links, signer: Signer) -> None:
    """Every field is there, the worker is not, and each token is for what its URL is for."""
    guest.body = json.dumps(
        [{"id": "W", "type": "worker", "url": "w"}, PAGE, {"id": "B", "type": "page", "url": "u"}]
    ).encode()
    session = ready(guest.address)

    urls = live_urls(session, links, None, now=session.created_at)

    first, second = urls["pages"]
    assert {name: first[name] for name in ("id", "url", "title", "faviconUrl")} == {
        name: PAGE[name] for name in ("id", "url", "title", "faviconUrl")
    }
    assert (second["title"], second["faviconUrl"]) == ("", "")
    of_a_page = ("debuggerUrl", "debuggerFullscreenUrl", "readOnlyUrl")
    assert [urls[name] for name in of_a_page] == [first[name] for name in of_a_page]
    assert urlsplit(first["debuggerUrl"]).path == "/devtools/inspector.html"
    for name in ("debuggerFullscreenUrl", "readOnlyUrl"):
        assert urlsplit(first[name]).path == "/view/index.html"
        assert parse_qs(urlsplit(first[name]).query)["page"] == ["PAGE1"]
    audiences = [claims(signer, urls[name]).audience for name in (*of_a_page, "wsUrl")]
    assert audiences == ["view", "view", "watch", "cdp"]


@pytest.mark.parametrize(
    ("favicon", "shown"),
    [
        ("https://example.com/i.png", True),
        ("http://example.com/i.png?a=b#c", True),
        ("data:image/png;base64,AAAA", True),
        ("DATA:image/svg+xml,%3Csvg%3E", True),
        ("javascript:alert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("data:image/svg+xml,<svg onload='x'>", False),
        ("file:///etc/passwd", False),
        ("chrome://favicon", False),
        ("https://example.com/' onerror='x", False),
        ("data:image/png;base64," + "A" * LONGEST_FAVICON, False),
        (7, False),
        ("", False),
    ],
)
def test_a_favicon_is_a_picture_or_nothing(guest: Guest, links: Links, favicon: object, shown: bool) -> None:
    """Pages name what they like, and whoever lists sessions shows it."""
    guest.body = json.dumps([PAGE | {"faviconUrl": favicon}]).encode()
    session = ready(guest.address)

    [page] = live_urls(session, links, None, now=session.created_at)["pages"]

    assert page["faviconUrl"] == (favicon if shown else "")


def test_titles_are_as_pages_have_them(guest: Guest, links: Links) -> None:
    """Chrome writes them for HTML, once; nobody else here does."""
    guest.body = json.dumps([PAGE | {"title": "&lt;b&gt; &amp;amp; &quot;it&#39;s&quot;"}]).encode()
    session = ready(guest.address)

    [page] = live_urls(session, links, None, now=session.created_at)["pages"]

    assert page["title"] == '<b> &amp; "it\'s"'


def test_the_guest_is_asked_with_a_token_that_only_looks(guest: Guest, links: Links, signer: Signer) -> None:
    """In a header, where it reaches no log of addresses."""
    session = ready(guest.address)

    live_urls(session, links, None, now=session.created_at)

    [(path, token)] = guest.asked
    assert path == "/json/list"
    assert claims(signer, f"ws://x/?signingKey={token}").audience == "view"


@pytest.mark.parametrize(("expires_in", "seconds"), [("1", 1), ("60", 60), ("3600", 3600), ("0060", 60)])
def test_urls_live_as_long_as_was_asked(
    guest: Guest, links: Links, signer: Signer, expires_in: str, seconds: int
) -> None:
    """All of them."""
    session = ready(guest.address)

    urls = live_urls(session, links, expires_in, now=session.created_at)

    for url in (urls["wsUrl"], urls["debuggerUrl"]):
        assert claims(signer, url).expires_at == int(session.created_at + seconds)


def test_without_a_wish_they_live_until_the_session_ends(guest: Guest, links: Links, signer: Signer) -> None:
    """And never longer, whatever is asked for."""
    session = ready(guest.address)

    for expires_in in (None, str(LONGEST)):
        urls = live_urls(session, links, expires_in, now=session.created_at)
        assert claims(signer, urls["wsUrl"]).expires_at == int(session.ends_at + GRACE)


@pytest.mark.parametrize(
    "expires_in",
    ["", "0", "-1", "21601", "216000000000", "1e3", "60.0", " 60", "+60", "soon", "²", "9" * 400, "000000001999999999"],
)
def test_a_time_that_is_none_is_refused(expires_in: str, links: Links) -> None:
    """Before anybody is asked, and with the range."""
    with pytest.raises(Refusal) as refusal:
        live_urls(ready("127.0.0.1:1"), links, expires_in, now=time.time())

    assert refusal.value.status == 400
    assert refusal.value.message == f"querystring/expiresIn must be an integer from 1 to {LONGEST}"


@pytest.mark.parametrize("state", [State.CREATING, State.PROVISIONING])
def test_a_session_that_starts_has_none_yet(state: State, links: Links) -> None:
    """And an SDK that is told to come back must not do so by itself."""
    with pytest.raises(Refusal) as refusal:
        live_urls(a_session(state=state), links, None, now=0)

    assert (refusal.value.status, refusal.value.headers["x-should-retry"]) == (409, "false")


@pytest.mark.parametrize("state", [State.TERMINATING, State.STOPPED, State.FAILED, State.TIMED_OUT])
def test_a_session_that_has_ended_has_none_any_more(state: State, links: Links) -> None:
    """410, with the reason."""
    with pytest.raises(Refusal) as refusal:
        live_urls(replace(a_ready_session(), state=state, ended_reason="released"), links, None, now=0)

    assert (refusal.value.status, refusal.value.message) == (410, "session session-1 has ended: released")


@pytest.mark.parametrize("body", [b"", b"not json", b'{"statusCode": 503}', b"[7]", b'[{"type": "page"}]'])
def test_a_guest_that_answers_something_else_is_a_502(guest: Guest, links: Links, body: bytes) -> None:
    """The browser's fault, not the caller's and not ours."""
    guest.body = body

    with pytest.raises(Refusal) as refusal:
        live_urls(ready(guest.address), links, None, now=time.time())

    assert refusal.value.status == 502


@pytest.mark.usefixtures("loopback")
def test_a_guest_that_is_not_there_is_a_502(links: Links) -> None:
    """Without its address, its token, or a traceback."""
    with pytest.raises(Refusal) as refusal:
        live_urls(ready("127.0.0.1:1"), links, None, now=time.time())

    assert refusal.value.status == 502
    assert refusal.value.message == "the browser of session session-1 did not answer: URLError"
