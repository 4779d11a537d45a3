"""What a directory of blobs is besides a store: folders, which nobody deletes but itself."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from wallcrawler.local.blobs import DirectoryBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    return DirectoryBlobs(tmp_path / "blobs", base_url="http://api", secret=b"secret")


def put(blobs: DirectoryBlobs, name: str) -> None:
    blobs.put(name, io.BytesIO(b"x"))


def test_a_folder_goes_with_its_last_blob(blobs: DirectoryBlobs, tmp_path: Path) -> None:
    """Up to one that holds something else; the directory itself stays."""
    for name in ("logs/session-1/1", "logs/session-1/2", "logs/session-2/1"):
        put(blobs, name)

    for name in ("logs/session-1/1", "logs/session-1/2"):
        blobs.delete(name)
    left = sorted(path.name for path in (tmp_path / "blobs").rglob("*"))
    blobs.delete("logs/session-2/1")

    assert left == ["1", "logs", "session-2"]
    assert list((tmp_path / "blobs").iterdir()) == []


def test_a_blob_finds_a_folder_that_goes_at_that_moment(blobs: DirectoryBlobs) -> None:
    """One thread puts where another deletes the last one, again and again."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            put(blobs, "logs/session/other")
            blobs.delete("logs/session/other")

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for number in range(300):
            name = f"logs/session/{number % 2}"
            put(blobs, name)
            assert set(blobs.names("")) - {"logs/session/other"} == {name}
            blobs.delete(name)
            assert set(blobs.names("")) <= {"logs/session/other"}
    finally:
        over.set()
        other.join()
