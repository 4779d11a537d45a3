"""Tables: the feed of changed sessions (promise 4), whatever the engine; and what every source promises."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contract.engines import TABLES, Store
from wallcrawler.errors import Conflict
from wallcrawler.messages import SessionChanged
from wallcrawler.ports import Add, Item, Put
from wallcrawler.schema import PROJECTS, SESSION_EVENTS, SESSIONS

Name = Callable[[str], str]


class Place:
    """Where an engine keeps its tables: it can be opened there again, and by others."""

    def __init__(self, engine: Callable[[Path], Store], path: Path) -> None:
        self._engine = engine
        self._path = path
        self._opened: list[Store] = []

    def open(self) -> Store:
        self._opened.append(self._engine(self._path))
        return self._opened[-1]

    def close(self) -> None:
        for store in self._opened:
            store.close()
        self._opened.clear()


@pytest.fixture(params=list(TABLES.values()), ids=list(TABLES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place(request.param, tmp_path)
    yield place
    place.close()


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


def a_session(id: str, version: int = 1, status: str = "CREATING") -> Item:
    return {
        "sessionId": id, "projectId": "p", "version": version, "status": status, "createdAt": 1,
        "expiresAt": 4_000_000_000,
    }  # fmt: skip


def heard(
    store: Store, *, until: Callable[[list[SessionChanged]], Any], of: str, within: float = 10
) -> list[SessionChanged]:
    """What the feed says of the sessions whose ids begin so, until that is enough; all of it is acknowledged."""
    changes: list[SessionChanged] = []
    deadline = time.monotonic() + within
    while not until(changes):
        assert time.monotonic() < deadline, f"not within {within:g} s: {changes}"
        for delivery in store.changes.receive(0.2):
            change = SessionChanged.from_wire(delivery.body)
            if change.session_id.startswith(of):
                changes.append(change)
            store.changes.ack(delivery)
    return changes


def moves(changes: list[SessionChanged]) -> list[tuple[str | None, str, int]]:
    """Without repetitions, which a feed may have."""
    return list(dict.fromkeys((change.before, change.after, change.version) for change in changes))


def test_a_sessions_life_comes_out_in_order(store: Store, name: Name) -> None:
    """Its birth, each move, and what was learnt without a move: with the states before and after."""
    id = name("s")
    for version, status in enumerate(["CREATING", "PROVISIONING", "PROVISIONING", "READY", "STOPPED"], start=1):
        store.tables.write(Put(SESSIONS, a_session(id, version, status), version=version - 1))

    changes = heard(store, of=id, until=lambda changes: len(moves(changes)) == 5)

    assert moves(changes) == [
        (None, "CREATING", 1),
        ("CREATING", "PROVISIONING", 2),
        ("PROVISIONING", "PROVISIONING", 3),
        ("PROVISIONING", "READY", 4),
        ("READY", "STOPPED", 5),
    ]


def test_every_session_keeps_its_own_order(store: Store, name: Name) -> None:
    """However many are written at once."""

    def live(number: int) -> None:
        for version in range(1, 9):
            store.tables.write(Put(SESSIONS, a_session(name(f"s{number}"), version), version=version - 1))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(live, range(6)))
    changes = heard(store, of="s", until=lambda changes: len({(c.session_id, c.version) for c in changes}) == 48)

    for number in range(6):
        versions = dict.fromkeys(change.version for change in changes if change.session_id == name(f"s{number}"))
        assert list(versions) == list(range(1, 9))


def test_a_write_that_failed_is_no_change(store: Store, name: Name) -> None:
    """Neither of the session that was not written, nor of one in the same transaction."""
    id = name("s")
    store.tables.write(Put(SESSIONS, a_session(id)))
    with pytest.raises(Conflict):
        store.tables.write(
            Put(SESSIONS, a_session(id, 2, "READY"), version=1), Add(PROJECTS, name("nobody"), {"active": 1})
        )
    store.tables.write(Put(SESSIONS, a_session(id, 2, "STOPPED"), version=1))

    changes = heard(store, of=id, until=lambda changes: any(change.after == "STOPPED" for change in changes))

    assert moves(changes) == [(None, "CREATING", 1), ("CREATING", "STOPPED", 2)]


def test_only_sessions_are_told_of(store: Store, name: Name) -> None:
    """Counts and history move with every session, and would triple the feed."""
    id = name("s")
    store.tables.write(
        Put(PROJECTS, {"projectId": id, "version": 1, "active": 0}),
        Put(SESSION_EVENTS, {"sessionId": id, "sequence": 1, "expiresAt": 4_000_000_000}),
    )
    store.tables.write(Put(SESSIONS, a_session(id)), Add(PROJECTS, id, {"active": 1}))

    changes = heard(store, of=id, until=len)

    assert {(change.session_id, change.after) for change in changes} == {(id, "CREATING")}


def test_what_was_written_before_a_restart_comes_after_it(place: Place, store: Store, name: Name) -> None:
    """Nobody was listening when it happened."""
    id = name("s")
    store.tables.write(Put(SESSIONS, a_session(id)))
    store.tables.write(Put(SESSIONS, a_session(id, 2, "READY"), version=1))
    place.close()

    changes = heard(place.open(), of=id, until=lambda changes: len(moves(changes)) == 2)

    assert moves(changes) == [(None, "CREATING", 1), ("CREATING", "READY", 2)]


def test_what_was_taken_and_not_acknowledged_comes_after_a_restart(place: Place, store: Store, name: Name) -> None:
    """The process that took it is gone, and so is what it was about to do."""
    id = name("s")
    store.tables.write(Put(SESSIONS, a_session(id)))
    taken = False
    while not taken:
        taken = any(delivery.body["session_id"] == id for delivery in store.changes.receive(1))
    place.close()

    assert heard(place.open(), of=id, until=len)[0].after == "CREATING"


def test_changes_of_another_process_are_heard(place: Place, store: Store, name: Name) -> None:
    """The command line writes to the same store."""
    other = place.open()

    other.tables.write(Put(SESSIONS, a_session(name("s"))))

    assert heard(store, of=name("s"), until=len)[0].after == "CREATING"


# -- What every source promises ---------------------------------------------------------------------------------------


def test_a_source_with_nothing_says_so_in_time(store: Store) -> None:
    """After `wait` seconds, and not much later."""
    deadline = time.monotonic() + 20
    while store.changes.receive(0):
        assert time.monotonic() < deadline, "the feed never ends"
    began = time.monotonic()

    received = store.changes.receive(0.3)

    assert list(received) == []
    assert 0.25 < time.monotonic() - began < 3


def test_a_source_answers_as_soon_as_there_is_something(store: Store, name: Name) -> None:
    """Long before its wait is over."""
    began = time.monotonic()
    writer = threading.Timer(0.1, lambda: store.tables.write(Put(SESSIONS, a_session(name("s")))))
    writer.start()

    changes = heard(store, of=name("s"), until=len)

    writer.join()
    assert changes
    assert time.monotonic() - began < 3
