"""Which files of Chrome's downloads are complete, by what is in their folder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.parts.downloads import HALF, SETTLED, Folder, Found, watched


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads"


def names(found: list[Found]) -> list[str]:
    return sorted(one.path.name for one in found)


def test_a_file_is_complete_when_chrome_has_renamed_it(path: Path) -> None:
    """Chrome writes beside it, makes an empty file in its place, and moves the other there."""
    folder = Folder(path)
    (path / f"report.pdf{HALF}").write_text("rep")
    assert folder.look(0) == ([], False)

    (path / "report.pdf").touch()
    assert folder.look(10) == ([], False)
    (path / f"report.pdf{HALF}").write_text("report")
    os.replace(path / f"report.pdf{HALF}", path / "report.pdf")

    assert folder.look(10) == ([Found(path / "report.pdf", (path / "report.pdf").stat().st_ino)], False)


def test_a_complete_file_is_found_once(path: Path) -> None:
    """However often one looks, and whatever else comes."""
    folder = Folder(path)
    (path / "a").write_text("a")
    first, _ = folder.look(0)
    (path / "b").write_text("b")

    assert names(first) == ["a"]
    assert names(folder.look(1)[0]) == ["b"]
    assert folder.look(2) == ([], False)


def test_an_empty_file_is_complete_when_it_stays_one(path: Path) -> None:
    """It may be the place of a file that is about to be moved there."""
    folder = Folder(path)
    (path / "empty").touch()

    assert folder.look(0) == ([], True)
    assert folder.look(SETTLED / 2) == ([], True)
    assert names(folder.look(SETTLED)[0]) == ["empty"]


def test_what_took_an_empty_files_place_is_found_at_once(path: Path) -> None:
    """And the empty one never was a download."""
    folder = Folder(path)
    (path / "song").touch()
    folder.look(0)
    (path / f"Unconfirmed 1{HALF}").write_text("la la")
    os.replace(path / f"Unconfirmed 1{HALF}", path / "song")

    found, waiting = folder.look(SETTLED * 2)

    assert (names(found), waiting) == (["song"], False)


def test_the_next_file_of_a_name_is_another(path: Path, tmp_path: Path) -> None:
    """Chrome writes over the one before."""
    folder = Folder(path)
    (path / "a").write_text("first")
    (tmp_path / "held").hardlink_to(path / "a")
    first, _ = folder.look(0)
    (path / f"a{HALF}").write_text("second")
    os.replace(path / f"a{HALF}", path / "a")

    second, _ = folder.look(1)

    assert names(second) == ["a"]
    assert {one.inode for one in second}.isdisjoint(one.inode for one in first)


def test_a_file_that_was_let_go_makes_place_for_the_next(path: Path) -> None:
    """Which may have its inode, too: file systems give them again."""
    folder = Folder(path)
    for text in ("first", "second", "third"):
        (path / "a").write_text(text)
        (found,), _ = folder.look(0)

        folder.let_go(found)

        assert not (path / "a").exists()


def test_another_file_of_the_name_is_not_let_go(path: Path) -> None:
    """It has a turn of its own."""
    folder = Folder(path)
    (path / "a").write_text("first")
    (found,), _ = folder.look(0)
    (path / f"a{HALF}").write_text("second")
    os.replace(path / f"a{HALF}", path / "a")

    folder.let_go(found)

    assert (path / "a").read_text() == "second"
    assert names(folder.look(1)[0]) == ["a"]


def test_what_is_no_file_of_chromes_is_left_alone(path: Path, tmp_path: Path) -> None:
    """Folders, links, and what begins with a dot."""
    (tmp_path / "outside").write_text("secret")
    (path / "link").symlink_to(tmp_path / "outside")
    (path / "folder").mkdir()
    (path / ".org.chromium.Chromium.abc").write_text("half")

    assert Folder(path).look(10) == ([], False)


@settings(max_examples=30)
@given(st.permutations([f"{number}" for number in range(6)]), st.lists(st.booleans(), min_size=6, max_size=6))
def test_every_file_is_found_whenever_one_looks(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], looks: list[bool]
) -> None:
    """None twice, and none is missed, with looks between any two steps of Chrome."""
    path = tmp_path_factory.mktemp("downloads")
    folder, found = Folder(path), []
    for step, name in enumerate(order):
        (path / f"{name}{HALF}").write_text(name)
        if looks[step]:
            found += names(folder.look(step)[0])
        os.replace(path / f"{name}{HALF}", path / name)
        if not looks[step - 1]:
            found += names(folder.look(step)[0])

    found += names(folder.look(100)[0])

    assert sorted(found) == sorted(order)


def test_the_kernel_tells_of_every_rename(path: Path) -> None:
    """Of a file that comes and of one that gets another name, and of nothing once it is not watched any more."""

    async def told(act: str) -> bool:
        changed = asyncio.Event()
        fd = watched(path, changed)
        assert fd is not None
        if act == "close":
            os.close(fd)
        if act in {"create", "close"}:
            (path / f"a{HALF}").write_text("a")
        else:
            os.replace(path / f"a{HALF}", path / "a")
        try:
            async with asyncio.timeout(0.2 if act == "close" else 5):
                await changed.wait()
        except TimeoutError:
            return False
        else:
            os.close(fd)
            return True

    assert [asyncio.run(told(act)) for act in ("create", "rename", "close")] == [True, True, False]
