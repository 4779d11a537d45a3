"""Proxies as people have them: http ones that tunnel and fetch, SOCKS 5 ones, with and without a password."""

from __future__ import annotations

import http.client
import http.server
import select
import socket
import socketserver
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

Place = tuple[str, int]


class KnowsNames:
    """What a proxy was asked for, and where the names lead that only it can resolve."""

    def __init__(self, names: Mapping[str, Place], credentials: tuple[str, str] | None) -> None:
        self.names = names
        self.credentials = credentials
        #: `CONNECT shop.example:443`, `GET http://shop.example/`, `SOCKS shop.example:80`.
        self.asked: list[str] = []
        #: Header fields of fetches, by lower-case name.
        self.headers: list[dict[str, str]] = []
        self.connections = 0

    def place(self, host: str, port: int) -> Place:
        return self.names.get(host, (host, port))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    knows: KnowsNames


class _Fetches(http.server.BaseHTTPRequestHandler):
    """An http proxy."""

    protocol_version = "HTTP/1.1"
    server: _Server  # type: ignore[assignment]

    def setup(self) -> None:
        super().setup()
        self.server.knows.connections += 1

    def _admitted(self) -> bool:
        self.server.knows.asked.append(f"{self.command} {self.path}")
        self.server.knows.headers.append({name.lower(): value for name, value in self.headers.items()})
        credentials = self.server.knows.credentials
        expected = "Basic " + b64encode(":".join(credentials).encode()).decode() if credentials else None
        if expected is None or self.headers.get("Proxy-Authorization") == expected:
            return True
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="a proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._admitted():
            return
        url = urlsplit(self.path)
        origin = http.client.HTTPConnection(*self.server.knows.place(url.hostname or "", url.port or 80), timeout=10)
        path = f"{url.path}?{url.query}" if url.query else url.path
        origin.request(self.command, path, body=body or None, headers={"Host": url.netloc})
        answer = origin.getresponse()
        content = answer.read()
        origin.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def do_CONNECT(self) -> None:
        if not self._admitted():
            return
        host, _, port = self.path.rpartition(":")
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\nX-Proxy: a test's\r\n\r\n")
        splice(self.connection, self.server.knows.place(host, int(port)))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Quiet: a test's output is its own."""


class _Tunnels(socketserver.BaseRequestHandler):
    """A SOCKS 5 proxy."""

    server: _Server  # type: ignore[assignment]

    def handle(self) -> None:
        with suppress(EOFError, OSError):
            self._serve(self.request)

    def _serve(self, client: socket.socket) -> None:
        knows = self.server.knows
        knows.connections += 1
        _, count = _exactly(client, 2)
        methods = _exactly(client, count)
        wanted = 2 if knows.credentials else 0
        if wanted not in methods:
            client.sendall(b"\x05\xff")
            return
        client.sendall(bytes((5, wanted)))
        if knows.credentials and not self._admitted(client, knows.credentials):
            return
        _, _, _, kind = _exactly(client, 4)
        if kind == 3:
            host = _exactly(client, _exactly(client, 1)[0]).decode()
        else:
            host = socket.inet_ntop(
                *((socket.AF_INET, _exactly(client, 4)) if kind == 1 else (socket.AF_INET6, _exactly(client, 16)))
            )
        port = int.from_bytes(_exactly(client, 2), "big")
        knows.asked.append(f"SOCKS {host}:{port}")
        client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        splice(client, knows.place(host, port))

    @staticmethod
    def _admitted(client: socket.socket, credentials: tuple[str, str]) -> bool:
        _exactly(client, 1)
        given = tuple(_exactly(client, _exactly(client, 1)[0]).decode() for _ in range(2))
        client.sendall(b"\x01\x00" if given == credentials else b"\x01\x01")
        return given == credentials


def _exactly(client: socket.socket, size: int) -> bytes:
    heard = b""
    while len(heard) < size:
        more = client.recv(size - len(heard))
        if not more:
            raise EOFError
        heard += more
    return heard


def splice(client: socket.socket, place: Place) -> None:
    """Until one of them has ended."""
    with suppress(OSError), socket.create_connection(place, timeout=10) as server:
        ends = {client: server, server: client}
        while True:
            if isinstance(client, ssl.SSLSocket) and client.pending():
                readable = [client]
            else:
                readable, _, _ = select.select(list(ends), [], [], 30)
            for end in readable:
                data = end.recv(65_536)
                if not data:
                    return
                ends[end].sendall(data)


@contextmanager
def running(
    kind: str,
    names: Mapping[str, Place],
    *,
    credentials: tuple[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> Iterator[tuple[int, KnowsNames]]:
    """An `http` or a `socks5` proxy on loopback; with `context` it is spoken to in TLS. Its port, and what it knows."""
    with _Server(("127.0.0.1", 0), _Fetches if kind == "http" else _Tunnels) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.knows = KnowsNames(names, credentials)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1], server.knows
        server.shutdown()
