"""Archives of profiles: what is kept, what is refused, and that nothing gets out of its folder."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from wallcrawler.wire import archive
from wallcrawler.wire.archive import Archive, BadArchive, TooMuch, check, pack, unpack

#: More than any archive here has.
PLENTY = 1 << 20


def member(name: str, body: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(body)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, body


def archived(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """An archive as somebody may make it by hand."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, body in members:
            tar.addfile(info, io.BytesIO(body))
    return zstandard.compress(plain.getvalue())


def checked(bytes_: bytes, *, limit: int = PLENTY) -> Archive:
    return check(io.BytesIO(bytes_), limit=limit)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """What Chrome leaves, in small."""
    folder = tmp_path / "profile"
    files = {
        "Local State": b"{}",
        "Default/Cookies": b"SQLite format 3\0" + bytes(4096),
        "Default/Preferences": b"{}",
        "Default/IndexedDB/http_localhost_1.indexeddb.leveldb/000003.log": b"log",
        "Default/IndexedDB/http_localhost_1.indexeddb.leveldb/LOCK": b"",
        "Default/Service Worker/ScriptCache/index": b"index",
        "Default/Service Worker/CacheStorage/a/Cache/x": b"kept: deeper than Chrome's own",
        "Default/Cache/Cache_Data/data_0": b"cache",
        "Default/Code Cache/js/index": b"cache",
        "Default/Sessions/Tabs_1": b"pages",
        "GPUPersistentCache/x": b"cache",
        "Crashpad/settings.dat": b"crash",
        "DevToolsActivePort": b"1234",
        "Default/half.tmp": b"half",
    }
    for name, body in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    (folder / "SingletonLock").symlink_to("host-1234")
    (folder / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(folder / "Default" / "pipe")
    return folder


KEPT = {
    "Local State",
    "Default/Cookies",
    "Default/Preferences",
    "Default/IndexedDB/http_localhost_1.indexeddb.leveldb/000003.log",
    "Default/Service Worker/ScriptCache/index",
    "Default/Service Worker/CacheStorage/a/Cache/x",
}


def test_a_profile_comes_back_as_it_was(profile: Path, tmp_path: Path) -> None:
    """Without caches, locks, links, and what was open; and its record is the same from both sides."""
    packed = pack(profile, tmp_path / "archive", limit=PLENTY)
    (tmp_path / "again").mkdir()

    unpacked = unpack(tmp_path / "archive", tmp_path / "again", limit=PLENTY)

    assert tree(tmp_path / "again") == {name: (profile / name).read_bytes() for name in KEPT}
    assert packed == unpacked == checked((tmp_path / "archive").read_bytes())
    assert packed.files == len(KEPT)
    assert packed.size == (tmp_path / "archive").stat().st_size


def test_what_is_unpacked_is_for_its_owner(tmp_path: Path) -> None:
    """Whatever the archive says of modes and owners."""
    (tmp_path / "archive").write_bytes(archived([member("Default/Cookies", b"x", mode=0o6777, uid=0)]))

    unpack(tmp_path / "archive", tmp_path / "again", limit=PLENTY)

    assert (tmp_path / "again/Default/Cookies").stat().st_mode & 0o7777 == 0o600
    assert (tmp_path / "again/Default").stat().st_mode & 0o077 == 0


def test_what_tar_makes_of_a_folder_is_taken(tmp_path: Path) -> None:
    """`tar --zstd -cf archive -C profile .` names everything with ./, a running Chrome's locks among it."""
    (tmp_path / "archive").write_bytes(
        archived(
            [
                member(".", type=tarfile.DIRTYPE),
                member("./Default", type=tarfile.DIRTYPE),
                member("./Default/Preferences", b"{}"),
                member("./Default/Cache/data_0", b"cache"),
                member("./SingletonLock", type=tarfile.SYMTYPE, linkname="host-1"),
            ]
        )
    )

    unpack(tmp_path / "archive", tmp_path / "again", limit=PLENTY)

    assert tree(tmp_path / "again") == {"Default/Preferences": b"{}"}


HOSTILE: dict[str, Callable[[], bytes]] = {
    "out of it": lambda: archived([member("../evil", b"x")]),
    "out of it, later": lambda: archived([member("Default/../../evil", b"x")]),
    "absolute": lambda: archived([member("/etc/passwd", b"x")]),
    "dotted": lambda: archived([member("Default/./x", b"x")]),
    "no name": lambda: archived([member("Default//x", b"x")]),
    "a link": lambda: archived([member("Default/x", type=tarfile.SYMTYPE, linkname="/etc/passwd")]),
    "a link, and a file through it": lambda: archived(
        [member("Default", type=tarfile.SYMTYPE, linkname="/tmp"), member("Default/x", b"x")]
    ),
    "a hard link": lambda: archived([member("x", type=tarfile.LNKTYPE, linkname="Default/Cookies")]),
    "a device": lambda: archived([member("x", type=tarfile.CHRTYPE)]),
    "a pipe": lambda: archived([member("x", type=tarfile.FIFOTYPE)]),
    "twice": lambda: archived([member("x", b"1"), member("x", b"2")]),
    "a file, then a folder": lambda: archived([member("x", b"1"), member("x", type=tarfile.DIRTYPE)]),
    "a file that is a folder": lambda: archived([member("x", b"1"), member("x/y", b"2")]),
    "a folder that is a file": lambda: archived([member("x/y", b"2"), member("x", b"1")]),
    "deep": lambda: archived([member("/".join("a" * 40), b"x")]),
    "a long step": lambda: archived([member("a" * 256, b"x")]),
    "a long path": lambda: archived([member("/".join(["a" * 200] * 6), b"x")]),
    "huge headers": lambda: archived([member("x", b"", pax_headers={"comment": "a" * (1 << 20)})]),
    "no tar": lambda: zstandard.compress(b"hello" * 1000),
    "empty": lambda: b"",
    "nothing in it": lambda: zstandard.compress(b""),
    "no Zstandard": lambda: b"PK\x03\x04" + bytes(100),
    "half of it": lambda: archived([member(f"{i}", os.urandom(4000)) for i in range(40)])[:90_000],
    "broken off between members": lambda: zstandard.compress(
        zstandard.decompress(archived([member("a", bytes(512)), member("b", bytes(512))]))[:1024]
    ),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_archive_of_a_profile_is_refused(tmp_path: Path, make: Callable[[], bytes]) -> None:
    """Whether it is only looked at or unpacked; and nothing is written beside the folder."""
    (tmp_path / "archive").write_bytes(make())
    (tmp_path / "again").mkdir()

    with pytest.raises(BadArchive):
        checked(make())
    with pytest.raises(BadArchive):
        unpack(tmp_path / "archive", tmp_path / "again", limit=PLENTY)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "archive"]


def test_a_bomb_goes_off_in_nobodys_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes that become many are counted while they are read, before they are all there."""
    monkeypatch.setattr(archive, "ROOM", 0)
    bomb = archived([member("x", bytes(9 << 20))])
    assert len(bomb) < PLENTY

    with pytest.raises(TooMuch, match="limit of 8388608 bytes"):
        checked(bomb)


def test_an_archive_has_a_limit(profile: Path, tmp_path: Path) -> None:
    """When it is packed and when it is read, and it is named."""
    (profile / "Default" / "random").write_bytes(os.urandom(5000))

    with pytest.raises(TooMuch, match="limit of 4000 bytes"):
        pack(profile, tmp_path / "archive", limit=4000)
    with pytest.raises(TooMuch, match="limit of 4000 bytes"):
        checked(archived([member("x", os.urandom(5000))]), limit=4000)


def test_members_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders count as well: each costs an inode."""
    monkeypatch.setattr(archive, "MEMBERS", 10)

    assert checked(archived(member(f"{n}", type=tarfile.DIRTYPE) for n in range(10))).files == 0
    with pytest.raises(TooMuch, match="more than 10 files and folders"):
        checked(archived(member(f"{n}", type=tarfile.DIRTYPE) for n in range(11)))


NAMES = st.text(st.sampled_from("ab./\\\0~ ä\udcff"), max_size=12)
TYPES = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.GNUTYPE_SPARSE])


@settings(max_examples=100)
@given(st.lists(st.tuples(NAMES, TYPES, st.binary(max_size=600)), max_size=4))
def test_no_names_lead_out(members: list[tuple[str, bytes, bytes]]) -> None:
    """Whatever they are made of: the archive is refused, or all of it is inside."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "archive").write_bytes(
            archived(member(name, body, type=kind, linkname="../archive") for name, kind, body in members)
        )
        (root / "again").mkdir()
        with suppress(BadArchive):
            unpack(root / "archive", root / "again", limit=PLENTY)

        assert sorted(path.name for path in root.iterdir()) == ["again", "archive"]
        assert not any(path.is_symlink() for path in root.rglob("*"))


@settings(max_examples=200)
@given(st.data())
def test_damage_is_told_as_damage(data: st.DataObject) -> None:
    """A changed byte of the tar is a changed file or a refusal, and no other error."""
    plain = bytearray(zstandard.decompress(archived([member("Default/a", b"a" * 700), member("b", b"b")])))
    where = data.draw(st.integers(0, 4096))
    plain[where : where + 1] = data.draw(st.binary(max_size=200))

    try:
        files = checked(zstandard.compress(bytes(plain))).files
    except BadArchive:
        files = 0

    assert files <= 2


@given(st.binary(max_size=300))
def test_noise_is_no_archive(noise: bytes) -> None:
    """And breaks nothing."""
    with pytest.raises(BadArchive):
        checked(noise)
