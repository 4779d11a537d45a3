"""Downloads of sessions, over every engine's tables: what is shown and when, limits, and that nothing is left over."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.characters import BeatenOnce, HandClock
from tests.unit.records import a_session
from wallcrawler.download import Download
from wallcrawler.downloads import Downloads, NotAsSaid, Room, TooMuch
from wallcrawler.errors import NotFound
from wallcrawler.local.blobs import DirectoryBlobs
from wallcrawler.ports import Tables
from wallcrawler.session import Session

Name = Callable[[str], str]

ROOM = Room(limit=100, total=250, count=4)
SHA = "0" * 64


class Stand:
    """One session's downloads, whose blobs can be looked at."""

    def __init__(self, tables: Tables, place: Path, session: Session) -> None:
        self.session = session
        self.clock = HandClock()
        self.blobs = DirectoryBlobs(place, base_url="http://api", secret=b"secret")
        self.downloads = Downloads(tables, self.blobs, self.clock)

    def expect(self, name: str = "a.txt", size: int = 1, room: Room = ROOM) -> Download:
        return self.downloads.expect(self.session, name=name, size=size, room=room)

    def put(self, download: Download) -> None:
        self.blobs.put(download.blob, io.BytesIO(b"x" * download.size))

    def keep(self, name: str = "a.txt", size: int = 1) -> Download:
        download = self.expect(name, size)
        self.put(download)
        return self.downloads.keep(download.session_id, download.number, size=size, sha256=SHA)

    def shown(self) -> list[Download]:
        return list(self.downloads.of_session(self.session.id))

    def stored(self) -> list[str]:
        return list(self.blobs.names(f"downloads/{self.session.id}/"))


@pytest.fixture
def stand(tables: Tables, tmp_path: Path, name: Name) -> Stand:
    return Stand(tables, tmp_path / "blobs", a_session(name("session")))


def test_a_download_is_shown_when_its_bytes_are_there(stand: Stand) -> None:
    """Not before, neither in the list nor by its id."""
    expected = stand.expect("report.pdf", 3)
    before = stand.shown()
    with pytest.raises(NotFound):
        stand.downloads.get(stand.session.id, expected.number)
    stand.put(expected)

    kept = stand.downloads.keep(stand.session.id, expected.number, size=3, sha256=SHA)

    assert before == []
    assert stand.shown() == [kept] == [stand.downloads.get(stand.session.id, expected.number)]
    assert (kept.name, kept.size, kept.sha256) == (f"report-{kept.number}.pdf", 3, SHA)
    assert kept.number == stand.clock.now() * 1000


def test_keeping_can_be_repeated(stand: Stand) -> None:
    """A guest that did not hear the answer asks again; what is kept stays as it was."""
    kept = stand.keep()

    again = stand.downloads.keep(kept.session_id, kept.number, size=2, sha256="1" * 64)

    assert again == kept
    assert stand.shown() == [kept]


def test_downloads_of_one_millisecond_have_numbers_of_their_own(stand: Stand) -> None:
    """Also of one name: neither takes the other's place."""
    kept = [stand.keep() for _ in range(3)]

    assert len({download.number for download in kept}) == len({download.name for download in kept}) == 3
    assert stand.shown() == sorted(kept, key=lambda download: download.number)


def test_two_at_once_take_two_numbers(stand: Stand, tables: Tables) -> None:
    """Who is slower counts on."""
    beaten = Downloads(BeatenOnce(tables, stand.expect), stand.blobs, stand.clock)

    download = beaten.expect(stand.session, name="b.txt", size=1, room=ROOM)

    assert download.number == stand.clock.now() * 1000 + 1


@pytest.mark.parametrize(
    ("before", "size", "says"),
    [
        ([], 101, "up to 100 bytes, and this one has 101"),
        ([100, 100], 51, "250 bytes of a session's downloads are kept, and it has 200"),
        ([1, 1, 1, 1], 1, "4 downloads of a session are kept, and it has them"),
    ],
)
def test_beyond_a_limit_nothing_is_kept(stand: Stand, before: list[int], size: int, says: str) -> None:
    """The limit is named, and what is there stays; what is still arriving counts."""
    for earlier in before:
        stand.expect(size=earlier)

    with pytest.raises(TooMuch, match=says):
        stand.expect(size=size)

    assert stand.expect(size=1, room=Room(1000, 1000, 1000)).size == 1


def test_what_does_not_arrive_takes_no_room(stand: Stand) -> None:
    """Given up, its record and what came of its bytes are gone; what is kept can't be given up."""
    broken, kept = stand.expect(size=100), stand.keep(size=100)
    stand.put(broken)

    for download in (broken, kept, broken):
        stand.downloads.give_up(stand.session.id, download.number)

    assert stand.shown() == [kept]
    assert stand.stored() == [kept.blob]
    assert stand.keep(size=100).kept


def test_a_deleted_download_leaves_nothing(stand: Stand) -> None:
    """Neither record nor bytes; the others stay, and deleting again is no error."""
    gone, stays = stand.keep(), stand.keep()

    stand.downloads.delete(gone)
    stand.downloads.delete(gone)

    assert stand.shown() == [stays]
    assert stand.stored() == [stays.blob]


@pytest.mark.parametrize("said", [2, 4000])
def test_what_is_not_as_long_as_was_said_is_not_kept(stand: Stand, said: int) -> None:
    """Limits hold for what is there, whatever a guest says of it, first or last; nothing is left of it."""
    download = stand.expect(size=2)
    stand.blobs.put(download.blob, io.BytesIO(b"x" * 4000))

    with pytest.raises(NotAsSaid, match="4000"):
        stand.downloads.keep(stand.session.id, download.number, size=said, sha256=SHA)

    assert stand.shown() == []
    assert stand.stored() == []
    assert stand.keep().kept


def test_what_was_deleted_while_it_arrived_is_not_kept(stand: Stand) -> None:
    """Its bytes come too late, and go at once."""
    arriving, _ = stand.expect(), stand.keep()
    stand.downloads.delete_all(stand.session.id)
    stand.put(arriving)

    with pytest.raises(NotFound):
        stand.downloads.keep(stand.session.id, arriving.number, size=1, sha256=SHA)

    assert stand.shown() == stand.stored() == []


def test_bytes_that_nobody_knows_of_are_deleted_too(stand: Stand) -> None:
    """A guest that put them after all left them without a record."""
    late = stand.expect()
    stand.downloads.delete_all(stand.session.id)
    stand.put(late)

    stand.downloads.delete_all(stand.session.id)

    assert stand.stored() == []


def test_a_record_lasts_as_long_as_its_sessions(stand: Stand) -> None:
    """At the longest that the session may live, and its retention after."""
    session = stand.session

    assert stand.expect().expires_at == session.ends_at + session.retention


def test_many_downloads_are_all_listed(stand: Stand) -> None:
    """More than a store's page has."""
    for _ in range(130):
        stand.clock.forward(0.001)
        download = stand.expect(room=Room(1, 1000, 1000))
        stand.put(download)
        stand.downloads.keep(stand.session.id, download.number, size=1, sha256=SHA)

    numbers = [download.number for download in stand.shown()]

    assert len(numbers) == 130
    assert numbers == sorted(numbers)
