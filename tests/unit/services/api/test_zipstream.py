"""Zips that are made while they are read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.zipstream import CHUNK, unique, zipped
from wallcrawler.local.blobs import DirectoryBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    return DirectoryBlobs(tmp_path / "blobs", base_url="http://api", secret=b"secret")


def unzipped(parts: Iterator[bytes]) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_what_comes_out_is_what_went_in(blobs: DirectoryBlobs) -> None:
    """To the byte, in order, with names of any language, and their times."""
    files = {"empty": b"", "übersicht 😀.txt": b"text", "long.bin": bytes(range(256)) * 5000}
    for name, body in files.items():
        blobs.put(f"downloads/{name}", io.BytesIO(body))

    parts = list(zipped(((name, 1_719_265_797.0, f"downloads/{name}") for name in files), blobs))

    assert unzipped(iter(parts)) == files
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.namelist() == list(files)
        assert {entry.date_time[:3] for entry in archive.infolist()} == {(2024, 6, 24)}


def test_nothing_is_an_empty_zip(blobs: DirectoryBlobs) -> None:
    """And a zip all the same."""
    assert unzipped(zipped([], blobs)) == {}


def test_a_long_file_is_never_whole_in_memory(blobs: DirectoryBlobs) -> None:
    """It comes in pieces, each about as long as what is read at once."""
    import random

    body = random.Random(1).randbytes(CHUNK * 8)
    blobs.put("downloads/a", io.BytesIO(body))

    parts = list(zipped([("a", 0x7000_0000, "downloads/a")], blobs))

    assert unzipped(iter(parts)) == {"a": body}
    assert len(parts) >= 8
    assert max(map(len, parts)) < CHUNK * 1.1


def test_what_was_deleted_meanwhile_is_left_out(blobs: DirectoryBlobs) -> None:
    """The others are all there."""
    blobs.put("downloads/a", io.BytesIO(b"a"))

    files = [("gone", 1e9, "downloads/gone"), ("a", 1e9, "downloads/a")]

    assert unzipped(zipped(files, blobs)) == {"a": b"a"}


def test_a_reader_that_leaves_leaves_no_file_open(blobs: DirectoryBlobs) -> None:
    """However far it came."""
    blobs.put("downloads/a", io.BytesIO(b"a" * CHUNK * 4))
    opened = []

    class Remembers:
        def open(self, name: str) -> io.BufferedReader:
            opened.append(blobs.open(name))
            return opened[-1]  # type: ignore[return-value]

    reading = zipped([("a", 1e9, "downloads/a")], Remembers())  # type: ignore[arg-type]
    next(reading)
    reading.close()  # type: ignore[attr-defined]

    assert [file.closed for file in opened] == [True]


@given(st.lists(st.sampled_from(["a.txt", "a (2).txt", "a", "a (2)", ".a"])))
def test_no_two_names_are_the_same(names: list[str]) -> None:
    """The first of each stays as it is."""
    taken: set[str] = set()

    given_names = [unique(name, taken) for name in names]

    assert len(set(given_names)) == len(names)
    assert given_names[:1] == names[:1]
