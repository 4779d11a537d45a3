"""Signed paths: who has one may do one thing with one thing, for a while. Kept nowhere, so that nothing has to be
revoked or cleaned up.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from urllib.parse import urlencode

_SECONDS = re.compile(r"[0-9]{1,12}")


class Signatures:
    """Makes and checks them with one secret, which every process that does either must have."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def query(self, name: str, *, method: str, seconds: float, once: bool = False) -> str:
        """The query of a URL that admits this method to this name for so many seconds. A secret. `once` is for whoever
        admits it to look at: it is signed as well."""
        expires = int(time.time() + seconds)
        only = {"once": "1"} if once else {}
        return urlencode({"expires": expires, **only, "signature": self._signature(name, method, expires, once)})

    def admits(self, name: str, *, method: str, expires: str, signature: str, once: bool = False) -> bool:
        """Whether a request carries what `query` made for it, in time."""
        if not _SECONDS.fullmatch(expires) or int(expires) < time.time():
            return False
        return hmac.compare_digest(signature.encode(), self._signature(name, method, int(expires), once).encode())

    def _signature(self, name: str, method: str, expires: int, once: bool) -> str:
        signed = f"{method}\n{name}\n{expires}\n{once}".encode()
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
