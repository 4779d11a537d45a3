"""One HTTP request on a connection of its own: to the API, and to Chrome's DevTools."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

#: Bytes that are read at once.
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def ask(
    url: str, *, method: str = "GET", headers: Sequence[tuple[str, str]] = (), body: bytes = b"", within: float = 10.0
) -> Answer:
    """Raises OSError where there is no answer within so many seconds, or one that is not HTTP."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(within):
            return await _exchange(
                parts.hostname or "",
                parts.port,
                parts.scheme == "https",
                _request(
                    method,
                    f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}",
                    parts.netloc,
                    headers,
                    body,
                ),
                body,
            )
    except h11.RemoteProtocolError:
        raise OSError("the answer is not HTTP") from None


def _request(method: str, target: str, host: str, headers: Sequence[tuple[str, str]], body: bytes) -> h11.Request:
    named = {name.lower() for name, _ in headers}
    own = [("host", host)] if "host" not in named else []
    length = [("content-length", str(len(body)))] if body or method in {"POST", "PUT"} else []
    return h11.Request(method=method, target=target, headers=[*own, *headers, *length, ("connection", "close")])


async def _exchange(host: str, port: int | None, secure: bool, request: h11.Request, body: bytes) -> Answer:
    context = ssl.create_default_context() if secure else None
    reader, writer = await asyncio.open_connection(host, port or (443 if secure else 80), ssl=context)
    try:
        connection = h11.Connection(h11.CLIENT)
        writer.write(connection.send(request) or b"")
        writer.write((connection.send(h11.Data(data=body)) or b"") if body else b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        return await _answer(connection, reader)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader) -> Answer:
    status, headers, parts = 0, {}, []
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        elif isinstance(event, h11.Data):
            parts.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return Answer(status, headers, b"".join(parts))
