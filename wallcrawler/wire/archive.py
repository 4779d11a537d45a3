"""A Chrome profile as one file: the content of its user-data-dir as tar, compressed with Zstandard.

Whoever uploads an archive may have made it by hand, and a page that broke out of its browser may have made it too. So
reading one trusts nothing: there are regular files and directories and nothing else, below the profile and not beside
it, each once, and only so many of them and so many bytes. What Chrome can make again by itself, and what says that a
Chrome is running, is left out on both ways.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import zstandard

from wallcrawler.wire.leftout import kept

#: How many times an archive's own limit its content may have, in bytes, or at least so many: Chrome's databases are
#: mostly air. And how many members.
EXPANSION: Final = 8
ROOM: Final = 256 << 20
MEMBERS: Final = 100_000

#: How deep a path may lead; bytes of it, and of each step, as file systems have it.
DEPTH: Final = 32
LENGTH: Final = 1024
STEP: Final = 255

#: Zstandard's level: Chrome's databases compress well, and a session's end waits for it.
LEVEL: Final = 3
#: Bytes of memory that reading may take for the window; `zstd --ultra -22` asks for as much.
WINDOW: Final = 128 << 20

#: Bytes that are copied at once.
CHUNK: Final = 1 << 18
#: Bytes that the headers of one member may take: names and times, also in pax form.
HEADERS: Final = 64 << 10


class BadArchive(ValueError):
    """It is not what this module packs, or too much of it. The text says what is wrong, for whoever made it."""


class TooMuch(BadArchive):
    """The profile, or the archive, is larger than it may be."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What was packed or read: bytes of the archive, their sha256 in hex, and how many files are in it."""

    size: int
    sha256: str
    files: int


# -- Packing ----------------------------------------------------------------------------------------------------------


def pack(profile: Path, to: Path, *, limit: int) -> Archive:
    """Write the archive of a user-data-dir that no Chrome uses. Raises TooMuch where it would be over `limit` bytes."""
    files = 0
    with to.open("xb") as raw:
        hashed = _Hashed(raw, limit)
        with (
            zstandard.ZstdCompressor(level=LEVEL).stream_writer(hashed, closefd=False) as compressed,  # type: ignore[arg-type]
            tarfile.open(mode="w|", fileobj=compressed, format=tarfile.PAX_FORMAT, bufsize=CHUNK) as tar,
        ):
            budget = _Budget(limit)
            for path, entry in _walk(profile, ()):
                member = _member(path, entry)
                budget.spend(member.size)
                if member.isdir():
                    tar.addfile(member)
                    continue
                files += 1
                with _opened(entry.path) as file:
                    tar.addfile(member, file)
    return Archive(hashed.size, hashed.digest.hexdigest(), files)


def _walk(folder: Path | str, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], os.DirEntry[str]]]:
    """Directories and regular files, each directory before what is in it. Links are not followed, and not kept."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = (*above, entry.name)
            if not kept(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield path, entry
                yield from _walk(entry.path, path)
            elif entry.is_file(follow_symlinks=False):
                yield path, entry


def _member(path: tuple[str, ...], entry: os.DirEntry[str]) -> tarfile.TarInfo:
    """Its name, time and size; whose it was and what they might do with it is nobody's business."""
    seen = entry.stat(follow_symlinks=False)
    member = tarfile.TarInfo("/".join(path))
    member.mtime = int(seen.st_mtime)
    if entry.is_dir(follow_symlinks=False):
        member.type, member.mode = tarfile.DIRTYPE, 0o700
    else:
        member.size, member.mode = seen.st_size, 0o600
    return member


def _opened(path: str) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


class _Hashed:
    """A file that is hashed as it is written, and refuses more than `limit` bytes."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file = file
        self._limit = limit
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.size > self._limit:
            raise TooMuch(f"the profile, packed, is over the limit of {self._limit} bytes")
        self.digest.update(data)
        return self._file.write(data)

    def flush(self, *_: Any) -> None:
        self._file.flush()


class _Budget:
    """Members and bytes that may still come."""

    def __init__(self, limit: int) -> None:
        self._whole = self._left = max(limit * EXPANSION, ROOM)
        self._members = MEMBERS

    def spend(self, size: int) -> None:
        self._members -= 1
        self._left -= size
        if self._members < 0:
            raise TooMuch(f"there are more than {MEMBERS} files and folders in it")
        if self._left < 0:
            raise TooMuch(f"the files in it are over the limit of {self._whole} bytes")


# -- Reading ----------------------------------------------------------------------------------------------------------


def unpack(archive: Path, into: Path, *, limit: int) -> Archive:
    """Write what is in it below `into`, an empty folder. Raises BadArchive, and then some of it may be there."""
    with archive.open("rb") as file:
        return _read(file, into, limit)


def check(archive: IO[bytes], *, limit: int) -> Archive:
    """Read all of it and write nothing. Raises BadArchive."""
    return _read(archive, None, limit)


def _read(archive: IO[bytes], into: Path | None, limit: int) -> Archive:
    source = _Source(archive, limit)
    budget, files = _Budget(limit), 0
    seen: dict[tuple[str, ...], bool] = {(): True}
    try:
        plain = _Rationed(
            zstandard.ZstdDecompressor(max_window_size=WINDOW).stream_reader(
                source,  # type: ignore[arg-type]
                read_across_frames=True,
                closefd=False,
            )
        )
        with tarfile.open(mode="r|", fileobj=plain, bufsize=tarfile.RECORDSIZE) as tar:  # type: ignore[call-overload]
            while True:
                plain.ration(HEADERS)
                member: tarfile.TarInfo | None = tar.next()
                if member is None:
                    plain.end_at(tar.offset)
                    break
                # Its list of all members is for archives that are not read in one go.
                tar.members = []
                path = _path(member)
                budget.spend(member.size)
                _once(path, member, seen)
                files += member.isreg()
                plain.ration(member.size + HEADERS)
                _take(tar, member, into and kept(path) and into.joinpath(*path))
        source.rest()
    except (tarfile.TarError, EOFError) as broken:
        raise BadArchive(f"it is no whole tar: {broken}") from None
    except zstandard.ZstdError as broken:
        raise BadArchive(f"it is not Zstandard, or was damaged: {broken}") from None
    except UnicodeError:
        raise BadArchive("a name in it is not UTF-8") from None
    return Archive(source.size, source.digest.hexdigest(), files)


def _path(member: tarfile.TarInfo) -> tuple[str, ...]:
    """Where below the profile it belongs. Raises BadArchive."""
    name = member.name
    steps = tuple(name.removeprefix("./").split("/"))
    if member.isdir() and name in {".", "./", ""}:
        return ()
    if any(step in {"", ".", ".."} or "\0" in step or len(os.fsencode(step)) > STEP for step in steps):
        raise BadArchive(f"{name[:200]!r} is no path below the profile")
    if len(steps) > DEPTH or len(os.fsencode(name)) > LENGTH:
        raise BadArchive(f"{name[:200]!r} is deeper than {DEPTH} folders, or longer than {LENGTH} bytes")
    if kept(steps) and (member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE} or member.sparse):
        raise BadArchive(f"{name[:200]!r} is neither a file nor a folder")
    if member.size < 0:
        raise BadArchive(f"{name[:200]!r} has no size")
    return steps


def _once(path: tuple[str, ...], member: tarfile.TarInfo, seen: dict[tuple[str, ...], bool]) -> None:
    """Note it, and the folders that it lies in. Raises BadArchive where something else has its name."""
    for above in (path[:depth] for depth in range(len(path))):
        if not seen.setdefault(above, True):
            raise BadArchive(f"{member.name[:200]!r} lies in something that is no folder")
    if path in seen and not (member.isdir() and seen[path]):
        raise BadArchive(f"{member.name[:200]!r} is in it twice")
    seen[path] = member.isdir()


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, to: Path | bool | None) -> None:
    """Read the member to its end, into `to` where that is a path."""
    if not isinstance(to, Path):
        body = tar.extractfile(member) if member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} else None
        while body and body.read(CHUNK):
            pass
        return
    (to if member.isdir() else to.parent).mkdir(mode=0o700, parents=True, exist_ok=True)
    if member.isdir():
        return
    body = tar.extractfile(member)
    assert body is not None  # noqa: S101 - it is a regular file
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        while chunk := body.read(CHUNK):
            file.write(chunk)


class _Source:
    """The archive's bytes, hashed as they are read, up to a limit."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file = file
        self._limit = limit
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size if size > 0 else CHUNK)
        self.size += len(chunk)
        if self.size > self._limit:
            raise TooMuch(f"the archive is over the limit of {self._limit} bytes")
        self.digest.update(chunk)
        return chunk

    def rest(self) -> None:
        """What is behind the tar's end is hashed as well."""
        while self.read(CHUNK):
            pass


class _Rationed:
    """Plain bytes, which tarfile gets no more of at once than a member may have: it reads headers into memory."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain
        self._given = 0
        # To be opened, a tar reads its first member's headers.
        self.ration(HEADERS)

    def ration(self, size: int) -> None:
        self._left = size + tarfile.RECORDSIZE

    def read(self, size: int) -> bytes:
        if size > self._left:
            raise BadArchive(f"a member's headers are over {HEADERS} bytes")
        parts = []
        while size and (part := self._plain.read(size)):
            parts.append(part)
            size -= len(part)
            self._left -= len(part)
            self._given += len(part)
        return b"".join(parts)

    def end_at(self, offset: int) -> None:
        """tarfile takes a tar that breaks off between two members for a whole one; a whole one has a block of zeros."""
        if self._given < offset + tarfile.BLOCKSIZE:
            raise BadArchive("it breaks off in the middle")
