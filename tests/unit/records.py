"""Records as a create makes them, for tests that need one and care about little of it."""

from __future__ import annotations

from typing import Any

from wallcrawler.lifecycle import Event, State
from wallcrawler.session import Session
from wallcrawler.sessions import Sessions

#: When the sessions here are created; HandClock starts there. Not soon, so that no engine's purge takes them away.
NOW = 4_000_000_000.0

ADDRESS = "127.0.0.1:9223"


def a_session(id: str = "session-1", **fields: Any) -> Session:
    """A session of `project-1` that was created just now."""
    common: dict[str, Any] = {
        "project_id": "project-1",
        "state": State.CREATING,
        "version": 1,
        "created_at": NOW,
        "updated_at": NOW,
        "ends_at": NOW + 3600,
        "create_by": NOW + 45,
        "connect_within": 300.0,
        "linger": 1.0,
        "retention": 86_400.0,
        "region": "us-west-2",
        "viewport": (1280, 720),
    }
    return Session(id=id, **common | fields)


def a_ready_session(id: str = "session-1", *, at: float = NOW, **fields: Any) -> Session:
    """One that is ready since `at`."""
    session = a_session(id, **fields)
    for event, facts in STEPS[:3]:
        session = session.after(event, at=at, **facts) or session
    return session


#: What makes a created session ready, and then used.
STEPS: tuple[tuple[Event, dict[str, Any]], ...] = (
    (Event.LAUNCHED, {"task": "paper/session-1"}),
    (Event.LOCATED, {"address": ADDRESS}),
    (Event.BROWSER_UP, {"browser_up_at": NOW}),
    (Event.ATTACHED, {}),
    (Event.DETACHED, {}),
)


def stored(sessions: Sessions, id: str = "session-1", *, state: State = State.CREATING, **fields: Any) -> Session:
    """One in the tables, moved forward until it is in `state`."""
    session = sessions.create(a_session(id, **fields))
    way = {
        State.CREATING: 0,
        State.PROVISIONING: 1,
        State.READY: 3,
        State.ACTIVE: 4,
    }
    for event, facts in STEPS[: way.get(state, 3)]:
        known = {"task": f"paper/{id}"} if "task" in facts else facts
        session = sessions.advance(id, event, **known)
    if state is State.TERMINATING:
        session = sessions.advance(id, Event.RELEASED)
    assert session.state is state, f"no way to {state} is known here"
    return session
