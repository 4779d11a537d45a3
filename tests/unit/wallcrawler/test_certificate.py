"""Which files hold certificates that a session may trust, and what is said of the others."""

from __future__ import annotations

import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from tests.authority import LOOPBACK, Identity, issue
from wallcrawler.certificate import BUNDLE_LIMIT, NotACertificate, examine

ROOT = issue("root")
BETWEEN = issue("between", issuer=ROOT)
LEAF = issue("leaf", issuer=BETWEEN, authority=False, names=LOOPBACK)


def examined(data: bytes) -> str:
    return examine(data, now=time.time())


def refusal(data: bytes) -> str:
    with pytest.raises(NotACertificate) as refused:
        examined(data)
    return str(refused.value)


@pytest.mark.parametrize(
    "identity",
    [ROOT, BETWEEN, issue("old root", authority=None), issue("on its own", authority=False, names=LOOPBACK)],
    ids=["authority", "between", "authority that does not say so", "signed by itself"],
)
def test_authorities_and_self_signed_certificates_are_taken(identity: Identity) -> None:
    """As PEM and as DER, and kept as PEM either way."""
    assert examined(identity.pem) == identity.pem.decode()
    assert examined(identity.der) == identity.pem.decode()


def test_a_bundle_is_kept_without_what_stands_around_it() -> None:
    """`openssl` and browsers write texts before each certificate."""
    bundle = b"Subject: CN=root\r\n" + ROOT.pem.replace(b"\n", b"\r\n") + b"# the second\n" + BETWEEN.pem + b"\n"

    assert examined(bundle) == (ROOT.pem + BETWEEN.pem).decode()


@pytest.mark.parametrize(
    "data",
    [
        ROOT.key_bytes(),
        ROOT.pem + ROOT.key_bytes(),
        ROOT.key_bytes(form=PrivateFormat.TraditionalOpenSSL),
        ROOT.key_bytes(Encoding.DER),
        ROOT.key_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL),
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIF\n-----END ENCRYPTED PRIVATE KEY-----\n" + ROOT.pem,
    ],
    ids=["alone", "after the certificate", "of old", "DER", "DER of old", "encrypted"],
)
def test_a_private_key_is_refused_whatever_is_beside_it(data: bytes) -> None:
    """And its owner is told that it was seen, and not stored."""
    message = refusal(data)

    assert message.startswith("holds a private key, which was not stored")
    assert "MII" not in message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Example data",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ROOT.pem[:-40],
        ROOT.der[:-1],
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        serialize_key_and_certificates(
            b"root", ROOT.key, ROOT.certificate, None, PrivateFormat.PKCS12.encryption_builder().build(b"x")
        ),
    ],
    ids=["empty", "text", "nonsense", "half", "a byte short", "a request", "PKCS 12"],
)
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    """With the two forms that are taken."""
    assert refusal(data) == "must be an X.509 certificate, as PEM or DER"


def test_a_servers_certificate_leads_to_its_issuer() -> None:
    """It would be trusted by name alone, and no longer when the server gets its next one."""
    assert refusal(ROOT.pem + LEAF.pem) == (
        "holds the certificate 'CN=leaf', which is no authority: upload that of its issuer, 'CN=between'"
    )


def test_what_has_expired_is_refused() -> None:
    """Chrome would go on saying that the date is wrong."""
    assert refusal(issue("gone", days=-1).pem).startswith("holds the certificate 'CN=gone', which expired on 20")


def test_a_bundle_has_an_end() -> None:
    """Ten are an authority with all its children; a hundred and fifty are somebody's whole system store."""
    assert len(examined(ROOT.pem * BUNDLE_LIMIT)) == len(ROOT.pem) * BUNDLE_LIMIT
    assert refusal(ROOT.pem * (BUNDLE_LIMIT + 1)) == "must hold at most 10 certificates, and holds 11"
    large = issue("large", names=tuple(x509.DNSName(f"{number}.example.com") for number in range(3000)))
    assert refusal(large.pem) == "must hold at most 65536 characters of certificates"


def test_a_message_is_harmless_whatever_the_name() -> None:
    """A name is anybody's text."""
    message = refusal(issue("\x1b[31m\n" + "x" * 50, issuer=ROOT, authority=False).pem)

    assert message.isprintable()
