"""The guest's extensions: what is fetched, what is loaded, and how it is said when one can't be had."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from controller import workers
from controller.api import Final
from controller.cdp import Refused
from controller.chrome import Endpoint
from controller.parts import Browser, Launch, PartFailed
from controller.parts.extensions import Extensions
from tests.unit.controller.parts.guests import ASSIGNMENT, a_guest
from tests.zips import extension, zipped

ZIP = extension()


def planned(packed: bytes = ZIP) -> dict[str, Any]:
    return {"id": "extension-1", "name": "Marker", "sha256": hashlib.sha256(packed).hexdigest()}


@dataclass
class Shelf:
    """An API that leads to a store that has one zip; `refusal` is what it says instead."""

    packed: bytes = ZIP
    status: int = 200
    refusal: Final | None = None
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        self.asked.append((method, path))
        if self.refusal is not None:
            raise self.refusal
        return {"url": self.url, "size": len(self.packed)}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/secret-url"
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {self.status} So\r\ncontent-length: {len(self.packed)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + self.packed)
        writer.close()


class Chrome:
    """What the guest asks Chrome for. `lists` is what it says it runs; `refuses`, why it loads nothing more."""

    def __init__(self, *lists: dict[str, Any], refuses: str = "", late: dict[str, Any] | None = None) -> None:
        self.lists = list(lists)
        self.refuses = refuses
        self.late = late

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        if method == "Extensions.loadUnpacked":
            if self.refuses:
                raise Refused(f"{method}: {self.refuses}")
            self.lists += [self.late] if self.late else []
            return {"id": "a"}
        assert method == "Extensions.getExtensions"
        return {"extensions": self.lists}


def part(folder: Path, shelf: Shelf, *plan: dict[str, Any]) -> Extensions:
    guest = a_guest(folder, shelf, [])
    return Extensions(replace(guest, assignment=replace(ASSIGNMENT, plan={"extensions": list(plan)} if plan else {})))


def prepared(extensions: Extensions, shelf: Shelf, folder: Path) -> list[Path]:
    launch = Launch(folder, [], {})

    async def prepare() -> None:
        async with shelf.open():
            await extensions.prepare(launch)

    asyncio.run(prepare())
    return launch.extensions


def failure(extensions: Extensions, shelf: Shelf, folder: Path) -> PartFailed:
    with pytest.raises(PartFailed) as failed:
        prepared(extensions, shelf, folder)
    return failed.value


def begun(extensions: Extensions, chrome: Chrome) -> None:
    asyncio.run(extensions.begin(Browser(Endpoint(0, ""), cast(Any, chrome))))


# -- Before Chrome ----------------------------------------------------------------------------------------------------


def test_an_extension_is_unpacked_into_the_sessions_directory(tmp_path: Path, loopback: None) -> None:
    """Chrome is told of the folder, and the archive is gone."""
    shelf = Shelf()

    folders = prepared(part(tmp_path, shelf, planned()), shelf, tmp_path)

    assert folders == [tmp_path / "extensions" / "extension-1"]
    assert (folders[0] / "manifest.json").exists()
    assert [path.name for path in (tmp_path / "extensions").iterdir()] == ["extension-1"]
    assert shelf.asked == [("GET", "/extensions/extension-1")]


def test_a_session_without_extensions_asks_nobody_for_anything(tmp_path: Path, loopback: None) -> None:
    """And Chrome is asked for nothing either."""
    shelf = Shelf()
    extensions = part(tmp_path, shelf)

    assert prepared(extensions, shelf, tmp_path) == []
    begun(extensions, Chrome())
    assert shelf.asked == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("shelf", "why"),
    [
        (Shelf(refusal=Final(404, "there is no extension extension-1")), "there is no extension extension-1"),
        (Shelf(status=404), "the store answered 404"),
        (Shelf(packed=extension(version="6.6")), "bytes came, and not those that were stored"),
    ],
    ids=["deleted", "deleted meanwhile", "another"],
)
def test_what_cant_be_had_is_named(tmp_path: Path, loopback: None, shelf: Shelf, why: str) -> None:
    """By id, by name, and by what was wrong; the URL is a secret and not said. No archive is left."""
    failed = failure(part(tmp_path, shelf, planned()), shelf, tmp_path)

    assert failed.reason.startswith("launch_failed:extension extension-1 (Marker): ")
    assert why in failed.reason
    assert "secret-url" not in failed.reason + str(failed)
    assert list((tmp_path / "extensions").glob("*.zip")) == []


def test_an_archive_is_judged_again_where_it_is_unpacked(tmp_path: Path, loopback: None) -> None:
    """Whoever could write to the store could not write beside the session's directory."""
    evil = zipped({"manifest.json": "{}", "../../up.js": "1"})
    shelf = Shelf(packed=evil)

    failed = failure(part(tmp_path, shelf, planned(evil)), shelf, tmp_path)

    assert "must hold relative paths alone" in failed.reason
    assert not (tmp_path / "up.js").exists()


@pytest.mark.parametrize(
    ("background", "waits"),
    [({"service_worker": "service-worker.js"}, [{"a"}]), ({}, []), (None, [])],
    ids=["with", "with another", "without"],
)
@pytest.mark.parametrize("outcome", [True, False])
def test_a_service_worker_is_waited_for(
    tmp_path: Path, loopback: None, monkeypatch: pytest.MonkeyPatch, background: Any, waits: list[Any], outcome: bool
) -> None:
    """Where the extension has one; one that is late does not fail the session."""
    waited = []

    async def in_charge(_: Endpoint, extensions: set[str], *, within: float) -> bool:
        waited.append(extensions)
        return outcome

    monkeypatch.setattr(workers, "in_charge", in_charge)
    packed = extension(background=background)
    shelf = Shelf(packed=packed)
    extensions = part(tmp_path, shelf, planned(packed))
    prepared(extensions, shelf, tmp_path)

    begun(extensions, Chrome(runs(tmp_path)))

    assert waited == waits


# -- With Chrome ------------------------------------------------------------------------------------------------------


def runs(folder: Path, *, enabled: bool = True) -> dict[str, Any]:
    return {"id": "a", "name": "Marker", "enabled": enabled, "path": str(folder / "extensions" / "extension-1")}


def test_an_extension_that_runs_is_ready(tmp_path: Path) -> None:
    """Chrome lists it as enabled, also where it knows the folder by another way."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    begun(part(tmp_path / "link", Shelf(), planned()), Chrome(runs(tmp_path / "real")))


def test_an_extension_that_needs_longer_is_waited_for(tmp_path: Path) -> None:
    """One with rules that Chrome has to index is not there yet when Chrome answers for the first time."""
    chrome = Chrome(late=runs(tmp_path))

    begun(part(tmp_path, Shelf(), planned()), chrome)

    assert chrome.lists == [runs(tmp_path)]


@pytest.mark.parametrize(
    ("chrome", "why"),
    [
        (Chrome(refuses="Could not load background script ''."), "Could not load background script ''."),
        (Chrome(refuses="x" * 1000), "x" * 200),
        (Chrome({"id": "b", "name": "Other", "enabled": True, "path": "/elsewhere"}, refuses="no"), "no"),
    ],
    ids=["a fault", "a long story", "another one runs"],
)
def test_chromes_own_words_say_why_one_does_not_run(tmp_path: Path, chrome: Chrome, why: str) -> None:
    """Without the method's name, and not more than a sentence or two."""
    with pytest.raises(PartFailed) as failed:
        begun(part(tmp_path, Shelf(), planned()), chrome)

    assert failed.value.reason == f"launch_failed:extension extension-1 (Marker): {why}"


def test_an_extension_that_chrome_leaves_disabled_fails_the_session(tmp_path: Path) -> None:
    """As one that a context remembers as switched off."""
    chrome = Chrome(runs(tmp_path, enabled=False))

    with pytest.raises(PartFailed, match="left it disabled"):
        begun(part(tmp_path, Shelf(), planned()), chrome)
