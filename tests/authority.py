"""A certificate authority for tests, and a server that only those who trust it can read."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LOOPBACK = (x509.IPAddress(ipaddress.ip_address("127.0.0.1")),)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def key_bytes(self, encoding: Encoding = Encoding.PEM, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
        return self.key.private_bytes(encoding, form, NoEncryption())


def issue(
    name: str,
    *,
    issuer: Identity | None = None,
    authority: bool | None = True,
    names: tuple[x509.GeneralName, ...] = (),
    days: int = 30,
) -> Identity:
    """A certificate, signed by itself or by `issuer`. `authority` None says nothing of it; negative `days` are past."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    building = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
    )
    if authority is not None:
        building = building.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if names:
        building = building.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Identity(building.sign(issuer.key if issuer else key, hashes.SHA256()), key)


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<title>trusted</title>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A browser that does not trust us hangs up in the middle of the handshake."""


@contextmanager
def serving(identity: Identity, folder: Path) -> Iterator[str]:
    """The URL of a page on 127.0.0.1, served over TLS with this certificate."""
    (folder / "server.pem").write_bytes(identity.pem + identity.key_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with _Server(("127.0.0.1", 0), _Page) as server:
        # The handshake is each connection's own: one that never comes must not stand in others' way.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
