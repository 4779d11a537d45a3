"""An extension's zip: looked at, and unpacked, without trusting it.

Who uploads one may be anybody, and what unpacks it stands beside a session. So the archive is judged by its directory
before a byte of it is unpacked, and by its bytes while they come: nothing leaves the folder, becomes a link, is written
twice, or is longer than it said. The API and the guest ask the same code.
"""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

#: Bytes of an archive.
LIMIT: Final = 100 << 20
#: Bytes of all that is in it. A guest may keep its files in memory.
UNPACKED_LIMIT: Final = 300 << 20
MEMBERS_LIMIT: Final = 20_000
#: Bytes of an archive's directory: zipfile makes an object of each 46 of them before it says how many there are.
DIRECTORY_LIMIT: Final = 4 << 20
#: How much larger an archive may become. Text shrinks to a tenth; a thousandth is a bomb.
RATIO_LIMIT: Final = 100
#: Bytes up to which nobody asks how well they were packed.
RATIO_FROM: Final = 10 << 20
MANIFEST: Final = "manifest.json"
MANIFEST_LIMIT: Final = 1 << 20
#: Bytes of a member's path, and of a name in it; file systems take no longer ones.
PATH_LIMIT: Final = 1000
NAME_LIMIT: Final = 255
#: Bytes that are unpacked at once.
CHUNK: Final = 1 << 20

_ENCRYPTED: Final = 0x1
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
#: What zipfile raises where it finds something wrong; nonsense for an offset is a ValueError.
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,  # zipfile's word for a compression or an encryption that it does not know
    OverflowError,
    ValueError,
)
_DRIVE: Final = re.compile(r"[A-Za-z]:")
#: Chrome reads manifests with comments. Strings are matched to be left alone; what is not closed ends with the text.
_COMMENTS: Final = re.compile(r'("(?:\\.|[^"\\])*(?:"|\Z))|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)


class NotAnExtension(ValueError):
    """The archive is refused; the text says what is wrong with it, and goes on after "the file"."""


@dataclass(frozen=True, slots=True)
class Package:
    """What an archive says of itself."""

    name: str
    version: str
    manifest_version: int
    members: int
    #: Bytes of all its files.
    unpacked: int
    #: Whether a service worker stands behind it.
    worker: bool

    @classmethod
    def of(cls, manifest: dict[str, Any], members: list[zipfile.ZipInfo]) -> Package:
        background = manifest.get("background")
        return cls(
            name=manifest["name"],
            version=manifest["version"],
            manifest_version=manifest["manifest_version"],
            members=len(members),
            unpacked=sum(member.file_size for member in members),
            worker=isinstance(background, dict) and bool(background.get("service_worker")),
        )


def examine(file: IO[bytes]) -> Package:
    """Look at all of the archive, to its last byte. Raises NotAnExtension."""
    with _opened(file) as archive:
        members = _checked(archive)
        for member in members:
            for _ in _chunks(archive, member):
                pass
        return Package.of(_manifest(archive), members)


def unpack(path: Path, into: Path) -> Package:
    """Unpack the archive into a new folder. Raises NotAnExtension, FileExistsError, OSError; what was written stays."""
    with path.open("rb") as file, _opened(file) as archive:
        members = _checked(archive)
        into.mkdir(mode=0o700)
        for member in members:
            target = into / member.filename
            if member.is_dir():
                target.mkdir(mode=0o700, parents=True, exist_ok=True)
                continue
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Every folder on the way was made here, so that a new file is where its name says.
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                for chunk in _chunks(archive, member):
                    out.write(chunk)
        return Package.of(_manifest(archive), members)


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Whatever zipfile finds wrong while it is open is the archive's fault."""
    file.seek(0)
    if file.read(4) != b"PK\x03\x04":
        raise NotAnExtension("must be a zip archive")
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Bounded(file))) as archive:
            yield archive
    except NotAnExtension:
        raise
    except _BROKEN as broken:
        raise NotAnExtension(f"must be a whole zip archive: {str(broken) or 'it ends too early'}") from None


class _Bounded:
    """The file, as zipfile reads it: its directory in one piece, and members in pieces of a chunk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(DIRECTORY_LIMIT + 1 if size < 0 else min(size, DIRECTORY_LIMIT + 1))
        if len(data) > DIRECTORY_LIMIT:
            raise NotAnExtension(f"must have a directory of at most {DIRECTORY_LIMIT} bytes: it holds too many files")
        return data


def _checked(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The archive's members, none of which can do harm. Raises NotAnExtension."""
    members = archive.infolist()
    if len(members) > MEMBERS_LIMIT:
        raise NotAnExtension(f"must hold at most {MEMBERS_LIMIT} files, and holds {len(members)}")
    folders: set[str] = set()
    files: set[str] = set()
    for member in members:
        _check(member)
        name = member.filename.rstrip("/")
        if name in files or (name in folders and not member.is_dir()):
            raise NotAnExtension(f"must hold every name once, and holds {_shown(name)} twice")
        if not member.is_dir():
            files.add(name)
        steps = name.split("/")
        folders |= {"/".join(steps[:depth]) for depth in range(1, len(steps) + member.is_dir())}
    if both := folders & files:
        raise NotAnExtension(f"must hold every name once, and {_shown(min(both))} is a file and a folder")
    _check_sizes(members)
    return members


def _check(member: zipfile.ZipInfo) -> None:
    """Raises NotAnExtension that names the member."""
    # zipfile cuts a name at a NUL, and Chrome must not see another name than we do.
    name, shown = member.orig_filename, _shown(member.orig_filename)
    steps = name.removesuffix("/").split("/")
    if {"", ".", ".."} & set(steps) or "\\" in name or _DRIVE.match(name):
        raise NotAnExtension(f"must hold relative paths alone, and holds {shown}")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise NotAnExtension(f"must hold names without control characters, and holds {shown}")
    encoded = name.encode(errors="surrogatepass")
    if len(encoded) > PATH_LIMIT or any(len(step.encode(errors="surrogatepass")) > NAME_LIMIT for step in steps):
        raise NotAnExtension(
            f"must hold paths of at most {PATH_LIMIT} bytes, {NAME_LIMIT} each step; {shown} is longer"
        )
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise NotAnExtension(f"must hold files and folders alone, and {shown} is a link or a device")
    if member.flag_bits & _ENCRYPTED:
        raise NotAnExtension(f"must not be encrypted, and {shown} is")
    if member.compress_type not in _METHODS:
        raise NotAnExtension(f"must be packed with deflate or not at all, and {shown} is not")


def _check_sizes(members: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if unpacked > UNPACKED_LIMIT:
        raise NotAnExtension(f"must hold at most {UNPACKED_LIMIT} bytes unpacked, and holds {unpacked}")
    if unpacked > RATIO_FROM and unpacked > RATIO_LIMIT * packed:
        raise NotAnExtension(
            f"must not become more than {RATIO_LIMIT} times as large; {packed} bytes become {unpacked}"
        )


def _chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The member's bytes, never more than it said: zipfile stops there, and then finds the checksum wrong."""
    with archive.open(member) as source:
        while chunk := source.read(CHUNK):
            yield chunk


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Raises NotAnExtension."""
    try:
        member = archive.getinfo(MANIFEST)
    except KeyError:
        raise NotAnExtension(f"must hold {MANIFEST} at its root{_elsewhere(archive)}") from None
    if member.file_size > MANIFEST_LIMIT:
        raise NotAnExtension(f"must have a {MANIFEST} of at most {MANIFEST_LIMIT} bytes")
    try:
        text = archive.read(member).decode("utf-8-sig")
        manifest = json.loads(_COMMENTS.sub(lambda found: found[1] or " ", text))
    except (ValueError, RecursionError):
        raise NotAnExtension(f"must have a {MANIFEST} that is JSON in UTF-8") from None
    if not isinstance(manifest, dict):
        raise NotAnExtension(f"must have a {MANIFEST} that is a JSON object")
    for field in ("name", "version"):
        if not isinstance(manifest.get(field), str) or not manifest[field].strip():
            raise NotAnExtension(f"must have a {MANIFEST} whose {field} is a text")
    version = manifest.get("manifest_version")
    if isinstance(version, bool) or version not in (2, 3):
        raise NotAnExtension(f"must have a {MANIFEST} whose manifest_version is 2 or 3")
    return manifest


def _elsewhere(archive: zipfile.ZipFile) -> str:
    """What the usual mistake looks like: the folder was packed and not what is in it."""
    found = next((name for name in archive.namelist() if name.endswith(f"/{MANIFEST}")), None)
    return f", and holds {_shown(found)}: pack what is in that folder, and not the folder" if found else ""


def _shown(name: str) -> str:
    """A member's name for a message: short, and harmless whatever is in it."""
    text = name if len(name) <= 80 else f"{name[:77]}..."
    return ascii(text)
