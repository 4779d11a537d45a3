"""What Chrome says to its egress, said by hand."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType


class Visitor:
    """One connection through an egress on loopback; `outcome` is its SOCKS reply."""

    def __init__(self, egress: int, host: str, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", egress), timeout=10)
        self.socket.sendall(b"\x05\x01\x00")
        assert self._exactly(2) == b"\x05\x00"
        name = host.encode()
        self.socket.sendall(b"\x05\x01\x00\x03" + bytes((len(name),)) + name + port.to_bytes(2, "big"))
        self.outcome = self._exactly(10)[1]

    def _exactly(self, size: int) -> bytes:
        heard = b""
        while len(heard) < size:
            more = self.socket.recv(size - len(heard))
            assert more, "the egress closed the connection"
            heard += more
        return heard

    def secured(self, name: str, context: ssl.SSLContext) -> None:
        """From here on in TLS, with whom it leads to."""
        self.socket = context.wrap_socket(self.socket, server_hostname=name)

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hear(self, size: int = 65_536) -> bytes:
        """Whatever comes next; nothing where the other side has ended."""
        try:
            return self.socket.recv(size)
        except ConnectionResetError:
            return b""

    def get(self, path: str, host: str, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
        """One request on this connection; its status and body."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.say(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\n{length}\r\n".encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self.hear()
            assert more, "the connection ended before there was an answer"
            answer += more
        head, _, content = answer.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(content) < int(fields[b"content-length"]):
            content += self.hear()
        return int(head[9:12]), content

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None) -> None:
        self.close()
