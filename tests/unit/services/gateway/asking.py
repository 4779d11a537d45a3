"""Requests to a gateway's door, and how a guest hears them."""

from __future__ import annotations

import time

import h11

from services.gateway.door import Detour, Refusal, Wish, read, request_bytes
from wallcrawler.tokens import Audience, Signer, Verifier
from wallcrawler.wire.caller import Head, Headers

SIGNER = Signer.generate()
VERIFIER = Verifier(SIGNER.verify_keys)
NOW = time.time()

UPGRADE = [
    ("host", "connect.example.com"),
    ("upgrade", "websocket"),
    ("connection", "keep-alive, Upgrade"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
    ("sec-websocket-extensions", "permessage-deflate"),
]


def mint(audience: Audience = "cdp", *, session_id: str = "session-1", lasts: float = 600) -> str:
    return SIGNER.mint(session_id, audience, issued_at=NOW - 1000, expires_at=NOW + lasts)


TOKEN = mint()


def asked(target: str, headers: Headers = (), method: str = "GET") -> Wish | Detour | Refusal:
    return read(Head(method, target, headers), VERIFIER)


def wished(target: str, headers: Headers = (), method: str = "GET") -> Wish:
    wish = asked(target, headers, method)
    assert isinstance(wish, Wish), wish
    return wish


def heard(head: Head, wish: Wish) -> h11.Request:
    """The request as a server reads it."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(request_bytes(head, wish, address="10.0.0.7:9223", peer="192.0.2.1"))
    request = server.next_event()
    assert isinstance(request, h11.Request)
    return request


def headers_of(request: h11.Request) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in request.headers}
