"""A zip as it is read: neither it nor any file in it is ever whole in memory."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterable, Iterator
from os.path import splitext
from typing import IO, Final

from wallcrawler.errors import NotFound
from wallcrawler.ports import Blobs

#: Bytes that are read of a file at once.
CHUNK: Final = 1 << 18

#: The compression's level. It is there because who unpacks a zip while it arrives finds the end of a file only where
#: that is compressed; most of what is downloaded can't be made smaller.
LEVEL: Final = 1


def zipped(files: Iterable[tuple[str, float, str]], blobs: Blobs) -> Iterator[bytes]:
    """Files by their name, their time (epoch seconds), and the blob that has their bytes. A blob that is not there any
    more is left out. No two names in it are the same."""
    written = _Written()
    names: set[str] = set()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, at, blob in files:
            try:
                body = blobs.open(blob)
            except NotFound:
                continue
            with body:
                yield from _added(archive, written, zipfile.ZipInfo(unique(name, names), time.gmtime(at)[:6]), body)
    yield written.taken()


def _added(archive: zipfile.ZipFile, written: _Written, entry: zipfile.ZipInfo, body: IO[bytes]) -> Iterator[bytes]:
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    # How long the file is shows at its end: each may be one of the large ones.
    with archive.open(entry, "w", force_zip64=True) as file:
        while chunk := body.read(CHUNK):
            file.write(chunk)
            if ready := written.taken():
                yield ready
    yield written.taken()


def unique(name: str, names: set[str]) -> str:
    """The name, with a number where it is in `names` already; it is in them then."""
    stem, extension = splitext(name)
    number = 2
    while name in names:
        name = f"{stem} ({number}){extension}"
        number += 1
    names.add(name)
    return name


class _Written(io.RawIOBase):
    """What the archive wrote since it was last taken. It can't be gone back in, and the zip is made accordingly."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # it is given bytes alone
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data
