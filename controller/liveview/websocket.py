"""A WebSocket that the guest itself answers, on the transport of a request.

What is to be said can be held back: `full` is true while the other side does not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from websockets.frames import Frame, Opcode
from websockets.protocol import SEND_EOF, SERVER, Protocol, State
from websockets.utils import accept_key

from wallcrawler.wire.caller import Head

#: Bytes that may wait to be read by the other side before it counts as slow.
HIGH_WATER = 1 << 19

#: Seconds for which the other side may take to read the last that is said to it.
GOODBYE_WITHIN = 5.0

#: Frames that messages are made of.
_SAYING = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class NoUpgrade(Exception):
    """The request asks for no WebSocket; `status` is the answer to it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def switched(head: Head) -> bytes:
    """The answer that makes a WebSocket of this request (RFC 6455, section 4.2.2). Raises NoUpgrade."""
    if head.method != "GET":
        raise NoUpgrade(405, "only GET")
    if head.header("upgrade").lower() != "websocket":
        raise NoUpgrade(426, "this is a WebSocket endpoint")
    key = head.header("sec-websocket-key")
    if head.header("sec-websocket-version") != "13" or not key:
        raise NoUpgrade(400, "this is not WebSocket 13")
    return (
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        f"sec-websocket-accept: {accept_key(key)}\r\n\r\n"
    ).encode("latin-1")


class Socket(asyncio.Protocol):
    """One WebSocket. `heard` gets each message, `room` is called when the other side reads again, `gone` at the end."""

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        largest: int,
        heard: Callable[[bytes], None],
        room: Callable[[], None],
        gone: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._protocol = Protocol(SERVER, max_size=largest)
        self._heard, self._room, self._gone = heard, room, gone
        #: What came of a message in parts.
        self._message = bytearray()
        self._patience: asyncio.TimerHandle | None = None
        self.full = False

    def begin(self, answer: bytes, early: bytes) -> None:
        """Answer the upgrade, and hear what came after it already."""
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._transport.set_protocol(self)
        self._transport.write(answer)
        if early:
            self.data_received(early)

    def say(self, message: str | bytes) -> None:
        """Send it. Who may be slow is asked first whether it is `full`: whatever is said waits in memory to be read."""
        if self._transport.is_closing() or self._protocol.state is not State.OPEN:
            return
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()

    def close(self, code: int, reason: str) -> None:
        """Say why, and close. Safe to repeat."""
        if self._transport.is_closing():
            return
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
        self._flush()
        self._leave()

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in _SAYING and self._protocol.state is State.OPEN:
                self._message += event.data
                if event.fin:
                    message, self._message = bytes(self._message), bytearray()
                    self._heard(message)
        self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if data == SEND_EOF:
                self._leave()
            else:
                self._transport.write(data)

    def _leave(self) -> None:
        """Close when everything is said; somebody who does not read that is not waited for."""
        if not self._transport.is_closing():
            self._transport.close()
            self._patience = asyncio.get_running_loop().call_later(GOODBYE_WITHIN, self._transport.abort)

    def eof_received(self) -> None:
        self._protocol.receive_eof()

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self._room()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._gone()
