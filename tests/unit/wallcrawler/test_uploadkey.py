"""Uploads that were encrypted, as somebody's own program would do it."""

from __future__ import annotations

import base64
import io
import os

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.archives import encrypted
from wallcrawler.uploadkey import PLAIN, NotForUs, UploadKey

KEY = UploadKey(UploadKey.new())


def opened(upload: bytes) -> bytes:
    return KEY.opened(io.BytesIO(upload)).read()


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1 << 20])
def test_what_was_encrypted_for_us_is_read(size: int) -> None:
    """Of any length."""
    body = os.urandom(size)

    assert opened(encrypted(body, KEY.public_pem)) == body


@pytest.mark.parametrize("body", [PLAIN, PLAIN + b"frame", PLAIN + bytes(1 << 18), b"", b"abc"])
def test_what_was_not_encrypted_is_read_as_it_is(body: bytes) -> None:
    """Zstandard says what it is; what is shorter can't be anything, and is told so where it is read."""
    assert opened(body) == body


def test_what_was_encrypted_for_others_is_refused() -> None:
    """By its wrapped key."""
    other = UploadKey(UploadKey.new())

    with pytest.raises(NotForUs, match="publicKey"):
        opened(encrypted(b"secret", other.public_pem))


@pytest.mark.parametrize("length", [4, 100, 256, 270])
def test_what_is_too_short_is_refused(length: int) -> None:
    """Before the body, or in its vector."""
    with pytest.raises(NotForUs):
        opened(encrypted(b"secret", KEY.public_pem)[:length])


def test_what_breaks_off_is_refused() -> None:
    """In the middle of a block, or without its padding."""
    whole = encrypted(bytes(100), KEY.public_pem)

    for cut in (1, 16):
        with pytest.raises(NotForUs, match="damaged"):
            opened(whole[:-cut])


@given(st.binary(max_size=400))
def test_noise_breaks_nothing(noise: bytes) -> None:
    """It is refused, or too short to be an encrypted upload."""
    if len(noise) < 4 or noise.startswith(PLAIN):
        assert opened(noise) == noise
    else:
        with pytest.raises(NotForUs):
            opened(noise)


def test_the_public_key_is_rsa_and_the_same_after_a_restart() -> None:
    """In PEM, which every library reads."""
    pem = UploadKey.new()

    assert UploadKey(pem).public_pem == UploadKey(pem).public_pem
    der = base64.b64decode("".join(KEY.public_pem.splitlines()[1:-1]))
    assert isinstance(serialization.load_der_public_key(der), rsa.RSAPublicKey)
