"""Blobs in a directory. The API serves the URLs that are signed here."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import quote

from wallcrawler.errors import Conflict, NotFound
from wallcrawler.signatures import Signatures

#: Bytes that are copied at once.
CHUNK = 1 << 20

#: How often a folder is made that others take away.
RACES = 100


class DirectoryBlobs:
    """The Blobs port on a directory. `base_url` is where the API serves `/blobs/`, `secret` signs the URLs."""

    def __init__(self, root: Path, *, base_url: str, secret: bytes) -> None:
        self._root = root
        self._base_url = base_url.rstrip("/")
        self._signatures = Signatures(secret)
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, name: str, body: IO[bytes], *, once: bool = False) -> str:
        path = self._path(name)
        digest = hashlib.sha256()
        # In the root, so that a half-written file never lies where a name could find it.
        handle, half = tempfile.mkstemp(prefix=".half-", dir=self._root)
        try:
            with os.fdopen(handle, "wb") as file:
                while chunk := body.read(CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            _place(Path(half), path, once=once)
        except BaseException:
            Path(half).unlink(missing_ok=True)
            raise
        return digest.hexdigest()

    def open(self, name: str) -> IO[bytes]:
        try:
            return self._path(name).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound(f"there is no blob {name}") from None

    def size(self, name: str) -> int:
        path = self._path(name)
        if not path.is_file():
            raise NotFound(f"there is no blob {name}")
        return path.stat().st_size

    def delete(self, name: str) -> None:
        path = self._path(name)
        if not path.is_file():
            return
        path.unlink(missing_ok=True)
        # The folders that it was the last in: each session would leave some.
        with suppress(OSError):
            for folder in path.relative_to(self._root).parents[:-1]:
                (self._root / folder).rmdir()

    def names(self, prefix: str) -> Iterator[str]:
        # No further up than the prefix leads: others may have many blobs. Unlike rglob, walk minds no folder that goes.
        folder = prefix.rpartition("/")[0]
        top = self._path(folder) if folder else self._root
        files = [Path(place, name) for place, _, names in os.walk(top) for name in names]
        for path in sorted(files):
            name = path.relative_to(self._root).as_posix()
            if not name.startswith(".half-") and name.startswith(prefix):
                yield name

    def url(self, name: str, *, method: str, seconds: float, once: bool = False) -> str:
        self._path(name)
        query = self._signatures.query(name, method=method, seconds=seconds, once=once)
        return f"{self._base_url}/blobs/{quote(name)}?{query}"

    def admits(self, name: str, *, method: str, expires: str, signature: str, once: bool = False) -> bool:
        """Whether a request carries what `url` made for it, in time."""
        return self._signatures.admits(name, method=method, expires=expires, signature=signature, once=once)

    def _path(self, name: str) -> Path:
        """Raises ValueError for a name that would lead out of the directory."""
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or any(part in {"..", "."} or part.startswith(".half-") for part in parts):
            raise ValueError(f"not a blob's name: {name!r}")
        return self._root.joinpath(*parts)


def _place(half: Path, path: Path, *, once: bool) -> None:
    for left in reversed(range(RACES)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return _move(half, path, once=once)
        except (FileNotFoundError, FileExistsError):
            # The folder was empty, and whoever deleted the last blob in it took it away.
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def _move(half: Path, path: Path, *, once: bool) -> None:
    if not once:
        os.replace(half, path)
        return
    try:
        path.hardlink_to(half)
    except FileExistsError:
        raise Conflict(0, "there is such a blob already") from None
    half.unlink()
