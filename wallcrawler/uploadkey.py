"""Archives that were encrypted for one deployment, before they were uploaded to it.

    the RSA-OAEP (SHA-256) of a 32-byte key | a 16-byte vector | AES-256-CBC, PKCS7, of the archive

The key pair is made once. What it encrypts is safe from who only stores or sees the upload; TLS is safe from others.
"""

from __future__ import annotations

import io
from typing import IO, Any, Final

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as asymmetric
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BITS: Final = 2048
WRAPPED: Final = BITS // 8
VECTOR: Final = 16

#: What a Zstandard frame begins with: an upload that does is not encrypted.
PLAIN: Final = b"\x28\xb5\x2f\xfd"

#: Bytes that are decrypted at once.
CHUNK: Final = 1 << 18

_OAEP: Final = asymmetric.OAEP(asymmetric.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class NotForUs(ValueError):
    """It was encrypted for somebody else, or damaged."""


class UploadKey:
    """One deployment's."""

    def __init__(self, pem: bytes) -> None:
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("the upload key is not RSA")
        self._key = key

    @staticmethod
    def new() -> bytes:
        """A private key, PEM."""
        key = rsa.generate_private_key(65537, BITS)
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def public_pem(self) -> str:
        kind, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(kind, form).decode()

    def opened(self, upload: IO[bytes]) -> IO[bytes]:
        """The archive in an upload, whether it was encrypted or not. Raises NotForUs, also while it is read."""
        head = _exactly(upload, len(PLAIN))
        if head == PLAIN or len(head) < len(PLAIN):
            return io.BufferedReader(_Behind(head, upload))
        wrapped = head + _exactly(upload, WRAPPED - len(head))
        try:
            key = self._key.decrypt(wrapped, _OAEP)
            cipher = Cipher(algorithms.AES256(key), modes.CBC(_exactly(upload, VECTOR)))
        except ValueError:
            raise NotForUs("it is neither Zstandard nor encrypted with the context's publicKey") from None
        return io.BufferedReader(_Decrypted(upload, cipher.decryptor()), CHUNK)


def _exactly(file: IO[bytes], size: int) -> bytes:
    parts = b""
    while len(parts) < size and (part := file.read(size - len(parts))):
        parts += part
    return parts


class _Behind(io.RawIOBase):
    """A file, with what was read of it put back."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        self._head = head
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk, self._head = (self._head or self._file.read(len(buffer))), b""
        buffer[: len(chunk)] = chunk
        return len(chunk)


class _Decrypted(io.RawIOBase):
    """The plain bytes of a file, as they are asked for."""

    def __init__(self, file: IO[bytes], decryptor: Any) -> None:
        self._file = file
        self._decryptor = decryptor
        self._unpadder = padding.PKCS7(128).unpadder()
        self._waiting = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting and not self._ended:
            self._waiting = self._next()
        size = min(len(buffer), len(self._waiting))
        buffer[:size] = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return size

    def _next(self) -> bytes:
        chunk = self._file.read(CHUNK)
        try:
            if chunk:
                return bytes(self._unpadder.update(self._decryptor.update(chunk)))
            self._ended = True
            return bytes(self._unpadder.update(self._decryptor.finalize()) + self._unpadder.finalize())
        except ValueError:
            raise NotForUs("what was encrypted is damaged") from None
