"""The repository's one door, when many come through it at once: who wins, who runs again, and what adds up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from tests.characters import AlwaysBeaten, BeatenOnce, HandClock
from tests.unit.records import NOW, a_session, stored
from wallcrawler.catalog import Catalog
from wallcrawler.errors import ConcurrencyReached, TryLater
from wallcrawler.lifecycle import LIVE, Event, State
from wallcrawler.local.tables import SqliteTables
from wallcrawler.ports import Item, Table, Write
from wallcrawler.sessions import RACES, Sessions

#: All the tables start with a project that may have three sessions at once.
pytestmark = pytest.mark.usefixtures("project")


def active(catalog: Catalog) -> int:
    return catalog.project("project-1").active


# -- One who is beaten ------------------------------------------------------------------------------------------------


class FreesARoom(BeatenOnce):
    """Tables where somebody leaves just after a create was refused for want of room, and before that is looked into."""

    def get(self, table: Table, key: str, sort: str | int | None = None) -> Item | None:
        self.take_turn()
        return super().get(table, key, sort)

    def write(self, *writes: Write) -> None:
        self._tables.write(*writes)


def test_a_create_that_is_beaten_to_the_count_is_run_again(
    sessions: Sessions, tables: SqliteTables, clock: HandClock, catalog: Catalog
) -> None:
    """Between the attempt and its reason the project had room again: the caller gets its session."""
    for number in range(3):
        sessions.create(a_session(f"session-{number}"))
    full_at_first = Sessions(FreesARoom(tables, lambda: sessions.advance("session-0", Event.CRASHED)), clock)

    session = full_at_first.create(a_session("session-3"))

    assert session.id == "session-3"
    assert active(catalog) == 3


def test_a_lost_race_is_run_again(sessions: Sessions, tables: SqliteTables, clock: HandClock) -> None:
    """Beaten by the other half of READY, the event looks again and finishes what the two began."""
    stored(sessions, state=State.PROVISIONING)
    other = BeatenOnce(tables, lambda: sessions.advance("session-1", Event.LOCATED, address="10.0.0.1:9223"))

    session = Sessions(other, clock).advance("session-1", Event.BROWSER_UP, browser_up_at=NOW)

    assert session.state is State.READY
    assert other.writes == 2
    assert [entry.event for entry in sessions.history("session-1")][-2:] == ["LOCATED", "BROWSER_UP"]


def test_a_race_that_is_lost_to_the_end_is_stale(sessions: Sessions, tables: SqliteTables, clock: HandClock) -> None:
    """Beaten by somebody who ended the session, the event returns the ended session and writes nothing."""
    stored(sessions, state=State.READY)
    other = BeatenOnce(tables, lambda: sessions.advance("session-1", Event.CRASHED))

    session = Sessions(other, clock).advance("session-1", Event.ATTACHED)

    assert session.state is State.FAILED
    assert other.writes == 1
    assert sessions.history("session-1")[-1].event == "CRASHED"


def test_a_race_that_is_always_lost_is_given_up(sessions: Sessions, tables: SqliteTables, clock: HandClock) -> None:
    """After so many lost races the caller may come back later, and is told when."""
    stored(sessions, state=State.READY)
    turns = iter([Event.ATTACHED, Event.DETACHED] * RACES)
    other = AlwaysBeaten(tables, lambda: sessions.advance("session-1", next(turns)))

    with pytest.raises(TryLater) as later:
        Sessions(other, clock).advance("session-1", Event.RELEASED)

    assert other.writes == RACES
    assert later.value.after > 0
    assert sessions.get("session-1").state in {State.READY, State.ACTIVE}


# -- Many at once -----------------------------------------------------------------------------------------------------


def test_callers_at_once_get_exactly_as_many_as_there_are_places(sessions: Sessions, catalog: Catalog) -> None:
    """Twelve threads, three places: three sessions, nine refusals, a count of three."""

    def create(number: int) -> bool:
        try:
            sessions.create(a_session(f"session-{number}"))
        except ConcurrencyReached:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        created = list(pool.map(create, range(12)))

    assert sum(created) == 3
    assert active(catalog) == 3
    assert sum(1 for _ in sessions.in_state(State.CREATING)) == 3


def test_a_place_is_given_back_once_however_many_end_the_session(
    sessions: Sessions, catalog: Catalog, clock: HandClock
) -> None:
    """Eight threads end one session at the same moment, each in its own way: one of them did, and it is billed once."""
    stored(sessions, state=State.ACTIVE)
    stored(sessions, "session-2", state=State.ACTIVE)
    clock.forward(10)
    gate = threading.Barrier(8)

    def end(event: Event) -> str | None:
        gate.wait(5)
        return sessions.advance("session-1", event).ended_reason

    with ThreadPoolExecutor(8) as pool:
        reasons = list(pool.map(end, [Event.CRASHED, Event.DRAINED, Event.EXITED, Event.RELEASED] * 2))

    project = catalog.project("project-1")
    history = sessions.history("session-1")
    assert project.active == 1
    assert project.browser_seconds == pytest.approx(10)
    assert len(set(reasons)) == 1
    assert sum(State(entry.after) not in LIVE for entry in history) == 1
    assert [entry.sequence for entry in history] == list(range(1, len(history) + 1))


def test_everybody_at_once_still_leaves_one_history(sessions: Sessions) -> None:
    """Every version has its line, each beginning where the last one ended."""
    sessions.create(a_session())
    story: list[Callable[[], object]] = [
        lambda: sessions.advance("session-1", Event.LAUNCHED, task="task-1"),
        lambda: sessions.advance("session-1", Event.LOCATED, address="10.0.0.1:9223"),
        lambda: sessions.advance("session-1", Event.BROWSER_UP, browser_up_at=NOW),
        lambda: sessions.advance("session-1", Event.ATTACHED),
        lambda: sessions.advance("session-1", Event.DETACHED),
    ]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda act: act(), story * 6))

    history = sessions.history("session-1")
    assert [entry.sequence for entry in history] == list(range(1, sessions.get("session-1").version + 1))
    assert all(earlier.after == later.before for earlier, later in pairwise(history))
