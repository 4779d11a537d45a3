"""Chrome's JSON, with URLs that lead through the gate again."""

from __future__ import annotations

import json
import string
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.gate import Kind, Pass, rewritten

PORT = 41234
TOKEN = "header.claims.signature"
PASSED = Pass(Kind.JSON, "GET", "/json/list", [], "cdp", TOKEN)


def chromes_list(*ids: str, title: str = "A page") -> str:
    """As Chromium 156 writes it: pretty-printed, three spaces, a space after each colon."""
    targets = [
        {
            "description": "",
            "devtoolsFrontendUrl": "https://chrome-devtools-frontend.appspot.com/serve_rev/@a21ce95c/inspector.html"
            f"?ws=127.0.0.1:{PORT}/devtools/page/{id}",
            "id": id,
            "title": title,
            "type": "page",
            "url": "about:blank",
            "webSocketDebuggerUrl": f"ws://127.0.0.1:{PORT}/devtools/page/{id}",
        }
        for id in ids
    ]
    return json.dumps(targets, indent=3, ensure_ascii=False)


def rewrite(body: str, *, host: str = "browsers.example:9223", secure: bool = False, passed: Pass = PASSED) -> Any:
    text = rewritten(body, passed=passed, host=host, secure=secure, port=PORT)
    assert str(PORT) not in text, "an address of Chrome's is still there"
    return json.loads(text)


@pytest.mark.parametrize(("secure", "scheme", "web"), [(False, "ws", "http"), (True, "wss", "https")])
def test_sockets_lead_through_the_gate(secure: bool, scheme: str, web: str) -> None:
    """At the host that the caller used, with the token that it came with, and over TLS where it came so."""
    [target] = rewrite(chromes_list("AB-12"), secure=secure)

    socket = f"browsers.example:9223/devtools/page/AB-12?signingKey={TOKEN}"
    assert target["webSocketDebuggerUrl"] == f"{scheme}://{socket}"
    inspector = urlsplit(target["devtoolsFrontendUrl"])
    assert (inspector.scheme, inspector.netloc, inspector.path) == (
        web,
        "browsers.example:9223",
        "/devtools/inspector.html",
    )
    assert parse_qs(inspector.query) == {scheme: [socket]}


def test_the_browsers_own_socket_leads_through_the_gate() -> None:
    """/json/version, which Puppeteer's browserURL reads; nothing else of it is touched."""
    version = {
        "Browser": "Chrome/156.0.8078.79",
        "Protocol-Version": "1.3",
        "User-Agent": 'Mozilla/5.0 "quoted" ws://127.0.0.1/',
        "webSocketDebuggerUrl": f"ws://127.0.0.1:{PORT}/devtools/browser/7065ed48-412b",
    }

    told = rewrite(json.dumps(version, indent=3))

    assert (
        told.pop("webSocketDebuggerUrl")
        == f"ws://browsers.example:9223/devtools/browser/7065ed48-412b?signingKey={TOKEN}"
    )
    assert told == {name: value for name, value in version.items() if name != "webSocketDebuggerUrl"}


def test_every_target_keeps_its_own_page() -> None:
    """A list of several is rewritten as a whole."""
    targets = rewrite(chromes_list("A", "B", "C"))

    for target in targets:
        assert urlsplit(target["webSocketDebuggerUrl"]).path == f"/devtools/page/{target['id']}"
        assert f"/devtools/page/{target['id']}%3FsigningKey" in target["devtoolsFrontendUrl"]


@given(id=st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=40), title=st.text(max_size=40))
def test_any_page_of_any_title_survives(id: str, title: str) -> None:
    """What is no URL of Chrome's stays as it was."""
    [target] = rewrite(chromes_list(id, title=title.replace(str(PORT), "")))

    assert target["id"] == id
    assert target["title"] == title.replace(str(PORT), "")
    assert urlsplit(target["webSocketDebuggerUrl"]).path == f"/devtools/page/{id}"


@pytest.mark.parametrize(
    "title",
    [
        f"ws://127.0.0.1:{PORT}/devtools/page/X",
        f'"ws://127.0.0.1:{PORT}/devtools/page/X"',
        f'"webSocketDebuggerUrl": "ws://127.0.0.1:{PORT}/devtools/page/X"',
        '"devtoolsFrontendUrl": "https://evil.example/devtools/page/X"',
        '\\"devtoolsFrontendUrl\\": \\"/devtools/page/X\\"',
    ],
)
def test_a_page_can_not_break_the_list_with_its_title(title: str) -> None:
    """Titles are written by hostile pages: they stay text, and are given no token."""
    text = rewritten(chromes_list("A", title=title), passed=PASSED, host="h", secure=False, port=PORT)

    [target] = json.loads(text)
    assert target["title"] == title
    assert text.count(TOKEN) == 2


def test_another_token_leads_on_with_itself() -> None:
    """Who came to look is given URLs to look with, and no key of somebody else's."""
    [target] = rewrite(chromes_list("A"), passed=Pass(Kind.JSON, "GET", "/json", [], "view", "look&only=1"))

    assert parse_qs(urlsplit(target["webSocketDebuggerUrl"]).query) == {"signingKey": ["look&only=1"]}


@given(body=st.text(max_size=200).filter(lambda text: "127.0.0.1" not in text and "devtools" not in text))
def test_what_has_no_url_of_chromes_is_left_alone(body: str) -> None:
    """Such as its errors, which are plain text."""
    assert rewritten(body, passed=PASSED, host="h", secure=True, port=PORT) == body
