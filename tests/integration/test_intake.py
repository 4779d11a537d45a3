"""Requests that are none: answered all the same, in the shape of every error, and the connection closed."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.platform import Platform

pytestmark = pytest.mark.queue


def answered(platform: Platform, request: bytes) -> tuple[bytes, dict[str, object]]:
    """The status line and the body; returns when the server has closed the connection."""
    place = urlsplit(platform.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], json.loads(body)


@pytest.mark.parametrize("uri", [b"http://[/healthz", b"http://[::1/", b"http://a]b/"])
def test_a_request_for_what_is_no_uri_is_a_400(platform: Platform, uri: bytes) -> None:
    """The standard library refuses to take such a one apart; others are answered as before."""
    line, body = answered(platform, b"GET " + uri + b" HTTP/1.1\r\nHost: a\r\n\r\n")

    assert line.split()[1] == b"400"
    assert body == {"statusCode": 400, "error": "Bad Request", "message": "the request line has no valid URI"}
    assert platform.http.get("/healthz").status_code == 200
