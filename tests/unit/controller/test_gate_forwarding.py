"""What of a request goes on to Chrome, and what stays here."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.gate import Kind, decide, request_bytes
from tests.unit.controller.gatekeeping import CDP, POLICY, UPGRADE, ask, passed
from wallcrawler.wire.caller import Head

NOSY = (
    *UPGRADE,
    ("sec-websocket-extensions", "permessage-deflate"),
    ("origin", "chrome-extension://abcdef"),
    ("cookie", "session=of-another-site"),
    ("authorization", "Bearer of-another-site"),
    ("x-bb-signing-key", CDP),
    ("x-forwarded-for", "10.0.0.1"),
    ("referer", "https://internal.example"),
    ("user-agent", "Stagehand/4"),
)


@pytest.mark.parametrize(
    "path", ["/", "/devtools/page/ABC", "/json/list", "/json/new?http://example.com/", "/devtools/inspector.html"]
)
def test_chrome_sees_neither_token_nor_origin_nor_cookies(path: str) -> None:
    """Of the caller's head, Chrome gets what a WebSocket needs, and a host that it accepts."""
    separator = "&" if "?" in path else "?"
    answer = passed(decide(Head("GET", f"{path}{separator}signingKey={CDP}&apiKey=wc_key", NOSY), POLICY))

    request = request_bytes(answer).decode()
    assert request.endswith("\r\n\r\n")
    for secret in (CDP, "signingKey", "wc_key", "of-another-site", "origin", "referer", "10.0.0.1", "browsers.example"):
        assert secret not in request
    assert request.count("host: 127.0.0.1:41234\r\n") == request.lower().count("host:") == 1
    if answer.kind is Kind.SOCKET:
        for needed in (*UPGRADE[1:], NOSY[5]):
            assert f"{needed[0]}: {needed[1]}\r\n" in request


def test_a_repr_shows_no_token() -> None:
    """What ends up in a log or a traceback is without it."""
    head = Head("GET", "/json", [("x-bb-signing-key", CDP)])

    assert CDP not in repr(head)
    assert CDP not in repr(decide(head, POLICY))


@given(url=st.text(min_size=1, max_size=40).filter(lambda url: url not in {"signingKey", "apiKey"}))
def test_a_page_is_opened_at_the_address_that_was_asked_for(url: str) -> None:
    """/json/new takes an address as its query; what Chrome decodes is what the client had encoded."""
    answer = passed(ask(f"/json/new?{quote(url, safe='')}", method="PUT"))

    path, _, query = answer.target.partition("?")
    assert path == "/json/new"
    assert unquote(query) == url
    assert request_bytes(answer).count(b"\r\n") == 3


@pytest.mark.parametrize(
    "url", ["http://example.com/a+b", "http://example.com/?q=a+b", "http://example.com/?a=&b", "http://x/?a=1&b=2;c#d"]
)
def test_an_address_that_was_not_encoded_is_opened_as_it_is(url: str) -> None:
    """Curl users type it so, and a plus sign of a path is a plus sign."""
    answer = passed(ask(f"/json/new?{url}", method="PUT"))

    assert unquote(answer.target.partition("?")[2]) == url


def test_of_a_query_only_the_secrets_stay_here() -> None:
    """Whatever else Chrome's endpoints take comes through, in its order."""
    head = Head("GET", f"/json/list?a=1&signingKey={CDP}&b&apiKey=k&signingKey=x", UPGRADE[:1])

    assert passed(decide(head, POLICY)).target == "/json/list?a=1&b"
