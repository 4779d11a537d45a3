"""Archives of profiles, as somebody may make them by hand."""

from __future__ import annotations

import io
import os
import tarfile

import zstandard
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as asymmetric
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def an_archive(**files: str) -> bytes:
    """A profile with these files in Default."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, text in (files or {"Preferences": "{}"}).items():
            info = tarfile.TarInfo(f"Default/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return zstandard.compress(plain.getvalue())


def encrypted(body: bytes, public_pem: str) -> bytes:
    """As the docs say: the wrapped key, the vector, the body."""
    public = serialization.load_pem_public_key(public_pem.encode())
    assert isinstance(public, rsa.RSAPublicKey)
    key, vector = os.urandom(32), os.urandom(16)
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(vector)).encryptor()
    padder = padding.PKCS7(128).padder()
    wrapped = public.encrypt(key, asymmetric.OAEP(asymmetric.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    return wrapped + vector + encryptor.update(padder.update(body) + padder.finalize()) + encryptor.finalize()
