"""What an archive may be, and what becomes of one that is not."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zips import FILES, MARKER, extension, zipped
from wallcrawler.wire import package
from wallcrawler.wire.package import NotAnExtension, examine, unpack

MANIFEST = json.dumps(MARKER)


def refusal(archive: bytes) -> str:
    with pytest.raises(NotAnExtension) as refused:
        examine(io.BytesIO(archive))
    return str(refused.value)


def with_member(name: str, content: bytes = b"x", *, mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A good extension with one member more, which may be called whatever it likes."""
    packed = io.BytesIO(extension())
    with zipfile.ZipFile(packed, "a") as archive:
        member = zipfile.ZipInfo("placeholder")
        member.filename, member.external_attr, member.compress_type = name, mode << 16, method
        archive.writestr(member, content)
    return packed.getvalue()


# -- What is good -----------------------------------------------------------------------------------------------------


def test_an_extension_says_what_it_is() -> None:
    """Its name, its version, and how large it is unpacked."""
    found = examine(io.BytesIO(extension()))

    assert (found.name, found.version, found.manifest_version, found.members) == ("Marker", "1.2", 3, 3)
    assert found.unpacked == len(MANIFEST) + sum(map(len, FILES.values()))


@pytest.mark.parametrize(
    "manifest",
    [
        MANIFEST,
        "\ufeff" + MANIFEST,
        "// made by hand\n" + MANIFEST.replace('"Marker"', '"Marker" /* for now */'),
        MANIFEST.replace("1.2", "1.2 // not a comment").replace("mark.js", "/*.js"),
        MANIFEST.replace("3,", "2,"),
    ],
    ids=["plain", "byte order mark", "comments", "no comments in strings", "version 2"],
)
def test_manifests_are_read_as_chrome_reads_them(manifest: str) -> None:
    """With comments, which Chrome allows, and a byte order mark, which editors leave."""
    found = examine(io.BytesIO(zipped({"manifest.json": manifest})))

    assert found.name == "Marker"


def test_what_is_unpacked_is_what_was_packed(tmp_path: Path) -> None:
    """Files, folders and folders without files, for their owner alone."""
    (tmp_path / "a.zip").write_bytes(zipped({"manifest.json": MANIFEST, "deep/er/file.js": "1", "empty/": ""}))

    unpack(tmp_path / "a.zip", tmp_path / "out")

    assert (tmp_path / "out/manifest.json").read_text() == MANIFEST
    assert (tmp_path / "out/deep/er/file.js").read_text() == "1"
    assert (tmp_path / "out/empty").is_dir()
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


# -- What is not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "archive",
    [b"", b"PK", b"Example data", b"Cr24" + extension(), zipped({}), extension()[:-30], extension()[:200]],
    ids=["empty", "two letters", "text", "a signed package", "no members", "no directory", "half"],
)
def test_what_is_no_zip_is_refused(archive: bytes) -> None:
    """Also where a zip is somewhere inside of it."""
    assert "zip archive" in refusal(archive)


def test_damage_is_found_to_the_last_byte() -> None:
    """A wrong checksum is found when it is uploaded, and not when a session needs it."""
    archive = bytearray(zipped({"manifest.json": MANIFEST, "a.js": "a" * 5000}))
    place = archive.index(b"a.js") + len("a.js")

    archive[place + 3] ^= 0xFF

    assert "whole zip archive" in refusal(bytes(archive))


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../up.js", "a/../../up.js", "a/./b.js", "./a.js", "..", ".", "a//b.js", "//a.js"),
        *("C:/a.js", "c:a.js", "a\\b.js", "..\\up.js", "\\\\host\\share"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(name: str) -> None:
    """Absolute, dotted, with a drive, or with what Windows takes for a slash."""
    assert refusal(with_member(name)) == f"must hold relative paths alone, and holds {name!r}"


@pytest.mark.parametrize("name", ["a\nb.js", "a\x1b[31m.js", "a\x7f.js"])
def test_control_characters_are_refused_and_not_repeated(name: str) -> None:
    """A terminal that shows the message must not obey it."""
    message = refusal(with_member(name))

    assert "control characters" in message
    assert message.isprintable()


def test_a_name_with_a_nul_is_refused() -> None:
    """zipfile would cut it there, and a file be called otherwise than it says."""
    archive = with_member("evil.js~png").replace(b"evil.js~png", b"evil.js\0png")

    assert "control characters" in refusal(archive)


@pytest.mark.parametrize("name", ["n" * 256, "/".join(["directory"] * 120)])
def test_a_name_that_no_file_system_takes_is_refused(name: str) -> None:
    """Before half of the archive lies on a disk."""
    assert "at most 1000 bytes, 255 each step" in refusal(with_member(name))


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o600, stat.S_IFCHR | 0o600, stat.S_IFSOCK])
def test_links_and_devices_are_refused(mode: int) -> None:
    """A link to /proc/self/environ is a file that a page could read."""
    assert refusal(with_member("link", b"/etc/passwd", mode=mode)) == (
        "must hold files and folders alone, and 'link' is a link or a device"
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mark.js", "holds 'mark.js' twice"),
        ("mark.js/inside.js", "'mark.js' is a file and a folder"),
        ("manifest.json", "holds 'manifest.json' twice"),
    ],
)
def test_a_name_that_is_there_already_is_refused(name: str, message: str) -> None:
    """What was examined must be what is loaded."""
    assert message in refusal(with_member(name))


def test_methods_that_unpack_into_more_memory_than_they_say_are_refused() -> None:
    """LZMA's dictionary may have gigabytes; nobody packs extensions with it."""
    assert "must be packed with deflate" in refusal(with_member("a.js", method=zipfile.ZIP_LZMA))


def test_an_encrypted_member_is_refused() -> None:
    """Nobody here knows its password."""
    archive = bytearray(with_member("secret.js"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = archive.rindex(signature)
        archive[place + offset] |= 1

    assert refusal(bytes(archive)) == "must not be encrypted, and 'secret.js' is"


# -- Bombs ------------------------------------------------------------------------------------------------------------


def test_an_archive_that_becomes_a_hundred_times_as_large_is_refused() -> None:
    """Eleven megabytes of nothing, in eleven kilobytes."""
    assert "must not become more than 100 times as large" in refusal(with_member("zeros", bytes(11 << 20)))


def test_a_small_file_may_be_packed_as_well_as_it_can_be() -> None:
    """A picture of one colour is no bomb."""
    assert examine(io.BytesIO(with_member("blank", bytes(2 << 20)))).members == 4


def test_more_than_three_hundred_megabytes_are_refused_by_what_the_directory_says() -> None:
    """Nothing is unpacked to find that out."""
    archive = bytearray(with_member("large", b"x" * 100))
    place = archive.rindex(b"PK\x01\x02")
    archive[place + 24 : place + 28] = struct.pack("<I", package.UNPACKED_LIMIT)

    assert f"must hold at most {package.UNPACKED_LIMIT} bytes unpacked" in refusal(bytes(archive))


def test_a_member_that_is_longer_than_it_said_is_not_written_on(tmp_path: Path) -> None:
    """The directory says 5 bytes, the packed bytes are a megabyte: five come, and the archive is refused."""
    archive = bytearray(with_member("liar.js", b"x" * (1 << 20)))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = archive.rindex(signature)
        archive[place + offset : place + offset + 4] = struct.pack("<I", 5)
    (tmp_path / "a.zip").write_bytes(archive)

    with pytest.raises(NotAnExtension):
        unpack(tmp_path / "a.zip", tmp_path / "out")

    assert not (tmp_path / "out/liar.js").exists() or (tmp_path / "out/liar.js").stat().st_size <= 5
    assert "whole zip archive" in refusal(bytes(archive))


def test_too_many_files_are_refused() -> None:
    """Each costs an inode and a while."""
    many = zipped({"manifest.json": MANIFEST, **{f"{number}": "" for number in range(package.MEMBERS_LIMIT)}})

    assert refusal(many) == "must hold at most 20000 files, and holds 20001"


def test_a_directory_that_would_fill_the_memory_is_not_read() -> None:
    """Two million members fit into a hundred megabytes, and their records into no process of ours."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *([0] * 9), 1, *([0] * 6)) + b"a"
    directory = entry * (package.DIRECTORY_LIMIT // len(entry) + 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 4, 0)

    assert "it holds too many files" in refusal(b"PK\x03\x04" + directory + end)


# -- Manifests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("not JSON", "that is JSON in UTF-8"),
        ('{"name": "never ends', "that is JSON in UTF-8"),
        ("[" * 100_000, "that is JSON in UTF-8"),
        (b"\xff\xfe{}", "that is JSON in UTF-8"),
        ("[]", "that is a JSON object"),
        ({"name": ""}, "whose name is a text"),
        ({"name": 7}, "whose name is a text"),
        ({"version": None}, "whose version is a text"),
        ({"manifest_version": 4}, "whose manifest_version is 2 or 3"),
        ({"manifest_version": "3"}, "whose manifest_version is 2 or 3"),
        ({"manifest_version": True}, "whose manifest_version is 2 or 3"),
        ({"padding": "x" * package.MANIFEST_LIMIT}, "of at most 1048576 bytes"),
    ],
)
def test_a_manifest_that_chrome_could_not_use_is_refused(manifest: Any, message: str) -> None:
    """The message names the file and the field."""
    content = json.dumps({**MARKER, **manifest}) if isinstance(manifest, dict) else manifest

    assert refusal(zipped({"manifest.json": content})) == f"must have a manifest.json {message}"


def test_a_zip_of_the_folder_instead_of_its_files_is_explained() -> None:
    """The mistake that everybody makes once."""
    archive = zipped({"my-extension/manifest.json": MANIFEST, "my-extension/mark.js": "1"})

    assert refusal(archive) == (
        "must hold manifest.json at its root, and holds 'my-extension/manifest.json': pack what is in that folder, and "
        "not the folder"
    )
    assert refusal(zipped({"mark.js": "1"})) == "must hold manifest.json at its root"


# -- Whatever comes ---------------------------------------------------------------------------------------------------


@given(st.data())
def test_a_damaged_archive_is_refused_or_good_and_never_breaks_anything(data: st.DataObject) -> None:
    """Any byte may be any other: the answer is an extension, or a sentence."""
    archive = bytearray(extension())
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))

    said = ""
    try:
        said = examine(io.BytesIO(bytes(archive))).name
    except NotAnExtension as refused:
        said = str(refused)

    assert said.isprintable()
    assert said
