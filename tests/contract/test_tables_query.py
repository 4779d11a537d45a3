"""Tables: how partitions are paged through (promise 3), whatever the engine."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.items import LATER
from tests.eventually import eventually
from wallcrawler.ports import Index, Item, Put, Table, Tables
from wallcrawler.schema import (
    API_KEYS,
    BY_DEADLINE,
    BY_PROJECT,
    KEYS_OF_PROJECT,
    PROJECTS,
    SESSION_EVENTS,
    SESSIONS,
)

Name = Callable[[str], str]


class Way:
    """A way into a table: the main key or an index, with items of one partition in the order of their sort keys."""

    def __init__(
        self, table: Table, index: Index | None, item: Callable[[str, str, Any], Item], sorts: list[Any]
    ) -> None:
        self.table = table
        self.index = index
        self.item = item
        self.sorts = sorts
        self.sort = index.sort if index else table.sort or ""

    def fill(self, tables: Tables, name: Name) -> None:
        """Its items, in any order, and others' between them."""
        items = [
            self.item(name(partition), name(f"{partition}-{place}"), sort)
            for partition in ("mine", "theirs")
            for place, sort in enumerate(self.sorts)
        ]
        for item in random.Random(7).sample(items, len(items)):
            tables.write(Put(self.table, item))
        if self.index is not None:
            # Indexes may lag behind.
            eventually(lambda: len(self.walk(tables, name)) == len(self.sorts))

    def walk(self, tables: Tables, name: Name, *, limit: int = 100, **how: Any) -> list[Item]:
        """The partition, page by page."""
        items: list[Item] = []
        cursor = None
        for _ in range(200):
            page = tables.query(self.table, name("mine"), index=self.index, limit=limit, cursor=cursor, **how)
            assert len(page.items) <= limit
            items += page.items
            if (cursor := page.cursor) is None:
                return items
        raise AssertionError("the pages never end")


def _entry(partition: str, _id: str, sort: int) -> Item:
    return {"sessionId": partition, "sequence": sort, "expiresAt": LATER}


def _of_project(partition: str, id: str, sort: float) -> Item:
    return {
        "sessionId": id, "projectId": partition, "createdAt": sort, "status": "READY", "expiresAt": LATER, "version": 1,
    }  # fmt: skip


def _by_deadline(partition: str, id: str, sort: int) -> Item:
    return {"sessionId": id, "projectId": "p", "createdAt": 1, "status": partition, "expiresAt": sort, "version": 1}


def _key(partition: str, id: str, sort: float) -> Item:
    return {"apiKeyHash": id, "projectId": partition, "createdAt": sort, "version": 1}


WAYS = {
    # Numbers, not texts: 9 comes before 10.
    "main key": Way(SESSION_EVENTS, None, _entry, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 100, 101]),
    "by creation": Way(
        SESSIONS,
        BY_PROJECT,
        _of_project,
        [
            0.5,
            1,
            9,
            10,
            10.25,
            100,
            1_764_000_000.123456,
            1_764_000_000.123457,
            1_764_000_001,
            2e9,
            2e9 + 0.5,
            3e9,
            4e9,
        ],
    ),
    "by creation, many at once": Way(SESSIONS, BY_PROJECT, _of_project, [1.5] * 5 + [2.5] * 6 + [3.5, 3.5]),
    "by deadline": Way(SESSIONS, BY_DEADLINE, _by_deadline, [LATER + step for step in range(13)]),
    "keys": Way(API_KEYS, KEYS_OF_PROJECT, _key, [float(step) for step in range(13)]),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest, tables: Tables, name: Name) -> Way:
    way: Way = request.param
    way.fill(tables, name)
    return way


def sorts(way: Way, items: list[Item]) -> list[Any]:
    return [item[way.sort] for item in items]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 13, 14, 100])
@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_are_the_partition_in_order(tables: Tables, name: Name, way: Way, limit: int, newest_first: bool) -> None:
    """Forwards and backwards, in steps of any length, also over items of the same sort key: each item once."""
    items = way.walk(tables, name, limit=limit, newest_first=newest_first)

    assert sorts(way, items) == sorted(way.sorts, reverse=newest_first)
    assert len({json.dumps(item) for item in items}) == len(way.sorts)
    partition = way.index.partition if way.index else way.table.partition
    assert {item[partition] for item in items} == {name("mine")}


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("place", [0, 4, 12])
def test_up_to_takes_its_own_limit_in(
    tables: Tables, name: Name, way: Way, place: int, limit: int, newest_first: bool
) -> None:
    """At most that, itself included, over as many pages as it takes."""
    most = way.sorts[place]

    items = way.walk(tables, name, limit=limit, newest_first=newest_first, up_to=most)

    assert sorts(way, items) == sorted((sort for sort in way.sorts if sort <= most), reverse=newest_first)


def test_up_to_before_the_first_is_nothing(tables: Tables, name: Name, way: Way) -> None:
    """And no cursor."""
    page = tables.query(way.table, name("mine"), index=way.index, up_to=way.sorts[0] - 0.25)

    assert (page.items, page.cursor) == ([], None)


def test_a_partition_that_is_not_there_is_empty(tables: Tables, name: Name, way: Way) -> None:
    """No error, no cursor."""
    page = tables.query(way.table, name("nobody"), index=way.index)

    assert (page.items, page.cursor) == ([], None)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moment=st.floats(1e9, 4e9), number=st.integers(0, 10**9))
def test_up_to_a_moment_finds_that_moment(tables: Tables, moment: float, number: int) -> None:
    """Compared as the same number that was written, to its last digit."""
    project = f"p-{number}-{moment!r}"
    tables.write(Put(SESSIONS, _of_project(project, f"s-{project}", moment)))

    eventually(lambda: tables.query(SESSIONS, project, index=BY_PROJECT, up_to=moment).items)


def test_a_walk_goes_on_while_others_write(tables: Tables, name: Name) -> None:
    """What was there at the beginning is met once, whatever is put in before and behind."""
    for number in range(10, 20):
        tables.write(Put(SESSION_EVENTS, _entry(name("mine"), "", number)))
    met: list[int] = []
    cursor = None

    for step in range(100):
        page = tables.query(SESSION_EVENTS, name("mine"), limit=2, cursor=cursor)
        met += [item["sequence"] for item in page.items]
        tables.write(
            Put(SESSION_EVENTS, _entry(name("mine"), "", step)),
            Put(SESSION_EVENTS, _entry(name("mine"), "", 100 + step)),
        )
        if (cursor := page.cursor) is None or step == 20:
            break

    assert [number for number in met if 10 <= number < 20] == list(range(10, 20))
    assert met == sorted(set(met))


def test_an_item_that_moves_is_found_where_it_is(tables: Tables, name: Name) -> None:
    """In the partition of its new value, and not in that of its old one any more."""
    item = _by_deadline(name("READY"), name("s"), LATER)
    tables.write(Put(SESSIONS, item))
    eventually(lambda: tables.query(SESSIONS, name("READY"), index=BY_DEADLINE).items == [item])

    moved = item | {"status": name("STOPPED"), "version": 2}
    tables.write(Put(SESSIONS, moved, version=1))

    eventually(lambda: tables.query(SESSIONS, name("READY"), index=BY_DEADLINE).items == [])
    eventually(lambda: tables.query(SESSIONS, name("STOPPED"), index=BY_DEADLINE).items == [moved])


# -- Scans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
@pytest.mark.parametrize("table", [PROJECTS, SESSION_EVENTS], ids=lambda table: table.name)
def test_a_scan_meets_everything_once(tables: Tables, name: Name, table: Table, limit: int) -> None:
    """Over as many pages as it takes."""
    items = {
        "projects": [{"projectId": name(str(number)), "version": 1} for number in range(10)],
        "session-events": [_entry(name(f"s{number // 4}"), "", number) for number in range(10)],
    }[table.name]
    for item in items:
        tables.write(Put(table, item))

    met: list[Item] = []
    cursor = None
    for _ in range(10_000):
        page = tables.scan(table, limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        met += page.items
        if (cursor := page.cursor) is None:
            break

    mine = [item for item in met if item in items]
    assert len(mine) == len(items)
    assert all(item in mine for item in items)


# -- Cursors ----------------------------------------------------------------------------------------------------------

NO_CURSORS = [
    "",
    "garbage",
    "null",
    "{}",
    "[]",
    "[1]",
    "7",
    '"x"',
    "[1, 2, 3]",
    "[{}, []]",
    '{"a": 1}',
    "é",
    "W10=",
    "[null, {}]",
]


@pytest.mark.parametrize("cursor", NO_CURSORS)
def test_a_text_that_is_no_cursor_is_refused(tables: Tables, name: Name, way: Way, cursor: str) -> None:
    """As a ValueError, whatever it is."""
    with pytest.raises(ValueError):  # noqa: PT011 - the text is the engine's
        tables.query(way.table, name("mine"), index=way.index, cursor=cursor)


@pytest.mark.parametrize("cursor", NO_CURSORS)
def test_a_text_that_is_no_cursor_is_refused_by_scans(tables: Tables, cursor: str) -> None:
    """The same there."""
    with pytest.raises(ValueError):  # noqa: PT011 - the text is the engine's
        tables.scan(PROJECTS, cursor=cursor)


def test_a_cursor_of_another_partition_is_refused(tables: Tables, name: Name, way: Way) -> None:
    """It would else leave something out, or begin somewhere."""
    cursor = tables.query(way.table, name("theirs"), index=way.index, limit=3).cursor
    assert cursor is not None

    with pytest.raises(ValueError):  # noqa: PT011 - the text is the engine's
        tables.query(way.table, name("mine"), index=way.index, limit=3, cursor=cursor)


def test_a_cursor_of_another_index_is_refused(tables: Tables, name: Name) -> None:
    """Two ways into one table have two orders."""
    for number in range(3):
        item = _of_project(name("p"), name(str(number)), number) | {"status": name("p")}
        tables.write(Put(SESSIONS, item))
    eventually(lambda: len(tables.query(SESSIONS, name("p"), index=BY_PROJECT).items) == 3)
    cursor = tables.query(SESSIONS, name("p"), index=BY_PROJECT, limit=1).cursor
    assert cursor is not None

    with pytest.raises(ValueError):  # noqa: PT011 - the text is the engine's
        tables.query(SESSIONS, name("p"), index=BY_DEADLINE, limit=1, cursor=cursor)
