"""Two sockets as one: what a client and Chrome say to each other goes through unread.

This is the hot path of every CDP command. A chunk is one write; a side that does not read pauses the other.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from wallcrawler.wire.frames import Boundary

#: Bytes that may wait for a side before the other is paused.
HIGH_WATER = 1 << 20

#: Bytes of the largest answer to an upgrade.
UPGRADE_LIMIT = 65_536


class Keeper(Protocol):
    """Who keeps the splices of a process."""

    def joined(self, splice: Splice) -> None:
        """The upgrade was answered with 101."""
        ...

    def left(self, splice: Splice) -> None:
        """The client is gone."""
        ...

    async def why(self, splice: Splice) -> bytes | None:
        """The close frame for a client whose other side went away; None where that only closed this one target."""
        ...


class _Side(asyncio.Protocol):
    """One of the two sockets; `other` is where its bytes go, `seen` how many have come."""

    transport: asyncio.Transport
    other: asyncio.Transport

    def __init__(self, splice: Splice) -> None:
        self._splice = splice
        self.seen = 0

    def pause_writing(self) -> None:
        self.other.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.is_closing():
            self.other.resume_reading()


class _Client(_Side):
    def data_received(self, data: bytes) -> None:
        # While a client waits to be told why, what it says to nobody is dropped; asyncio would log every write.
        if not self.other.is_closing():
            self.other.write(data)
        self.seen += len(data)

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
            # Sent on first: who waits for it need not wait for our accounts.
            self.other.write(data)
            self.seen += len(data)
            self.boundary.feed(data)
            return
        self.seen += len(data)
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

    def __init__(self, client: asyncio.Transport, keeper: Keeper, *, drives: bool) -> None:
        self._keeper = keeper
        self.drives = drives
        self.client = _Client(self)
        self.client.transport = client
        self.chrome = _Chrome(self)
        self.chrome.other = client
        self._upgraded = False
        self._farewell: asyncio.Task[None] | None = None

    def begin(self, request: bytes, early: bytes) -> None:
        """Both sockets are there: send the request, and whatever the client said after it."""
        self.client.other = self.chrome.transport
        client = self.client.transport
        client.set_write_buffer_limits(high=HIGH_WATER)
        client.set_protocol(self.client)
        if not client.is_closing():
            # Of a long body more may have come than was waited for.
            client.resume_reading()
        self.chrome.transport.write(request + early)
        if client.is_closing():
            self.chrome.transport.abort()

    def answered(self, *, upgraded: bool) -> None:
        self._upgraded = upgraded
        if upgraded and not self.client.transport.is_closing():
            self._keeper.joined(self)
        else:
            self.client.transport.close()

    def client_gone(self) -> None:
        self._keeper.left(self)
        # Not aborted: a client may say its last word and leave, as puppeteer does with Browser.close.
        self.chrome.transport.close()

    def chrome_gone(self) -> None:
        if self.client.transport.is_closing():
            return
        if not self._upgraded or self.chrome.boundary.closed:
            self.client.transport.close()
            return
        self._farewell = asyncio.create_task(self._say_why())

    async def _say_why(self) -> None:
        frame = await self._keeper.why(self)
        if frame is None:
            self.client.transport.close()
        else:
            self.finish(frame)

    @property
    def between_frames(self) -> bool:
        """A frame of our own may stand here: Chrome's last one is whole, and was no close frame."""
        return self._upgraded and self.chrome.boundary.at and not self.chrome.boundary.closed

    def insert(self, frame: bytes) -> None:
        """Say this to the client, if it may stand here."""
        if self.between_frames and not self.client.transport.is_closing():
            self.client.transport.write(frame)

    def finish(self, frame: bytes) -> None:
        """Say this last, where a frame may stand, and close."""
        client = self.client.transport
        if client.is_closing():
            return
        # What Chrome would say now could come behind the close frame.
        self.chrome.transport.pause_reading()
        self.insert(frame)
        client.close()
