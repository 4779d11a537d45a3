"""One connection until its request is understood: reads a head, hands it to `serve`, and writes one answer.

What comes behind the head is kept in `early`; after an upgrade it belongs to whoever takes the socket over, and where
the request has a body, `chunks` reads on from there.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import h11

from wallcrawler import log as logs

log = logs.get()

#: Bytes of the largest head, and seconds for it to arrive.
HEAD_LIMIT = 65_536
HEAD_WITHIN = 10.0

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Head:
    """A request's head; `target` is path and query, header names are lower case."""

    method: str
    target: str
    headers: Headers = field(repr=False)

    def header(self, name: str) -> str:
        return next((value for header, value in self.headers if header == name), "")


class BadBody(Exception):
    """The body is too long, or no HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Caller(asyncio.Protocol, ABC):
    """A server's side of one connection. Subclasses say in `serve` what becomes of a request."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._task: asyncio.Task[None] | None = None
        self.early = b""
        #: Set whenever more of a body is there.
        self._arrived = asyncio.Event()
        self._has_body = False
        #: Bytes of `early` that the parser holds as well.
        self._held = 0

    @abstractmethod
    async def serve(self, head: Head) -> None:
        """Answer, or take the transport over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._patience = asyncio.get_running_loop().call_later(HEAD_WITHIN, self.refuse, 408, "no request came")

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            # A client that speaks before its upgrade is answered; bounded, because it has no reason to say much.
            self.early += data
            self._arrived.set()
            if len(self.early) > HEAD_LIMIT:
                if self._has_body:
                    self.transport.pause_reading()
                else:
                    self.transport.abort()
            return
        try:
            self._parser.receive_data(data)
            event = self._parser.next_event()
        except h11.RemoteProtocolError as wrong:
            self.refuse(431 if wrong.error_status_hint == 431 else 400, "the request is not HTTP/1.1")
            return
        if isinstance(event, h11.Request):
            self._patience.cancel()
            self.early = self._parser.trailing_data[0]
            self._held = len(self.early)
            head = Head(
                event.method.decode("ascii"),
                event.target.decode("latin-1"),
                [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers],
            )
            self._has_body = bool(head.header("content-length") or head.header("transfer-encoding"))
            self._task = asyncio.create_task(self.serve(head))

    async def chunks(self, limit: int) -> AsyncIterator[bytes]:
        """The request's body as it comes, at most `limit` bytes of it. Raises BadBody."""
        parser, seen = self._parser, 0
        self.early = self.early[self._held :]
        if parser.they_are_waiting_for_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError:
                raise BadBody(400, "the request's body is broken") from None
            if isinstance(event, h11.Data):
                seen += len(event.data)
                if seen > limit:
                    raise BadBody(413, f"the body must be at most {limit} bytes")
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            elif event is h11.NEED_DATA:
                while not self.early:
                    self._arrived.clear()
                    await self._arrived.wait()
                data, self.early = self.early, b""
                parser.receive_data(data)
                if not self.transport.is_closing():
                    self.transport.resume_reading()
            else:
                raise BadBody(400, "the request's body is broken")

    async def body(self, limit: int) -> bytes:
        """The whole of the request's body. Raises BadBody."""
        return b"".join([chunk async for chunk in self.chunks(limit)])

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        if self._task is not None:
            self._task.cancel()

    def taken_over(self) -> bytes:
        """The transport gets another protocol: this one ends without ending its task; what came early."""
        self._task = None
        return self.early

    def refuse(self, status: int, message: str) -> None:
        """The error triple, as the API has it."""
        log.info("gate.refused", status=status, why=message)
        self.answer(status, {"statusCode": status, "error": phrase(status), "message": message})

    def answer(self, status: int, body: object) -> None:
        self.send(status, json.dumps(body).encode(), "application/json")

    def send(self, status: int, body: bytes, content_type: str, headers: Headers = ()) -> None:
        more = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = (
            f"HTTP/1.1 {status} {phrase(status)}\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n{more}connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("latin-1") + body)
        self.transport.close()


def phrase(status: int) -> str:
    """`Not Found`; of a status that HTTP does not name, nothing better than its kind."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
