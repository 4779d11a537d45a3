"""What goes over the queues."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallcrawler import messages
from wallcrawler.lifecycle import State
from wallcrawler.messages import QUEUES, WIRE_VERSION, SessionChanged, TaskChanged, UnreadableMessage
from wallcrawler.ports import Task, TaskStatus

texts = st.text(max_size=20)
tasks = st.builds(
    Task,
    id=texts,
    session_id=texts,
    status=st.sampled_from(TaskStatus),
    version=st.integers(0, 10_000),
    address=st.none() | texts,
    exit_code=st.none() | st.integers(-64, 255),
    stop_code=st.none() | texts,
    stopped_reason=st.none() | texts,
    out_of_memory=st.booleans(),
)


@given(task=tasks)
def test_a_task_survives_the_queue(task: Task) -> None:
    """What the fleet saw is what the provisioner reads, through JSON, and without nulls."""
    wire = TaskChanged.of(task).as_wire()

    assert TaskChanged.from_wire(json.loads(json.dumps(wire))).task == task
    assert wire["v"] == WIRE_VERSION
    assert None not in wire.values()


@given(
    change=st.builds(
        SessionChanged,
        session_id=texts,
        version=st.integers(1, 10_000),
        after=st.sampled_from(State).map(str),
        before=st.none() | st.sampled_from(State).map(str),
        traceparent=st.none() | texts,
    )
)
def test_a_change_survives_the_queue(change: SessionChanged) -> None:
    """The same for a session's record."""
    assert SessionChanged.from_wire(json.loads(json.dumps(change.as_wire()))) == change


@pytest.mark.parametrize("version", [WIRE_VERSION + 1, 0, None, str(WIRE_VERSION), [1]])
def test_a_message_of_another_version_is_refused(version: Any) -> None:
    """An old worker loses nothing of a newer one: it says that it can't read it."""
    wire = SessionChanged("session-1", 2, "READY").as_wire() | {"v": version}

    with pytest.raises(UnreadableMessage, match=f"reads {WIRE_VERSION}"):
        SessionChanged.from_wire(wire)


@pytest.mark.parametrize("missing", ["session_id", "version", "after", "v"])
def test_a_message_that_leaves_something_out_is_refused(missing: str) -> None:
    """And the refusal names it."""
    wire = SessionChanged("session-1", 2, "READY", "PROVISIONING").as_wire()
    del wire[missing]

    with pytest.raises(UnreadableMessage, match="version None" if missing == "v" else missing):
        SessionChanged.from_wire(wire)


def test_what_is_unknown_is_ignored() -> None:
    """A newer producer may say more within a version."""
    wire = SessionChanged("session-1", 2, "READY").as_wire() | {"mood": "good"}

    assert SessionChanged.from_wire(wire).session_id == "session-1"


def test_a_change_is_made_of_two_images() -> None:
    """As a stream has them: of a new item there is only the second."""
    old = {"sessionId": "session-1", "version": 1, "status": "CREATING"}
    new = {"sessionId": "session-1", "version": 2, "status": "PROVISIONING", "traceparent": "00-1-2-01"}

    created, moved, learnt = (
        SessionChanged.of_images(None, old),
        SessionChanged.of_images(old, new),
        SessionChanged.of_images(new, new | {"version": 3}),
    )

    assert (created.before, created.state, created.moved) == (None, State.CREATING, True)
    assert (moved.before, moved.state, moved.version, moved.moved) == ("CREATING", State.PROVISIONING, 2, True)
    assert not learnt.moved
    assert (created.traceparent, moved.traceparent) == (None, "00-1-2-01")


def test_every_task_has_a_queue_of_its_own() -> None:
    """A slow provision never delays a release."""
    names = {messages.PROVISION, messages.RELEASE, messages.TASK_CHANGED, messages.SESSION_CHANGED, messages.SWEEP}

    assert QUEUES.keys() == names
    assert len(set(QUEUES.values())) == len(names)
