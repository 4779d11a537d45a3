"""Certificates that a project's sessions may trust: what may be one, and their records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

#: Certificates in one file: an authority, and those between it and a server.
BUNDLE_LIMIT: Final = 10
#: Characters of PEM that one file may come to; a plan holds a few of them.
PEM_LIMIT: Final = 64 << 10

_PRIVATE_KEY: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_PEM: Final = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----")
#: How the DER of a private key begins in PKCS #1, SEC 1 and PKCS #8: a sequence whose first member is 0 or 1.
_DER_KEY: Final = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]", re.DOTALL)


#: What `cryptography` raises where an encoding is wrong.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class NotACertificate(ValueError):
    """The file is refused; the text says what is wrong with it, and goes on after "the file"."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was uploaded as one file: a certificate, or a few that belong together. It never changes."""

    id: str
    project_id: str
    #: PEM of them all, one after another, and nothing else of the file.
    pem: str
    created_at: float
    updated_at: float
    version: int = 1

    def as_item(self) -> dict[str, Any]:
        return {
            "certificateId": self.id,
            "projectId": self.project_id,
            "pem": self.pem,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "version": self.version,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Certificate:
        return cls(
            id=item["certificateId"],
            project_id=item["projectId"],
            pem=item["pem"],
            created_at=float(item["createdAt"]),
            updated_at=float(item["updatedAt"]),
            version=int(item["version"]),
        )


def examine(data: bytes, *, now: float) -> str:
    """The certificates of an uploaded file, PEM or DER, as PEM. Raises NotACertificate.

    Taken is what makes sense to trust: an authority, or a server's own that nobody else has signed. A private key is
    refused first, whatever else is in the file.
    """
    if _PRIVATE_KEY.search(data) or _DER_KEY.match(data):
        raise NotACertificate(
            "holds a private key, which was not stored: upload the certificate alone, and replace the key if "
            "others may have seen it on the way"
        )
    found = _parsed(data)
    if len(found) > BUNDLE_LIMIT:
        raise NotACertificate(f"must hold at most {BUNDLE_LIMIT} certificates, and holds {len(found)}")
    for certificate in found:
        _check(certificate, now)
    pem = "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in found)
    if len(pem) > PEM_LIMIT:
        raise NotACertificate(f"must hold at most {PEM_LIMIT} characters of certificates")
    return pem


def _parsed(data: bytes) -> list[x509.Certificate]:
    try:
        if _PEM.search(data):
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except _UNREADABLE:
        raise NotACertificate("must be an X.509 certificate, as PEM or DER") from None


def _check(certificate: x509.Certificate, now: float) -> None:
    """Raises NotACertificate."""
    try:
        name = certificate.subject.rfc4514_string() or "without a name"
        expires = certificate.not_valid_after_utc
        lonely = not _is_authority(certificate) and not _signed_by_itself(certificate)
    except _UNREADABLE as wrong:
        raise NotACertificate(f"must hold certificates that can be read to their end: {wrong}") from None
    if expires < datetime.fromtimestamp(now, UTC):
        raise NotACertificate(f"holds the certificate {name[:200]!a}, which expired on {expires:%Y-%m-%d}")
    if lonely:
        issuer = certificate.issuer.rfc4514_string()[:200]
        raise NotACertificate(
            f"holds the certificate {name[:200]!a}, which is no authority: upload that of its issuer, {issuer!a}"
        )


def _is_authority(certificate: x509.Certificate) -> bool:
    """What says nothing is one, as roots of old do: Chrome takes them for anchors as well."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.subject == certificate.issuer


def _signed_by_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        # Also where it names another issuer, or its key is of a kind that nobody verifies with.
        return False
    return True
