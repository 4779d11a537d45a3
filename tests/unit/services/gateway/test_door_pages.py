"""Pages that people look at: how their files, asked for without a token, find the session that they are of."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest

from services.gateway.door import Detour, Refusal, Wish, request_bytes
from tests.unit.services.gateway.asking import TOKEN, UPGRADE, asked, mint, wished
from wallcrawler.tokens import Audience
from wallcrawler.wire.caller import Head

# -- Chrome's DevTools ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_an_inspector_is_sent_to_where_its_files_are(scheme: str) -> None:
    """By a relative address, which is right behind whatever path the gateway is published under."""
    socket = quote(f"connect.example.com/devtools/page/P?signingKey={TOKEN}", safe="/:")
    query = f"{scheme}={socket}&panel=console"

    detour = asked(f"/devtools/inspector.html?{query}")

    assert isinstance(detour, Detour)
    assert detour.location == f"../sessions/session-1/devtools/inspector.html?{query}"
    assert TOKEN not in repr(detour)


def test_an_inspector_with_a_bad_token_is_refused() -> None:
    """The detour is for who may pass."""
    answer = asked(f"/devtools/inspector.html?{urlencode({'ws': f'h/devtools/page/P?signingKey={mint(lasts=-60)}'})}")

    assert isinstance(answer, Refusal)
    assert answer.status == 401


def test_a_file_of_the_inspector_needs_no_token() -> None:
    """It is Chromium's own, the same for everybody; its query, with the token in it, stays here."""
    wish = wished(f"/sessions/session-1/devtools/core/host/host.js?wss=h%3FsigningKey%3D{TOKEN}")

    assert wish == Wish("session-1", "/devtools/core/host/host.js")
    assert b"x-bb-signing-key" not in request_bytes(Head("GET", "/", []), wish, address="a:1", peer="p")


@pytest.mark.parametrize(
    "path",
    [
        "/sessions/session-1/devtools/page/P",
        "/sessions/session-1/devtools/browser/B",
        "/sessions/session-1/devtools/pa%67e/P",
        "/sessions/session-1/json/list",
        "/sessions/session-1/",
        "/sessions//devtools/inspector.js",
        "/sessions/a/b/devtools/inspector.js",
    ],
)
def test_nothing_but_files_is_there_without_a_token(path: str) -> None:
    """No page, no browser and no list, however it is written."""
    answer = asked(path)

    assert isinstance(answer, Refusal)
    assert answer.status == 401


# -- The live view ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audience", ["cdp", "view", "watch"])
def test_a_live_view_is_sent_to_where_its_files_are(audience: Audience) -> None:
    """Its page asks for them by relative addresses, and without a token."""
    query = f"page=P&signingKey={mint(audience)}&navbar=false"

    detour = asked(f"/view/index.html?{query}")

    assert detour == Detour(f"../sessions/session-1/view/index.html?{query}")


@pytest.mark.parametrize("file", ["view.css", "view.js", "index.html", "fonts/a@2.woff2"])
def test_a_file_of_the_live_view_is_asked_for_by_its_session(file: str) -> None:
    """Whether it is one that needs no token is for the guest to say."""
    assert wished(f"/sessions/session-1/view/{file}") == Wish("session-1", f"/view/{file}")


def test_the_socket_of_a_live_view_has_a_token() -> None:
    """It goes on in a header, as all tokens do."""
    wish = wished(f"/sessions/session-1/view/socket?page=P&signingKey={TOKEN}", UPGRADE)

    assert wish == Wish("session-1", "/view/socket?page=P", TOKEN)


def test_a_token_opens_no_other_session_than_its_own() -> None:
    """Whatever session the address names."""
    answer = asked(f"/sessions/session-2/view/socket?page=P&signingKey={TOKEN}", UPGRADE)

    assert answer == Refusal(401, "the token is for another session")
