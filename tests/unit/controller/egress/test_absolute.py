"""Requests in their absolute form."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.egress.absolute import BrokenRequest, Rewriter

REQUESTS = (
    b"GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive\r\nCookie: A=b\r\n\r\n"
    b"POST /form HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
    b"PUT /file HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\nProxy-Connection: close\r\n\r\n"
    b"5\r\nhello\r\n0\r\n\r\n"
    b"HEAD / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
)

HEADS = [
    "GET http://shop.example:81/a?b=c",
    "POST http://shop.example:81/form",
    "PUT http://shop.example:81/file",
    "HEAD http://shop.example:81/",
]


def read(told: bytes) -> list[tuple[str, dict[bytes, bytes], bytes]]:
    """What a proxy reads: method and target, header fields, and body."""
    requests: list[tuple[str, dict[bytes, bytes], bytes]] = []
    while told:
        parser = h11.Connection(h11.SERVER)
        parser.receive_data(told)
        head, body = parser.next_event(), b""
        assert isinstance(head, h11.Request)
        while isinstance(event := parser.next_event(), h11.Data):
            body += bytes(event.data)
        assert isinstance(event, h11.EndOfMessage)
        requests.append((f"{head.method.decode()} {head.target.decode()}", dict(head.headers), body))
        told = parser.trailing_data[0]
    return requests


@given(st.integers(1, 200))
def test_every_request_of_a_connection_is_rewritten(size: int) -> None:
    """However its bytes arrive: bodies as they are, fields between neighbours left out, the password in each."""
    rewriter = Rewriter("shop.example:81", "Basic c2VjcmV0")

    requests = read(b"".join(rewriter.feed(REQUESTS[at : at + size]) for at in range(0, len(REQUESTS), size)))

    assert [head for head, _, _ in requests] == HEADS
    assert [body for _, _, body in requests] == [b"", b"hello", b"hello", b""]
    assert {fields[b"proxy-authorization"] for _, fields, _ in requests} == {b"Basic c2VjcmV0"}
    assert {fields[b"connection"] for _, fields, _ in requests} == {b"keep-alive"}
    assert requests[0][1][b"cookie"] == b"A=b"
    assert b"proxy-connection" not in requests[2][1]


def test_without_a_password_none_is_sent() -> None:
    """And the head is all that changes."""
    told = Rewriter("shop.example", None).feed(b"GET / HTTP/1.1\r\nHost: shop.example\r\nX-Y: z\r\n\r\n")

    assert (
        told == b"GET http://shop.example/ HTTP/1.1\r\nHost: shop.example\r\nX-Y: z\r\nConnection: keep-alive\r\n\r\n"
    )


@pytest.mark.parametrize("said", [b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\nbad field\r\n\r\n", b"GET /" + b"x" * 70_000])
def test_what_is_no_request_is_not_passed_on(said: bytes) -> None:
    """It would be the proxy's to make something of."""
    with pytest.raises(BrokenRequest):
        Rewriter("shop.example", None).feed(said)
