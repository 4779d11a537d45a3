"""Cursors: opaque, and good for one query."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallcrawler.aws.cursors import cursor, position

KEY = {"sessionId": {"S": "s-1"}, "createdAt": {"N": "1.5"}}
QUESTION = ("sessions", "projectId-createdAt-index", "p-1", None, True)


def test_a_cursor_leads_back_to_where_it_was_made() -> None:
    """The same key for the same question."""
    assert position(cursor(KEY, *QUESTION), *QUESTION) == KEY


@pytest.mark.parametrize("place", range(5))
def test_another_question_refuses_it(place: int) -> None:
    """Of another table, index, partition, limit or direction."""
    others: list[Any] = ["projects", None, "p-2", 7.0, False]
    other = (*QUESTION[:place], others[place], *QUESTION[place + 1 :])

    with pytest.raises(ValueError, match="not one of this list"):
        position(cursor(KEY, *QUESTION), *other)


def test_a_cursor_that_was_cut_is_refused() -> None:
    """Wherever it was cut."""
    whole = cursor(KEY, *QUESTION)

    for length in range(len(whole) - 4):
        with pytest.raises(ValueError, match="not one of this list"):
            position(whole[:length], *QUESTION)


@given(st.text(max_size=60))
def test_any_text_is_refused_and_breaks_nothing(text: str) -> None:
    """As a ValueError."""
    with pytest.raises(ValueError, match="not one of this list"):
        position(text, *QUESTION)


def test_a_text_that_is_nested_without_end_is_refused() -> None:
    """And not recursed into."""
    deep = cursor({"a": {"L": ["x"]}}, "q")
    assert position(deep, "q") == {"a": {"L": ["x"]}}

    with pytest.raises(ValueError, match="not one of this list"):
        position("W1tb" * 2000, "q")
