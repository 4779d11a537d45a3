"""Session tokens: Ed25519 JWTs (RFC 8037), each bound to one session and one use.

Claims: `sub` the session's id, `aud` one of AUDIENCES, `iat` and `exp` in epoch seconds; the header's `kid` names the
signing key, so that keys can be rotated. Ed25519 signatures are deterministic: the same session gives the same token,
so none is stored, and a client may come back with the URL that it has.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.utils import base64url_decode, base64url_encode

Audience = Literal["cdp", "view", "watch", "control", "guest"]

#: What a token may be used for: drive the browser, drive a page of it, only watch one, speak to the guest for the API,
#: or speak to the API for the guest.
AUDIENCES: tuple[Audience, ...] = ("cdp", "view", "watch", "control", "guest")

#: Seconds by which two machines' clocks may differ.
LEEWAY = 5


class InvalidToken(Exception):
    """The token opens nothing here. The text says why and never holds the token."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    session_id: str
    audience: str
    expires_at: int


class Signer:
    """Mints tokens with one private key; `older` ones only verify, while tokens that they signed are about."""

    def __init__(self, private_key: Ed25519PrivateKey, *older: Ed25519PrivateKey) -> None:
        self._key = private_key
        publics = [key.public_key().public_bytes_raw() for key in (private_key, *older)]
        #: Public keys by id, base64url of the 32 raw bytes: all that a guest or a gateway ever gets.
        self.verify_keys: Mapping[str, str] = {_kid(raw): base64url_encode(raw).decode() for raw in publics}
        self.kid = _kid(publics[0])

    @classmethod
    def generate(cls) -> Signer:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> Signer:
        """From one key or several, one after another: the first signs. Raises ValueError where a text is not an
        unencrypted Ed25519 key in PKCS#8."""
        ends = b"-----END PRIVATE KEY-----"
        keys = [_private_key(part + ends) for part in pem.split(ends) if part.strip()]
        if not keys:
            raise ValueError("there is no signing key in it")
        return cls(*keys)

    def pem(self) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def secret(self, purpose: str) -> bytes:
        """A secret of this purpose's own, the same in every process that signs with this key."""
        return hmac.digest(self._key.private_bytes_raw(), purpose.encode(), "sha256")

    def mint(self, session_id: str, audience: Audience, *, issued_at: float, expires_at: float) -> str:
        claims = {"sub": session_id, "aud": audience, "iat": int(issued_at), "exp": int(expires_at)}
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self.kid})


def _kid(raw: bytes) -> str:
    return base64url_encode(raw[:6]).decode()


def _private_key(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.strip(), password=None)
    except ValueError:
        # The library's text may quote what it could not read.
        raise ValueError("the signing key is not PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"the signing key is {type(key).__name__}, not Ed25519")
    return key


class Verifier:
    """Verifies tokens with public keys alone."""

    def __init__(self, verify_keys: Mapping[str, str]) -> None:
        self._keys = {
            kid: Ed25519PublicKey.from_public_bytes(base64url_decode(key)) for kid, key in verify_keys.items()
        }

    def verify(self, token: str, *, session_id: str | None, audiences: Collection[Audience]) -> Claims:
        """The claims of a token for this session (any, where None) and one of these uses.

        Raises InvalidToken.
        """
        try:
            # Only the key's id is taken from the unverified header; the algorithm never is.
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.get(str(kid))
            if key is None:
                raise InvalidToken("the token was signed with an unknown key")
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=list(audiences),
                leeway=LEEWAY,
                options={"require": ["sub", "aud", "iat", "exp"]},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidToken("the token has expired") from None
        except jwt.InvalidAudienceError:
            raise InvalidToken("the token is for another use") from None
        except jwt.InvalidTokenError:
            raise InvalidToken("the token is not valid") from None
        if session_id is not None and claims["sub"] != session_id:
            raise InvalidToken("the token is for another session")
        return Claims(claims["sub"], claims["aud"], claims["exp"])
