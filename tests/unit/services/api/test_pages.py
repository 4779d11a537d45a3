"""A list in pages: whole for clients that know of none, and bounded for everybody."""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import request

from services.api.pages import Cursors
from tests.unit.records import NOW, a_session
from tests.unit.services.api.paper import PaperApi
from wallcrawler.lifecycle import State
from wallcrawler.local.tables import SqliteTables
from wallcrawler.ports import Put
from wallcrawler.schema import SESSIONS
from wallcrawler.sessions import READ_AT_MOST, READ_AT_ONCE
from wallcrawler.tokens import Signer


def fill(tables: SqliteTables, count: int, *, first: int = 0, **fields: Any) -> None:
    """Sessions that ended, one a second."""
    common = {"state": State.STOPPED, "ended_at": NOW, "ended_reason": "released"} | fields
    items = [
        a_session(f"session-{number}", created_at=NOW + number, **common).as_item()
        for number in range(first, first + count)
    ]
    for start in range(0, count, 1000):
        tables.write(*(Put(SESSIONS, item) for item in items[start : start + 1000]))


def following(answer: Any) -> str | None:
    """Where the answer's Link header leads, if it has one."""
    link = re.fullmatch(r'<(\?[^>]+)>; rel="next"', answer.headers.get("Link", ""))
    return link[1] if link else None


def walk(api: PaperApi, query: str) -> Iterator[list[str]]:
    """The ids of every page, following the links."""
    where: str | None = query
    while where is not None:
        answer = api.ask("GET", f"/v1/sessions{where}")
        assert answer.status_code == 200, answer.text
        yield [session["id"] for session in answer.get_json()]
        where = following(answer)


def newest(count: int) -> list[str]:
    return [f"session-{number}" for number in reversed(range(count))]


def test_a_list_that_fits_is_whole_and_leads_nowhere(api: PaperApi, tables: SqliteTables) -> None:
    """A client that knows nothing of pages gets a bare array of everything, the newest first."""
    fill(tables, 1000)

    answer = api.ask("GET", "/v1/sessions")

    assert [session["id"] for session in answer.get_json()] == newest(1000)
    assert "Link" not in answer.headers


def test_a_list_of_ten_thousand_is_a_thousand_at_a_time(
    api: PaperApi, tables: SqliteTables, record_property: Callable[[str, object], None]
) -> None:
    """Without a limit, each answer holds the next thousand; the links lead through all of them, once each."""
    fill(tables, 10_000)
    tracemalloc.start()
    began = time.perf_counter()

    pages = list(walk(api, ""))

    seconds, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    record_property("seconds for 10,000 sessions, memory being traced", round(seconds, 2))
    record_property("megabytes at once", round(peak / 1e6, 1))
    assert [len(page) for page in pages] == [1000] * 10
    assert [id for page in pages for id in page] == newest(10_000)


@pytest.mark.parametrize("limit", [1, 7, 20, 1000])
def test_pages_of_any_size_make_up_the_list(api: PaperApi, tables: SqliteTables, limit: int) -> None:
    """No session is on two pages, and none is on no page."""
    fill(tables, 20)

    pages = list(walk(api, f"?limit={limit}"))

    assert [id for page in pages for id in page] == newest(20)
    assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_a_filtered_list_has_pages_too(api: PaperApi, tables: SqliteTables, limit: int) -> None:
    """The links keep the filters, and the pages hold what matches."""
    fill(tables, READ_AT_ONCE + 10)
    fill(tables, 5, first=2000, user_metadata={"of": "us"})
    fill(tables, 5, first=3000, user_metadata={"of": "us"}, state=State.TIMED_OUT)
    fill(tables, 700, first=4000)
    query = "&q=user_metadata['of']:'us'"

    pages = list(walk(api, f"?limit={limit}&status=COMPLETED{query}"))

    assert [id for page in pages for id in page] == [f"session-{number}" for number in range(2004, 1999, -1)]
    assert all(len(page) <= limit for page in pages)


def test_one_request_reads_a_bounded_number_of_records(api: PaperApi, tables: SqliteTables) -> None:
    """What lies behind many others that don't match is found on a later page; the pages before may be empty."""
    fill(tables, 1, user_metadata={"of": "us"})
    fill(tables, READ_AT_MOST + 1, first=1)

    pages = list(walk(api, "?q=user_metadata['of']:'us'"))

    assert pages == [[], ["session-0"]]


def test_a_session_that_comes_between_two_pages_is_on_neither(api: PaperApi, tables: SqliteTables) -> None:
    """A cursor is a place in the list and not a count from its beginning."""
    fill(tables, 4)
    first = api.ask("GET", "/v1/sessions?limit=2")
    fill(tables, 1, first=10)

    second = api.ask("GET", f"/v1/sessions{following(first)}")

    assert [session["id"] for session in second.get_json()] == ["session-1", "session-0"]


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "ten", "1.5", "", "99999999999"])
def test_a_limit_outside_its_bounds_is_a_400(api: PaperApi, limit: str) -> None:
    """The message names the field and the bounds."""
    answer = api.ask("GET", f"/v1/sessions?limit={limit}")

    assert (answer.status_code, answer.get_json()["message"]) == (
        400,
        "querystring/limit must be an integer from 1 to 1000",
    )


def test_a_cursor_of_our_own_making_only(api: PaperApi, tables: SqliteTables) -> None:
    """Garbage, a store's bare cursor, another list's, and one that another deployment signed are all a 400."""
    fill(tables, 3)
    bare = api.ports.sessions.page("project-1", limit=1)[1]
    elsewhere = json.dumps([["sessions", "projectId-createdAt-index", "project-2", True], NOW, "session-1"])
    with api.app.test_request_context("/v1/sessions"):
        theirs = Cursors(api.ports.signer).link(request, elsewhere)
        strange = Cursors(Signer.generate()).link(request, bare or "")

    queries = ["?cursor=", "?cursor=garbage", f"?cursor={bare}", theirs[1:].split(">")[0], strange[1:].split(">")[0]]
    answers = [api.ask("GET", f"/v1/sessions{query}") for query in queries]

    assert [answer.status_code for answer in answers] == [400] * 5
    assert {answer.get_json()["message"] for answer in answers} == {
        "querystring/cursor must be one that this list's Link header gave"
    }
