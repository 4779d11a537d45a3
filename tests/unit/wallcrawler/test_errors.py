"""What can go wrong, in the caller's words."""

from __future__ import annotations

import pytest

from wallcrawler import errors
from wallcrawler.errors import ConcurrencyReached, Conflict, TryLater, WallcrawlerError


def test_a_conflict_names_the_write_that_failed() -> None:
    """By its place in the call, so that a caller knows which of its conditions it was."""
    conflict = Conflict(2, "sessions: version 3 is stored, 2 was expected")

    assert conflict.index == 2
    assert str(conflict) == "sessions: version 3 is stored, 2 was expected"


def test_later_says_when() -> None:
    """In seconds."""
    assert TryLater("the queue does not answer", after=0.5).after == 0.5


def test_a_full_project_says_how_many_it_may_have() -> None:
    """As a number for the API, and as a sentence for people."""
    full = ConcurrencyReached(3)

    assert full.limit == 3
    assert str(full) == "3 sessions run, and the project's limit is 3"


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
)
def test_every_error_is_one_of_ours(kind: type[Exception]) -> None:
    """The command line catches the root and prints one line; none of ours comes through as a traceback."""
    assert issubclass(kind, WallcrawlerError)
