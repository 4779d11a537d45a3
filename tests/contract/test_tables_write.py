"""Tables: what write promises (2), whatever the engine."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.items import a_project, a_session, an_entry, persistently
from wallcrawler.errors import Conflict
from wallcrawler.ports import Add, Delete, Put, Tables, Write
from wallcrawler.schema import API_KEYS, PROJECTS, SESSION_EVENTS, SESSIONS

Name = Callable[[str], str]


def conflict(tables: Tables, *writes: Write) -> int:
    """The place of the write whose condition failed."""
    with pytest.raises(Conflict) as failed:
        tables.write(*writes)
    return failed.value.index


# -- 2. write: conditions ---------------------------------------------------------------------------------------------


def test_version_none_writes_whatever_is_there(tables: Tables, name: Name) -> None:
    """Nothing, or something, of any version."""
    id = name("a")

    tables.write(Put(PROJECTS, a_project(id, version=7)))
    tables.write(Put(PROJECTS, a_project(id, version=3)))

    assert tables.get(PROJECTS, id) == a_project(id, version=3)


def test_version_0_writes_what_is_not_there(tables: Tables, name: Name) -> None:
    """Once."""
    id = name("a")

    tables.write(Put(PROJECTS, a_project(id), version=0))

    assert conflict(tables, Put(PROJECTS, a_project(id, active=9), version=0)) == 0
    assert tables.get(PROJECTS, id) == a_project(id)


@pytest.mark.parametrize("expected", [1, 3, 100])
def test_a_version_writes_over_exactly_that_one(tables: Tables, name: Name, expected: int) -> None:
    """Not over an older or a newer one."""
    id = name("a")
    tables.write(Put(PROJECTS, a_project(id, version=2)))

    assert conflict(tables, Put(PROJECTS, a_project(id, version=9), version=expected)) == 0
    tables.write(Put(PROJECTS, a_project(id, version=3), version=2))

    assert tables.get(PROJECTS, id) == a_project(id, version=3)


def test_a_version_writes_over_nothing_else(tables: Tables, name: Name) -> None:
    """Not where nothing is: what was deleted does not come back."""
    assert conflict(tables, Put(PROJECTS, a_project(name("a"), version=2), version=1)) == 0
    assert tables.get(PROJECTS, name("a")) is None


def test_a_put_writes_the_whole_item(tables: Tables, name: Name) -> None:
    """What the new one does not have is gone."""
    id = name("a")
    tables.write(Put(PROJECTS, a_project(id, nickname="x")))

    tables.write(Put(PROJECTS, a_project(id, version=2), version=1))

    assert tables.get(PROJECTS, id) == a_project(id, version=2)


def test_of_writers_at_once_one_wins(tables: Tables, name: Name) -> None:
    """Twelve who saw the same version: one is acknowledged, and what he wrote is there."""
    id = name("a")
    tables.write(Put(PROJECTS, a_project(id)))

    def write(number: int) -> bool:
        try:
            persistently(lambda: tables.write(Put(PROJECTS, a_project(id, version=2, active=number), version=1)))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(write, range(12)))

    stored = tables.get(PROJECTS, id)
    assert sum(won) == 1
    assert stored is not None
    assert stored["active"] == won.index(True)


# -- 2. write: numbers ------------------------------------------------------------------------------------------------


def test_add_moves_numbers_and_nothing_else(tables: Tables, name: Name) -> None:
    """Several at once, up and down, whole and broken."""
    id = name("a")
    tables.write(Put(PROJECTS, a_project(id, active=2, seconds=0.5, name="x")))

    tables.write(Add(PROJECTS, id, {"active": -1, "version": 1, "seconds": 1.25}))

    assert tables.get(PROJECTS, id) == a_project(id, active=1, version=2, seconds=1.75, name="x")


def test_add_to_what_is_not_there_is_a_conflict(tables: Tables, name: Name) -> None:
    """And makes nothing."""
    assert conflict(tables, Add(PROJECTS, name("a"), {"active": 1})) == 0
    assert tables.get(PROJECTS, name("a")) is None


@pytest.mark.parametrize(("active", "refused"), [(0, False), (2, False), (3, True), (4, True)])
def test_add_below_looks_beforehand(tables: Tables, name: Name, active: int, refused: bool) -> None:
    """Smaller passes, equal does not."""
    id = name("a")
    tables.write(Put(PROJECTS, a_project(id, active=active)))
    add = Add(PROJECTS, id, {"active": 1}, below=("active", "concurrency"))

    if refused:
        assert conflict(tables, add) == 0
    else:
        tables.write(add)

    assert tables.get(PROJECTS, id) == a_project(id, active=active + (not refused))


def test_numbers_that_many_move_at_once_add_up(tables: Tables, name: Name) -> None:
    """None is lost."""
    id = name("a")
    tables.write(Put(PROJECTS, a_project(id)))

    def add(_: int) -> None:
        persistently(lambda: tables.write(Add(PROJECTS, id, {"active": 1, "version": 1})))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))

    assert tables.get(PROJECTS, id) == a_project(id, active=40, version=41)


def test_a_limit_holds_however_many_come_at_once(tables: Tables, name: Name) -> None:
    """Twenty for three places."""
    id = name("a")
    tables.write(Put(PROJECTS, a_project(id)))

    def enter(_: int) -> bool:
        try:
            persistently(lambda: tables.write(Add(PROJECTS, id, {"active": 1}, below=("active", "concurrency"))))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        entered = list(pool.map(enter, range(20)))

    assert sum(entered) == 3
    assert tables.get(PROJECTS, id) == a_project(id, active=3)


# -- 2. write: deleting -----------------------------------------------------------------------------------------------


def test_what_is_deleted_is_gone(tables: Tables, name: Name) -> None:
    """Its neighbour is not, and deleting it again is no error."""
    tables.write(Put(PROJECTS, a_project(name("a"))), Put(PROJECTS, a_project(name("b"))))

    for _ in range(2):
        tables.write(Delete(PROJECTS, name("a")))

    assert tables.get(PROJECTS, name("a")) is None
    assert tables.get(PROJECTS, name("b")) is not None
    tables.write(Put(PROJECTS, a_project(name("a")), version=0))


def test_of_a_list_what_is_deleted_is_one(tables: Tables, name: Name) -> None:
    """Items with the same partition stay, and so does the list's order."""
    tables.write(*(Put(SESSION_EVENTS, an_entry(name("s"), number)) for number in (1, 2, 3)))

    tables.write(Delete(SESSION_EVENTS, name("s"), sort=2))

    left = tables.query(SESSION_EVENTS, name("s")).items
    assert [item["sequence"] for item in left] == [1, 3]


# -- 2. write: all or none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("kind", ["version", "there already", "below", "missing"])
def test_all_or_none_and_which_it_was(tables: Tables, name: Name, place: int, kind: str) -> None:
    """One of four writes fails, wherever it stands: it is named by its place, and none of the others was done."""
    tables.write(
        Put(API_KEYS, {"apiKeyHash": name("k"), "projectId": "p", "createdAt": 1, "version": 2}),
        Put(PROJECTS, a_project(name("full"), active=3)),
        Put(PROJECTS, a_project(name("count"))),
        Put(PROJECTS, a_project(name("doomed"))),
    )
    bad: dict[str, Write] = {
        "version": Put(API_KEYS, {"apiKeyHash": name("k"), "projectId": "p", "createdAt": 1, "version": 3}, version=1),
        "there already": Put(PROJECTS, a_project(name("full"), active=0), version=0),
        "below": Add(PROJECTS, name("full"), {"active": 1}, below=("active", "concurrency")),
        "missing": Add(PROJECTS, name("nobody"), {"active": 1}),
    }
    good: list[Write] = [
        Put(SESSIONS, a_session(name("s")), version=0),
        Add(PROJECTS, name("count"), {"active": 1}),
        Delete(PROJECTS, name("doomed")),
    ]

    failed = conflict(tables, *good[:place], bad[kind], *good[place:])

    assert failed == place
    assert tables.get(SESSIONS, name("s")) is None
    assert tables.get(PROJECTS, name("count")) == a_project(name("count"))
    assert tables.get(PROJECTS, name("doomed")) is not None
    key = tables.get(API_KEYS, name("k"))
    assert key is not None
    assert key["version"] == 2


def test_of_two_failures_the_first_is_named(tables: Tables, name: Name) -> None:
    """So that a caller knows which of its conditions to look into."""
    tables.write(Put(PROJECTS, a_project(name("a"), active=3)))

    failed = conflict(
        tables,
        Put(SESSIONS, a_session(name("s")), version=0),
        Put(PROJECTS, a_project(name("a")), version=0),
        Add(PROJECTS, name("nobody"), {"active": 1}),
    )

    assert failed == 1


def test_a_reader_sees_all_of_a_write_or_nothing(tables: Tables, name: Name) -> None:
    """While pairs are written, a sum that is always zero is read as zero or before."""
    left, right = name("left"), name("right")
    tables.write(Put(PROJECTS, a_project(left)), Put(PROJECTS, a_project(right)))

    def move(_: int) -> None:
        persistently(lambda: tables.write(Add(PROJECTS, left, {"active": 1}), Add(PROJECTS, right, {"active": -1})))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(move, range(40)))

    one, other = tables.get(PROJECTS, left), tables.get(PROJECTS, right)
    assert one is not None
    assert other is not None
    assert (one["active"], other["active"]) == (40, -40)
