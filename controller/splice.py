"""Two sockets as one: what a client and Chrome say to each other goes through unread.

This is the hot path of every CDP command. A chunk is one write; a side that does not read pauses the other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from controller.frames import Boundary

if TYPE_CHECKING:
    from controller.proxy import Proxy

#: Bytes that may wait for a side before the other is paused.
HIGH_WATER = 1 << 20

#: Bytes of the largest answer to an upgrade.
UPGRADE_LIMIT = 65_536


class _Side(asyncio.Protocol):
    """One of the two sockets; `other` is where its bytes go."""

    transport: asyncio.Transport
    other: asyncio.Transport

    def __init__(self, splice: Splice) -> None:
        self._splice = splice

    def pause_writing(self) -> None:
        self.other.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.is_closing():
            self.other.resume_reading()


class _Client(_Side):
    def data_received(self, data: bytes) -> None:
        self.other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._splice.client_gone()


class _Chrome(_Side):
    """Chrome's side. Its first bytes are the answer to the upgrade."""

    def __init__(self, splice: Splice) -> None:
        super().__init__(splice)
        self._answer: bytes | None = b""
        self.boundary = Boundary()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.transport.set_write_buffer_limits(high=HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.boundary.feed(data)
            self.other.write(data)
            return
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if end:
            self._answer = None
            self.other.write(head + end + rest)
            self.boundary.feed(rest)
            self._splice.answered(upgraded=head.startswith(b"HTTP/1.1 101"))
        elif len(self._answer) > UPGRADE_LIMIT:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._splice.chrome_gone()


class Splice:
    """One client's connection to Chrome, from its request on. `drives` tells a client from somebody who looks."""

    def __init__(self, client: asyncio.Transport, proxy: Proxy, *, drives: bool) -> None:
        self._proxy = proxy
        self.drives = drives
        self._client = _Client(self)
        self._client.transport = client
        self.chrome = _Chrome(self)
        self.chrome.other = client
        self._upgraded = False
        self._farewell: asyncio.Task[None] | None = None

    def begin(self, request: bytes, early: bytes) -> None:
        """Both sockets are there: send the request, and whatever the client said after it."""
        self._client.other = self.chrome.transport
        client = self._client.transport
        client.set_write_buffer_limits(high=HIGH_WATER)
        client.set_protocol(self._client)
        self.chrome.transport.write(request + early)
        if client.is_closing():
            self.chrome.transport.abort()

    def answered(self, *, upgraded: bool) -> None:
        self._upgraded = upgraded
        if upgraded and not self._client.transport.is_closing():
            self._proxy.joined(self)
        else:
            self._client.transport.close()

    def client_gone(self) -> None:
        self._proxy.left(self)
        # Not aborted: a client may say its last word and leave, as puppeteer does with Browser.close.
        self.chrome.transport.close()

    def chrome_gone(self) -> None:
        if self._client.transport.is_closing():
            return
        if not self._upgraded or self.chrome.boundary.closed:
            self._client.transport.close()
            return
        self._farewell = asyncio.create_task(self._say_why())

    async def _say_why(self) -> None:
        frame = await self._proxy.why()
        if frame is None:
            self._client.transport.close()
        else:
            self.finish(frame)

    def finish(self, frame: bytes) -> None:
        """Say this last, where a frame may stand, and close."""
        client = self._client.transport
        if client.is_closing():
            return
        # What Chrome would say now could come behind the close frame.
        self.chrome.transport.pause_reading()
        if self._upgraded and self.chrome.boundary.at and not self.chrome.boundary.closed:
            client.write(frame)
        client.close()
