"""A reverse proxy that serves somebody else's port under a path of its own, as people put such things together."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class PrefixProxy:
    """Everything under `prefix` goes to `upstream` (host:port), without the prefix; all else is a 404."""

    def __init__(self, upstream: str, prefix: str) -> None:
        host, _, port = upstream.partition(":")
        self._upstream = (host, int(port))
        self._prefix = prefix.encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """As when a network goes: everything that is open is gone."""
        for client in self._clients:
            with suppress(OSError):  # gone already
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed: the end
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):  # either side may go at any time
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := client.recv(65_536)):
                    return
                head += data
            method, target, rest = head.split(b" ", 2)
            if not target.startswith(self._prefix + b"/"):
                client.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\nconnection: close\r\n\r\nnothing")
                return
            with socket.create_connection(self._upstream) as guest:
                guest.sendall(b" ".join([method, target.removeprefix(self._prefix), rest]))
                back = threading.Thread(target=_pour, args=(guest, client), daemon=True)
                back.start()
                _pour(client, guest)
                back.join()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
