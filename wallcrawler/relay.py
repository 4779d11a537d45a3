"""Blobs whose URLs lead to the API, which passes the bytes on: for browsers that reach no other store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO
from urllib.parse import quote

from wallcrawler.ports import Blobs
from wallcrawler.signatures import Signatures

#: The methods that there are URLs for.
METHODS = frozenset({"GET", "PUT"})


class RelayedBlobs:
    """The Blobs port on another one. `base_url` is where the API serves `/blobs/`."""

    def __init__(self, blobs: Blobs, *, base_url: str, secret: bytes) -> None:
        self._blobs = blobs
        self._base_url = base_url.rstrip("/")
        self._signatures = Signatures(secret)

    def put(self, name: str, body: IO[bytes], *, once: bool = False) -> str:
        return self._blobs.put(name, body, once=once)

    def open(self, name: str) -> IO[bytes]:
        return self._blobs.open(name)

    def size(self, name: str) -> int:
        return self._blobs.size(name)

    def delete(self, name: str) -> None:
        self._blobs.delete(name)

    def names(self, prefix: str) -> Iterator[str]:
        return self._blobs.names(prefix)

    def url(self, name: str, *, method: str, seconds: float, once: bool = False) -> str:
        """Raises ValueError for a method that is neither GET nor PUT, and for a name that is none."""
        if method not in METHODS or not name or name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
            raise ValueError(f"there is no URL to {method} {name!r}")
        query = self._signatures.query(name, method=method, seconds=seconds, once=once)
        return f"{self._base_url}/blobs/{quote(name)}?{query}"

    def admits(self, name: str, *, method: str, expires: str, signature: str, once: bool = False) -> bool:
        """Whether a request carries what `url` made for it, in time."""
        return self._signatures.admits(name, method=method, expires=expires, signature=signature, once=once)
