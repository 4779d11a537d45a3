"""Where WebSocket frames begin and end in a stream of bytes (RFC 6455, section 5.2).

Pure, and as cheap as it can be: of each frame only the header is looked at, so that between two frames a frame of our
own can be put in.
"""

from __future__ import annotations

import struct

#: The opcode of a close frame.
CLOSE = 0x8


class Boundary:
    """Follows one direction of a WebSocket; `at` tells whether it stands between two frames, `closed` whether a close
    frame has gone by."""

    __slots__ = ("_header", "_payload", "closed")

    def __init__(self) -> None:
        self._payload = 0
        self._header = b""
        self.closed = False

    @property
    def at(self) -> bool:
        return self._payload == 0 and not self._header

    def feed(self, data: bytes) -> None:
        """Follow these bytes."""
        position, length = 0, len(data)
        if self._header:
            data = self._header + data
            length = len(data)
            self._header = b""
        while position < length:
            if self._payload:
                step = min(self._payload, length - position)
                self._payload -= step
                position += step
                continue
            size = _header(data, position, length)
            if size is None:
                self._header = data[position:]
                return
            header, self._payload = size
            self.closed = self.closed or data[position] & 0x0F == CLOSE
            position += header


def _header(data: bytes, position: int, length: int) -> tuple[int, int] | None:
    """Lengths of the header and the payload of the frame that begins here; None where the header is not whole."""
    if length - position < 2:
        return None
    second = data[position + 1]
    header, payload = 2, second & 0x7F
    if payload == 126:
        header = 4
        if length - position >= header:
            (payload,) = struct.unpack_from("!H", data, position + 2)
    elif payload == 127:
        header = 10
        if length - position >= header:
            (payload,) = struct.unpack_from("!Q", data, position + 2)
    header += 4 if second & 0x80 else 0
    return (header, payload) if length - position >= header else None


def close(code: int, reason: str) -> bytes:
    """A server's close frame. Raises ValueError for a reason of more than 123 bytes."""
    payload = struct.pack("!H", code) + reason.encode()
    if len(payload) > 125:
        raise ValueError("a close frame's reason has at most 123 bytes")
    return bytes([0x88, len(payload)]) + payload
