"""What only a file can do wrong: it is busy, it grows, its reader and its writer miss each other."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.unit.records import a_session, stored
from wallcrawler.errors import TryLater
from wallcrawler.lifecycle import Event, State
from wallcrawler.local import tables as engine
from wallcrawler.local.tables import SqliteTables
from wallcrawler.ports import Item, Put
from wallcrawler.schema import SESSION_EVENTS, SESSIONS
from wallcrawler.sessions import Sessions


def an_item(id: str = "s", version: int = 1, **fields: Any) -> Item:
    return a_session(id, version=version).as_item() | fields


# -- Busy -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteTables]:
    """Tables that wait for other writers for no longer than a moment."""
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 20)
    tables = SqliteTables(tmp_path / "busy.db")
    yield tables
    tables.close()


def test_a_file_that_another_process_writes_to_is_busy(impatient: SqliteTables, tmp_path: Path) -> None:
    """A write is to be tried later, readers go on, and afterwards everything works."""
    other = sqlite3.connect(tmp_path / "busy.db", isolation_level=None)
    impatient.write(Put(SESSIONS, an_item()))
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(TryLater) as later:
        impatient.write(Put(SESSIONS, an_item(version=2)))
    assert later.value.after > 0
    assert impatient.get(SESSIONS, "s") == an_item()
    impatient.ping()

    other.execute("ROLLBACK")
    impatient.write(Put(SESSIONS, an_item(version=2)))
    other.close()


def test_an_item_that_is_no_json_leaves_nothing_half_written(tables: SqliteTables) -> None:
    """Whatever breaks in the middle of a transaction, its first half is undone and the next one can begin."""
    with pytest.raises(TypeError):
        tables.write(Put(SESSIONS, an_item()), Put(SESSIONS, an_item("t", oops=object())))

    assert tables.get(SESSIONS, "s") is None
    tables.write(Put(SESSIONS, an_item()), Put(SESSIONS, an_item("t")))


# -- Purge ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("state", [State.CREATING, State.READY, State.ACTIVE, State.TERMINATING])
def test_a_live_session_is_never_purged(tables: SqliteTables, sessions: Sessions, state: State) -> None:
    """Its `expiresAt` is a deadline, and deleting it would orphan its browser."""
    session = stored(sessions, state=state)

    tables.purge(now=session.ends_at + 10 * session.retention)

    assert sessions.get(session.id) == session


@pytest.mark.usefixtures("project")
def test_what_is_past_its_retention_is_purged(tables: SqliteTables, sessions: Sessions) -> None:
    """Ended sessions and their history, when their time is over and not before; what lives stays."""
    stored(sessions, "ended", state=State.READY)
    ended = sessions.advance("ended", Event.CRASHED)
    stored(sessions, "lives", ends_at=ended.ends_at + 10**9)

    assert tables.purge(now=ended.deadline - 1) == 0
    tables.purge(now=ended.ends_at + ended.retention + 2)

    assert tables.get(SESSIONS, "ended") is None
    assert sessions.history("ended") == []
    assert sessions.get("lives").state is State.CREATING
    assert len(sessions.history("lives")) == 1


def test_the_first_write_of_a_process_purges(tmp_path: Path) -> None:
    """So that a file does not grow with what nobody may see any more."""
    first = SqliteTables(tmp_path / "x.db")
    first.write(Put(SESSION_EVENTS, {"sessionId": "s", "sequence": 1, "expiresAt": 4_000_000_000}))
    first.write(Put(SESSION_EVENTS, {"sessionId": "s", "sequence": 2, "expiresAt": 1_000_000_000}))
    first.close()

    second = SqliteTables(tmp_path / "x.db")
    second.write(Put(SESSIONS, an_item()))

    assert [item["sequence"] for item in second.query(SESSION_EVENTS, "s").items] == [1]
    second.close()


# -- The feed ---------------------------------------------------------------------------------------------------------


def test_what_was_acknowledged_does_not_come_back(tmp_path: Path) -> None:
    """The outbox is empty afterwards: neither this process nor the next one hears it again."""
    first = SqliteTables(tmp_path / "x.db")
    feed = first.changes()
    for version in (1, 2, 3):
        first.write(Put(SESSIONS, an_item(version=version)))
    received = feed.receive(1)
    for delivery in received[:2]:
        feed.ack(delivery)
    first.close()

    second = SqliteTables(tmp_path / "x.db")

    assert [delivery.body["version"] for delivery in second.changes().receive(0)] == [3]
    second.close()


def test_what_is_with_the_reader_is_not_handed_out_again(tables: SqliteTables) -> None:
    """A pump that waits for its broker is not given everything twice meanwhile."""
    feed = tables.changes()
    tables.write(Put(SESSIONS, an_item()))

    assert len(feed.receive(0)) == 1
    assert feed.receive(0) == []
    tables.write(Put(SESSIONS, an_item(version=2)))
    assert [delivery.body["version"] for delivery in feed.receive(0)] == [2]


class WritesJustBefore(threading.Condition):
    """A bell whose listener is always a moment late: before he first holds it, somebody has written and rung."""

    def __init__(self, tables: SqliteTables) -> None:
        super().__init__()
        self._tables = tables
        self._reader = threading.current_thread()
        self._pending = True

    def __enter__(self) -> bool:
        if self._pending and threading.current_thread() is self._reader:
            self._pending = False
            writer = threading.Thread(target=lambda: self._tables.write(Put(SESSIONS, an_item())))
            writer.start()
            writer.join()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)


def test_a_change_at_the_moment_of_falling_asleep_is_heard_at_once(tables: SqliteTables) -> None:
    """Written between the reader's look and his wait, it must not cost a caller a whole look's time."""
    tables._changed = WritesJustBefore(tables)
    began = time.monotonic()

    received = tables.changes().receive(3)

    assert len(received) == 1
    assert time.monotonic() - began < 0.8 * engine.LOOK_EVERY
