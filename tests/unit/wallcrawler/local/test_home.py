"""The folder of one instance: its lock, its secrets, and what a dead one left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually
from wallcrawler.errors import SettingsError
from wallcrawler.local.home import Home, clear_leftovers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_home_is_one_instances(path: Path) -> None:
    """The second is told who has it and what to set; when the first is gone it may come in."""
    first = Home(path)
    first.lock()

    with pytest.raises(SettingsError, match=rf"WALLCRAWLER_HOME: .* is in use by process {os.getpid()}"):
        Home(path).lock()

    first.unlock()
    second = Home(path)
    second.lock()
    second.unlock()
    assert not (path / "lock").exists()


def test_a_home_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    """By its variable."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match=r"WALLCRAWLER_HOME: .* can't be made"):
        Home(tmp_path / "file" / "home")


def test_secrets_are_made_once_and_for_the_owners_eyes(path: Path) -> None:
    """A restart signs what the first start signed, and nobody else can read how."""
    first, again = Home(path), Home(path)

    assert first.signer().verify_keys == again.signer().verify_keys
    assert first.blob_secret() == again.blob_secret()
    assert len(first.blob_secret()) >= 32
    for file in path.iterdir():
        assert file.stat().st_mode & 0o077 == 0
    assert path.stat().st_mode & 0o077 == 0


def test_the_first_key_is_remembered(path: Path) -> None:
    """As it was given, and not at all before."""
    home = Home(path)
    assert home.stored_key() is None

    home.store_key("a key of my own, with spaces")

    assert Home(path).stored_key() == "a key of my own, with spaces"
    assert home.key_file.stat().st_mode & 0o777 == 0o600


def test_run_directories_are_short_and_apart(path: Path, tmp_path: Path) -> None:
    """Unix sockets live in them, and two homes do not meet in one."""
    one, other = Home(path).run_dir(None), Home(tmp_path / "other").run_dir(None)

    assert one != other
    assert one == Home(path).run_dir(None)
    assert len(one.name) < 20
    assert Home(path).run_dir(tmp_path / "wanted") == tmp_path / "wanted"


def test_what_a_dead_instance_left_is_ended(tmp_path: Path) -> None:
    """Its processes, told by their command line, and its files; nobody else's."""
    run_dir, neighbour = tmp_path / "run", tmp_path / "run-2"
    for folder in (run_dir / "session-1", neighbour):
        folder.mkdir(parents=True)
    left, ours = (
        subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()", f"--user-data-dir={folder}/x"])
        for folder in (run_dir, neighbour)
    )

    ended = clear_leftovers(run_dir)

    eventually(lambda: left.poll() is not None)
    assert ended == 1
    assert ours.poll() is None
    assert not run_dir.exists()
    assert neighbour.exists()
    ours.kill()
    ours.wait()
