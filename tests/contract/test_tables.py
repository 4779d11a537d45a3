"""Tables: what get and write promise (1 and 2), whatever the engine."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.items import a_project, an_entry, persistently
from wallcrawler.ports import Put, Tables
from wallcrawler.schema import PROJECTS, SESSION_EVENTS, SESSIONS

Name = Callable[[str], str]


# -- 1. get -----------------------------------------------------------------------------------------------------------


def test_get_sees_what_was_written(tables: Tables, name: Name) -> None:
    """By the partition alone, or with the sort key where the table has one."""
    id = name("a")

    tables.write(
        Put(PROJECTS, a_project(id)), Put(SESSION_EVENTS, an_entry(id, 1)), Put(SESSION_EVENTS, an_entry(id, 2))
    )

    assert tables.get(PROJECTS, id) == a_project(id)
    assert tables.get(SESSION_EVENTS, id, 2) == an_entry(id, 2)


def test_get_of_what_is_not_there_is_none(tables: Tables, name: Name) -> None:
    """Never an error: not in another table, not under another sort key."""
    id = name("a")
    tables.write(Put(SESSION_EVENTS, an_entry(id, 1)))

    assert tables.get(SESSION_EVENTS, id, 3) is None
    assert tables.get(SESSIONS, id) is None
    assert tables.get(PROJECTS, name("nobody")) is None


def test_get_sees_every_acknowledged_write_of_every_thread(tables: Tables, name: Name) -> None:
    """Whoever has written reads his own at once, and so does everybody else."""
    ids = [name(str(number)) for number in range(40)]

    def write(id: str) -> bool:
        persistently(lambda: tables.write(Put(PROJECTS, a_project(id))))
        return tables.get(PROJECTS, id) is not None

    with ThreadPoolExecutor(8) as pool:
        seen_by_the_writers = list(pool.map(write, ids))
        seen_by_the_others = list(pool.map(lambda id: tables.get(PROJECTS, id), ids))

    assert all(seen_by_the_writers)
    assert seen_by_the_others == [a_project(id) for id in ids]


texts = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(-(2**53), 2**53) | st.floats(1e-60, 1e60) | st.floats(-1e60, -1e-60) | st.just(0.0)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


def same(one: Any, other: Any) -> bool:
    """Equal, and a boolean only equal to a boolean."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.dictionaries(texts.filter(bool), values, max_size=4))
def test_every_json_value_comes_back(tables: Tables, value: dict[str, Any]) -> None:
    """Numbers of both kinds to the last digit, nested maps and lists, booleans, nulls inside, and any text."""
    item = a_project(uuid.uuid4().hex, value=value, number=1.25)

    tables.write(Put(PROJECTS, item))

    assert same(tables.get(PROJECTS, item["projectId"]), item)


@pytest.mark.parametrize(
    "number", [0, -1, 2**53, 1_764_000_000.123456, 0.1 + 0.2, 1 / 3, 123456789.000001, 1e-7, math.pi * 1e9]
)
def test_a_number_is_the_same_number(tables: Tables, name: Name, number: float) -> None:
    """And not one that is nearly it: deadlines are compared."""
    tables.write(Put(PROJECTS, a_project(name("a"), number=number)))

    stored = tables.get(PROJECTS, name("a"))

    assert stored is not None
    assert stored["number"] == number
    assert float(stored["number"]) == float(number)


@pytest.mark.parametrize(
    "id", ["with space", "ünïcödé-語-🙂", "a/b?c=d&e#f", "'quoted' \"twice\"", "%s{}\\", "x" * 500]
)
def test_any_text_is_a_key(tables: Tables, name: Name, id: str) -> None:
    """Also one that means something to a database."""
    tables.write(Put(PROJECTS, a_project(name(id))))

    assert tables.get(PROJECTS, name(id)) == a_project(name(id))


def test_a_store_that_is_there_answers(tables: Tables) -> None:
    """Without complaint, any number of times."""
    for _ in range(3):
        tables.ping()
