"""Two sockets as one, unread: what Chrome and a server say to each other, with back-pressure both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from controller.egress.absolute import BrokenRequest

#: Bytes that may wait for a side before the other is paused.
HIGH_WATER = 256 * 1024

#: Told of bytes that have moved.
Count = Callable[[int], None]


class End(asyncio.Protocol):
    """One of the two sockets. `changed` may have its bytes changed on the way."""

    transport: asyncio.Transport

    def __init__(self, count: Count | None = None, changed: Callable[[bytes], bytes] | None = None) -> None:
        self._count = count
        self._changed = changed
        self._other: asyncio.Transport | None = None
        #: What came before it was known where it goes.
        self._early = b""
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.transport.set_write_buffer_limits(high=HIGH_WATER)

    def lead_to(self, other: asyncio.Transport) -> None:
        """From now on its bytes go there."""
        self._other = other
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)
        if self._lost:
            other.close()

    def data_received(self, data: bytes) -> None:
        other = self._other
        if other is None:
            self._early += data
            return
        if self._changed is not None:
            try:
                data = self._changed(data)
            except BrokenRequest:
                self.transport.abort()
                return
        if self._count is not None:
            self._count(len(data))
        if not other.is_closing():
            other.write(data)

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and not self._other.is_closing():
            # uvloop refuses what asyncio takes: to resume one that reads already.
            with suppress(RuntimeError):
                self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._other is not None:
            # What it has said before is still sent.
            self._other.close()


def join(
    chrome: asyncio.Transport,
    server: End,
    *,
    early: bytes,
    count: Count | None = None,
    changed: Callable[[bytes], bytes] | None = None,
) -> None:
    """From now on what comes from Chrome goes to the server, from `early` on, and back. `count` and `changed` are for
    what Chrome says."""
    ours = End(count, changed)
    ours.connection_made(chrome)
    chrome.set_protocol(ours)
    server.lead_to(chrome)
    ours.lead_to(server.transport)
    if early:
        ours.data_received(early)
    if chrome.is_closing():
        server.transport.close()
