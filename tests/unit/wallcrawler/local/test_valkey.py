"""The folders of Valkey servers: none is left behind for long, and none is taken from an instance that runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from wallcrawler.local.valkey import PREFIX, _locked, _own_folder, clear_leftovers


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def running(temporary: Path) -> Iterator[Path]:
    """The folder of an instance that runs."""
    folder, lock = _own_folder()
    yield folder
    os.close(lock)


def test_what_a_killed_instance_left_is_removed(temporary: Path) -> None:
    """The kernel has let go of its lock."""
    folder, lock = _own_folder()
    (folder / "temp-1.rdb").touch()
    os.close(lock)

    clear_leftovers()

    assert not folder.exists()


def test_the_folder_of_an_instance_that_runs_is_kept(running: Path) -> None:
    """Also where its server has just died, and is started again."""
    clear_leftovers()

    assert running.exists()


def test_other_folders_and_what_only_looks_like_one_are_kept(temporary: Path) -> None:
    """Whoever may write to the temporary directory must not lead us elsewhere."""
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)
    (temporary / f"{PREFIX}file").touch()

    clear_leftovers()

    assert (elsewhere / "file").exists()
    assert (temporary / f"{PREFIX}file").exists()


def test_a_folder_is_locked_once(running: Path) -> None:
    """Two instances can't both hold it."""
    with pytest.raises(BlockingIOError):
        _locked(running)
