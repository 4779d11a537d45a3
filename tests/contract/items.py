"""Items as the product stores them, for tests that need some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wallcrawler.errors import TryLater
from wallcrawler.ports import Item

#: Later than any engine's purge.
LATER = 4_000_000_000


def a_project(id: str, **fields: Any) -> Item:
    return {"projectId": id, "version": 1, "active": 0, "concurrency": 3} | fields


def a_session(id: str, **fields: Any) -> Item:
    common = {"projectId": "p", "version": 1, "status": "CREATING", "createdAt": 1.5, "expiresAt": LATER}
    return {"sessionId": id} | common | fields


def an_entry(session_id: str, sequence: int, **fields: Any) -> Item:
    return {"sessionId": session_id, "sequence": sequence, "expiresAt": LATER} | fields


def persistently(write: Callable[[], None]) -> None:
    """A store may be busy; whoever has to write comes back."""
    for _ in range(200):
        try:
            write()
        except TryLater:
            continue
        return
    raise AssertionError("the store was busy two hundred times")
