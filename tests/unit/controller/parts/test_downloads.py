"""Putting a session's downloads away, with a store that fails, an API that refuses, and an end that does not wait."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from controller.api import Final
from controller.parts import Launch, downloads
from controller.parts.downloads import HALF, Downloads
from tests.unit.controller.parts.guests import PaperApi, Store, a_guest, until
from wallcrawler.assignment import Note

pytestmark = pytest.mark.usefixtures("loopback")


class Observer:
    """The guest's own connection to Chrome: remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.told.append((method, params))
        return {}


class Stand:
    """A part that watches, and all around it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store()
        self.api = PaperApi()
        self.notes: list[Note] = []
        self.observer = Observer()
        self.browser: Any = SimpleNamespace(observer=self.observer)
        self.part = Downloads(a_guest(directory, self.api, self.notes))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        async with self.store.open():
            self.api.store = self.store.url
            await self.part.prepare(Launch(self.directory, [], {}))
            await self.part.begin(self.browser)
            yield
            await self.part.close()

    def download(self, name: str, body: bytes) -> None:
        """As Chrome does it."""
        path = self.directory / "downloads"
        (path / f"{name}{HALF}").write_bytes(body)
        os.replace(path / f"{name}{HALF}", path / name)

    def left(self) -> set[str]:
        return {path.name for folder in ("downloads", "collected") for path in (self.directory / folder).iterdir()}


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Stand]:
    """Makes one, inside of a running loop, whose patience is short."""
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    monkeypatch.setattr(downloads, "LET_GO", 0.01)
    monkeypatch.setattr(downloads, "DRAINED_WITHIN", 0.3)
    return lambda: Stand(tmp_path / "session")


def test_a_download_is_put_away_and_let_go(stand: Callable[[], Stand]) -> None:
    """Announced, sent, and confirmed with its digest; here, nothing of it is left."""

    async def story() -> Stand:
        one = stand()
        async with one.watching():
            one.download("a.txt", b"abc")
            await until(lambda: one.api.said("PUT"))
            await until(lambda: one.left() == set())
        return one

    one = asyncio.run(story())

    assert one.api.said("POST") == [{"name": "a.txt", "size": 3}]
    assert one.store.bodies == [b"abc"]
    assert one.api.said("PUT") == [{"size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}]
    assert one.notes == []


def test_chrome_is_told_where_downloads_go(stand: Callable[[], Stand]) -> None:
    """By a command, and by what it goes back to when who gave another command leaves."""

    async def story() -> Stand:
        one = stand()
        async with one.watching():
            return one

    one = asyncio.run(story())

    told = {"behavior": "allow", "downloadPath": str(one.directory / "downloads")}
    assert one.observer.told == [("Browser.setDownloadBehavior", told)]
    assert (one.directory / ".config/user-dirs.dirs").read_text() == 'XDG_DOWNLOAD_DIR="$HOME/downloads"\n'
    assert stat.S_IMODE((one.directory / "downloads").stat().st_mode) == 0o700


def test_a_store_that_fails_is_asked_again(stand: Callable[[], Stand]) -> None:
    """With another place to put it; the one before is given back."""

    async def story() -> Stand:
        one = stand()
        one.store.answers = [503, 500]
        async with one.watching():
            one.download("a.txt", b"abc")
            await until(lambda: one.api.said("PUT"))
        return one

    one = asyncio.run(story())

    assert [(method, path) for method, path, _ in one.api.asked] == [
        ("POST", "/downloads"),
        ("DELETE", "/downloads/1"),
        ("POST", "/downloads"),
        ("DELETE", "/downloads/3"),
        ("POST", "/downloads"),
        ("PUT", "/downloads/5"),
    ]
    assert one.notes == []


def test_a_store_that_always_fails_loses_the_file(stand: Callable[[], Stand]) -> None:
    """The history says so, and the file stays where it is."""

    async def story() -> Stand:
        one = stand()
        one.store.answers = [503] * 3
        async with one.watching():
            one.download("a.txt", b"abc")
            await until(lambda: one.notes)
        return one

    one = asyncio.run(story())

    assert one.notes == [Note("FILE_LOST", "download a.txt: the store answered 503")]
    assert one.left() == {"a.txt"}
    assert len(one.api.said("DELETE")) == 3


@pytest.mark.parametrize(
    ("refusal", "notes"),
    [
        (Final(413, "a download is kept up to 2 bytes"), ["download a.txt: a download is kept up to 2 bytes"]),
        (Final(404, "there is no download session-1.1"), []),
    ],
)
def test_a_refusal_is_final(stand: Callable[[], Stand], refusal: Final, notes: list[str]) -> None:
    """It is in the history, but where the client itself deleted the download meanwhile."""

    async def story() -> Stand:
        one = stand()
        one.api.refusal = refusal
        async with one.watching():
            one.download("a.txt", b"abc")
            await until(lambda: one.api.asked and not one.part._tasks)
        return one

    one = asyncio.run(story())

    assert [note.detail for note in one.notes] == notes
    assert len(one.api.asked) == 1
    assert one.left() == {"a.txt"}


def test_what_is_complete_at_the_end_is_put_away(stand: Callable[[], Stand]) -> None:
    """Also what came at the last moment, and what is empty; what is not complete is left."""

    async def story() -> Stand:
        one = stand()
        async with one.watching():
            (one.directory / "downloads" / f"half{HALF}").write_bytes(b"half")
            one.download("last", b"moment")
            one.download("empty", b"")
            await one.part.drain(one.browser)
        return one

    one = asyncio.run(story())

    assert sorted(one.store.bodies) == [b"", b"moment"]
    assert len(one.api.said("PUT")) == 2
    assert one.notes == []


def test_the_end_does_not_wait_for_a_store_that_is_silent(stand: Callable[[], Stand]) -> None:
    """What could not be put away in time is named in the history."""

    async def story() -> Stand:
        one = stand()
        one.store.answers = [None]
        async with one.watching():
            one.download("slow", b"x")
            one.download("quick", b"x")
            async with asyncio.timeout(5):
                await one.part.drain(one.browser)
        return one

    one = asyncio.run(story())

    (note,) = one.notes
    assert note.happened == "FILE_LOST"
    assert str(note.detail).endswith("the session ended before it was put away")
    assert len(one.api.said("PUT")) == 1


def test_without_the_kernels_help_the_folder_is_looked_at(
    stand: Callable[[], Stand], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a sandbox knows no dnotify."""
    monkeypatch.setattr(downloads, "watched", lambda *_: None)
    monkeypatch.setattr(downloads, "LOOK_EVERY", 0.02)

    async def story() -> Stand:
        one = stand()
        async with one.watching():
            one.download("a.txt", b"abc")
            await until(lambda: one.api.said("PUT"))
        return one

    assert asyncio.run(story()).store.bodies == [b"abc"]


def test_a_part_that_never_began_can_be_closed(stand: Callable[[], Stand]) -> None:
    """Chrome may fail to start."""

    async def story() -> Stand:
        one = stand()
        await one.part.prepare(Launch(one.directory, [], {}))
        await one.part.close()
        return one

    assert asyncio.run(story()).left() == set()
