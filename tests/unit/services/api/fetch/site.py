"""A web site on 127.0.0.1 for fetches to meet: each path is one thing that the web does."""

from __future__ import annotations

import base64
import datetime
import gzip
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: Zeros behind /bomb; as gzip they are a thousandth of that.
BOMB = 64 << 20


class Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: Where /elsewhere leads.
    elsewhere: ClassVar[str] = ""
    seen: ClassVar[list[tuple[str, dict[str, str]]]]
    #: Set when the test is over; what hangs lets go.
    over: ClassVar[threading.Event]

    def do_GET(self) -> None:
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        path = self.path.partition("?")[0]
        getattr(self, f"answer_{path.strip('/') or 'page'}")()

    def answer_page(self) -> None:
        self._answer(200, b"<title>Hi</title><h1>Hello</h1>", {"Content-Type": "text/html; charset=utf-8"})

    def answer_missing(self) -> None:
        self._answer(404, b"no", {"Content-Type": "text/plain"})

    def answer_twice(self) -> None:
        self._answer(200, b"", {"Set-Cookie": "a=1; Expires=Thu, 01 Jan 2099", "Connection": "x-mine", "X-Mine": "1"})

    def answer_moved(self) -> None:
        self._answer(302, b"moved", {"Location": "/page", "Set-Cookie": "seen=yes; Path=/"})

    def answer_loop(self) -> None:
        self._answer(302, b"", {"Location": "/loop"})

    def answer_elsewhere(self) -> None:
        self._answer(302, b"", {"Location": self.elsewhere})

    def answer_endless(self) -> None:
        """A redirect whose body never ends."""
        self.send_response(302)
        self.send_header("Location", "/page")
        self.send_header("Connection", "close")
        self.end_headers()
        with self._gone():
            while not self.over.is_set():
                self.wfile.write(b"x" * 65536)

    def answer_drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        with self._gone():
            while not self.over.wait(0.05):
                self.wfile.write(b"x")
                self.wfile.flush()

    def answer_silent(self) -> None:
        self.over.wait(30)
        self.close_connection = True

    def answer_bomb(self) -> None:
        self._answer(200, gzip.compress(b"\0" * BOMB), {"Content-Encoding": "gzip", "Content-Type": "text/plain"})

    def answer_zipped(self) -> None:
        self._answer(200, gzip.compress(b"unzipped"), {"Content-Encoding": "gzip", "Content-Type": "text/plain"})

    def answer_brotli(self) -> None:
        self._answer(200, b"\x0b\x02\x80", {"Content-Encoding": "br"})

    def answer_rude(self) -> None:
        self.wfile.write(b"SMTP ready\r\n")
        self.close_connection = True

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with self._gone():
            self.wfile.write(body)

    @contextmanager
    def _gone(self) -> Iterator[None]:
        """A fetch that has enough hangs up."""
        try:
            yield
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """The tests look at `seen`."""


@contextmanager
def serving(*, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, type[Site]]]:
    """A site on a free port, and what it remembers."""
    kind = type("ThisSite", (Site,), {"seen": [], "over": threading.Event()})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = False
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are what is tested
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1], kind
        finally:
            kind.over.set()
            server.shutdown()
            thread.join()


class Proxy(BaseHTTPRequestHandler):
    """A forward proxy that answers by itself."""

    asked: ClassVar[list[tuple[str, str]]]

    def do_GET(self) -> None:
        word = self.headers.get("Proxy-Authorization", "").removeprefix("Basic ")
        self.asked.append((self.path, base64.b64decode(word).decode()))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"proxied")

    def log_message(self, *_: Any) -> None:
        """The tests look at `asked`."""


@contextmanager
def proxying() -> Iterator[tuple[int, list[tuple[str, str]]]]:
    kind = type("ThisProxy", (Proxy,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1], kind.asked  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()


def certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for these names, and the file of the one that signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.IPAddress(ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in names]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    keyed = folder / "key.pem"
    keyed.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file, keyed)
    return tls, file
