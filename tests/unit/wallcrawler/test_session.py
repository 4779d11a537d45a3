"""One session's record: what events make of it, when it is due, and how it is stored."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.records import ADDRESS, NOW, STEPS, a_ready_session, a_session
from wallcrawler.lifecycle import CONNECTABLE, FINAL, Event, Reason, State
from wallcrawler.session import SLACK, UNSETTLED, Entry, Session

# -- What events make of it -------------------------------------------------------------------------------------------

reasons = st.none() | st.sampled_from(Reason) | st.sampled_from([Reason.TASK_STOPPED.because("137")])

#: Anything that a feed may say, at any time: with the facts that come with such events, or without.
happenings = st.tuples(
    st.sampled_from(Event),
    reasons,
    st.fixed_dictionaries(
        {},
        optional={
            "task": st.sampled_from(["task-1", "task-2", None]),
            "address": st.sampled_from(["10.0.0.1:9223", "10.0.0.2:9223", None]),
            "browser_up_at": st.sampled_from([NOW + 1, NOW + 2, None]),
        },
    ),
)

Happening = tuple[Event, str | None, dict[str, Any]]


@st.composite
def stories(draw: st.DrawFn) -> list[Happening]:
    """What happens to a session in its life, with repetitions and latecomers."""
    story = draw(st.lists(happenings, max_size=15))
    ordinary: list[Happening] = [(event, None, facts) for event, facts in STEPS[: draw(st.integers(0, 5))]]
    again = draw(st.lists(st.sampled_from(story + ordinary), max_size=5)) if story or ordinary else []
    return draw(st.permutations(ordinary + again)) + story if draw(st.booleans()) else ordinary + story + again


@given(story=stories())
def test_any_story_leaves_a_consistent_record(story: list[Happening]) -> None:
    """However events repeat, reorder and contradict each other, each record that comes of them is a true one."""
    session = a_session()

    for step, (event, reason, facts) in enumerate(story, start=1):
        before, session = session, session.after(event, at=NOW + step, reason=reason, **facts) or session

        if session is before:
            continue
        assert session.version == before.version + 1
        assert session.updated_at == NOW + step
        assert_consistent(session)
        assert_kept(before, session)


def assert_consistent(session: Session) -> None:
    """What is true of every record by itself."""
    if session.state in CONNECTABLE:
        assert session.address is not None
        assert session.browser_up_at is not None
        assert session.ready_at is not None
    assert (session.ended_reason is not None) == (session.leaving or session.over)
    assert (session.ended_at is not None) == session.over
    if session.over:
        assert session.state is FINAL[Reason.of(session.ended_reason or "")]
    assert Session.from_item(session.as_item()) == session


def assert_kept(before: Session, after: Session) -> None:
    """What may be learnt once, and then stays."""
    assert not before.over, "what is over has changed"
    for name in ("task", "address", "browser_up_at", "ready_at", "ended_reason"):
        if getattr(before, name) is not None:
            assert getattr(after, name) == getattr(before, name), f"{name} was rewritten"
    changing = {
        "state", "version", "updated_at", "task", "address", "browser_up_at", "ready_at", "attached_at",
        "detached_at", "watched_at", "ended_at", "ended_reason",
    }  # fmt: skip
    for spec in fields(Session):
        assert spec.name in changing or getattr(before, spec.name) == getattr(after, spec.name)


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED, State.TIMED_OUT])
@given(happening=happenings)
def test_over_stays_over(state: State, happening: Happening) -> None:
    """No event, no reason and no new fact brings a session back to life."""
    event, reason, facts = happening
    session = a_session(state=state, ended_at=NOW, ended_reason="released")

    assert session.after(event, at=NOW + 1, reason=reason, **facts) is None


def test_ready_needs_both_halves_in_either_order() -> None:
    """The address and Chrome's answer may come first or second; READY comes with the last of them."""
    launched = a_session().after(Event.LAUNCHED, at=NOW, task="task-1")
    assert launched is not None

    located_first = launched.after(Event.LOCATED, at=NOW + 1, address=ADDRESS)
    assert located_first is not None
    up_first = launched.after(Event.BROWSER_UP, at=NOW + 1, browser_up_at=NOW + 1)
    assert up_first is not None
    one = located_first.after(Event.BROWSER_UP, at=NOW + 2, browser_up_at=NOW + 2)
    other = up_first.after(Event.LOCATED, at=NOW + 2, address=ADDRESS)

    assert located_first.state is up_first.state is State.PROVISIONING
    assert one is not None
    assert other is not None
    assert one.state is other.state is State.READY
    assert one.ready_at == other.ready_at == NOW + 2


def test_ready_again_is_not_ready_anew() -> None:
    """A session whose clients have left keeps the moment of its first readiness."""
    session = a_ready_session(at=NOW + 1)

    attached = session.after(Event.ATTACHED, at=NOW + 5)
    assert attached is not None
    detached = attached.after(Event.DETACHED, at=NOW + 9)

    assert detached is not None
    assert (detached.state, detached.ready_at, detached.attached_at, detached.detached_at) == (
        State.READY,
        NOW + 1,
        NOW + 5,
        NOW + 9,
    )


def test_a_client_that_comes_back_takes_the_departure_away() -> None:
    """Else the session would end although somebody is connected."""
    session = a_ready_session()
    for event in (Event.ATTACHED, Event.DETACHED, Event.ATTACHED):
        session = session.after(event, at=NOW + 3) or session

    assert session.state is State.ACTIVE
    assert session.detached_at is None


def test_a_repetition_that_brings_nothing_new_is_stale() -> None:
    """A second LAUNCHED of the same task writes no version and no line of history."""
    session = a_session().after(Event.LAUNCHED, at=NOW, task="task-1")

    assert session is not None
    assert session.after(Event.LAUNCHED, at=NOW + 1, task="task-1") is None
    assert session.after(Event.LAUNCHED, at=NOW + 1, task="task-2") is None


def test_a_launch_that_is_recorded_late_is_still_known_by_its_task() -> None:
    """Whatever the session has become meanwhile, its task can be stopped by name."""
    leaving = a_session().after(Event.RELEASED, at=NOW)
    assert leaving is not None

    late = leaving.after(Event.LAUNCHED, at=NOW + 1, task="task-1")

    assert late is not None
    assert (late.state, late.task, late.ended_reason) == (State.TERMINATING, "task-1", "released")


def test_the_first_reason_stays() -> None:
    """A release is a release, even where the task's exit says something else afterwards."""
    leaving = a_ready_session().after(Event.EXPIRED, at=NOW, reason=Reason.TIMED_OUT)
    assert leaving is not None

    over = leaving.after(Event.EXITED, at=NOW + 1, reason=Reason.TASK_STOPPED.because("SIGKILL"))

    assert over is not None
    assert (over.state, over.ended_reason) == (State.TIMED_OUT, "timed_out")


def test_of_a_count_the_most_that_was_told_is_true() -> None:
    """Reports overtake each other; after the end there is nothing more to count."""
    session = a_ready_session()
    for event, told, counted in (
        (Event.ATTACHED, 100, 100),
        (Event.DETACHED, 70, 100),
        (Event.ATTACHED, 0, 100),
        (Event.DETACHED, 250, 250),
    ):
        session = session.after(event, at=NOW, proxy_bytes=told) or session
        assert session.proxy_bytes == counted

    last = session.after(Event.RELEASED, at=NOW, reason="released")
    assert last is not None
    over = last.after(Event.DRAINED, at=NOW, proxy_bytes=300)
    assert over is not None
    assert (over.over, over.proxy_bytes) == (True, 300)
    assert over.after(Event.DRAINED, at=NOW, proxy_bytes=900) is None


def test_an_event_brings_no_other_facts() -> None:
    """A misspelt fact, or one that only the record may derive, is a mistake of the caller."""
    with pytest.raises(ValueError, match="brings no ended_at, version"):
        a_session().after(Event.LAUNCHED, at=NOW, version=7, ended_at=NOW)


# -- When it is due ---------------------------------------------------------------------------------------------------

READY = a_ready_session(at=NOW + 2)
ACTIVE = replace(READY, state=State.ACTIVE, attached_at=NOW + 10)
DETACHED = replace(READY, attached_at=NOW + 10, detached_at=NOW + 20)
LEAVING = replace(READY, state=State.TERMINATING, updated_at=NOW + 30, ended_reason="released")
OVER = replace(LEAVING, state=State.STOPPED, ended_at=NOW + 31)

CREATE_DEADLINE = (Event.EXPIRED, Reason.CREATE_DEADLINE)
TIMED_OUT = (Event.EXPIRED, Reason.TIMED_OUT)
NEVER_CONNECTED = (Event.ABANDONED, Reason.NEVER_CONNECTED)
DISCONNECTED = (Event.ABANDONED, Reason.DISCONNECTED)


@pytest.mark.parametrize(
    ("session", "deadline", "due"),
    [
        pytest.param(a_session(), 45, CREATE_DEADLINE, id="creating"),
        pytest.param(a_session(state=State.PROVISIONING), 45, CREATE_DEADLINE, id="provisioning"),
        pytest.param(READY, 2 + 300, NEVER_CONNECTED, id="ready, nobody came"),
        pytest.param(replace(READY, ends_at=NOW + 60), 60, TIMED_OUT, id="ready, nobody came, short timeout"),
        pytest.param(replace(READY, watched_at=NOW + 50), 50 + 300, NEVER_CONNECTED, id="ready, looked at"),
        pytest.param(replace(DETACHED, watched_at=NOW + 50), 20 + 1, DISCONNECTED, id="ready, left, looked at"),
        pytest.param(DETACHED, 20 + 1, DISCONNECTED, id="ready, everybody left"),
        pytest.param(replace(DETACHED, linger=0.0), 20, DISCONNECTED, id="ready, everybody left, no linger"),
        pytest.param(replace(DETACHED, keep_alive=True), 3600, TIMED_OUT, id="ready, everybody left, kept alive"),
        pytest.param(replace(DETACHED, ends_at=NOW + 20.5), 20.5, TIMED_OUT, id="ready, left at the very end"),
        pytest.param(ACTIVE, 3600, TIMED_OUT, id="active"),
        pytest.param(replace(ACTIVE, keep_alive=True), 3600, TIMED_OUT, id="active, kept alive"),
    ],
)
def test_what_a_live_session_is_due_for(session: Session, deadline: float, due: tuple[Event, Reason]) -> None:
    """Nothing before its deadline and the guest's head start; afterwards the event with its reason."""
    slack = 0 if session.starting else SLACK

    assert session.deadline == NOW + deadline
    assert session.overdue(NOW + deadline + slack - 0.01) is None
    assert session.overdue(NOW + deadline + slack) == due


@pytest.mark.parametrize(("session", "deadline"), [(LEAVING, 30), (OVER, 31 + 86_400)])
def test_what_is_ending_is_not_due_again(session: Session, deadline: float) -> None:
    """A leaving session wants attention at once, one that is over may be deleted later: no event follows from it."""
    assert session.deadline == NOW + deadline
    assert session.overdue(NOW + 10 * 86_400) is None


@given(story=stories(), later=st.floats(0, 100_000))
def test_what_is_due_is_never_stale(story: list[Happening], later: float) -> None:
    """The event that a deadline asks for is one that the table accepts in that state, else sweep would turn in vain."""
    session = a_session()
    for event, reason, facts in story:
        session = session.after(event, at=NOW, reason=reason, **facts) or session

    due = session.overdue(NOW + later)

    if due is not None:
        moved = session.after(due[0], at=NOW + later, reason=due[1])
        assert moved is not None
        assert (moved.state, moved.ended_reason) == (State.TERMINATING, due[1])


# -- How it is stored -------------------------------------------------------------------------------------------------

times = st.floats(1e9, 4e9)
texts = st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)

records = st.builds(
    Session,
    id=texts,
    project_id=texts,
    state=st.sampled_from(State),
    version=st.integers(1, 10_000),
    created_at=times,
    updated_at=times,
    ends_at=times,
    create_by=times,
    connect_within=times,
    linger=times,
    retention=times,
    region=texts,
    viewport=st.tuples(st.integers(1, 7680), st.integers(1, 7680)),
    keep_alive=st.booleans(),
    user_metadata=st.dictionaries(texts, json_values, max_size=4),
    browser_settings=st.dictionaries(texts, json_values, max_size=4),
    task=st.none() | texts,
    address=st.none() | texts,
    browser_up_at=st.none() | times,
    ready_at=st.none() | times,
    attached_at=st.none() | times,
    detached_at=st.none() | times,
    ended_at=st.none() | times,
    ended_reason=st.none() | texts,
    proxy_bytes=st.integers(0, 2**53),
    traceparent=st.none() | texts,
)


@given(session=records)
def test_a_record_survives_being_stored(session: Session) -> None:
    """What comes back from JSON is what went in, and no null is stored."""
    item = session.as_item()

    assert Session.from_item(json.loads(json.dumps(item))) == session
    assert None not in item.values()


@given(session=records)
def test_no_store_deletes_what_somebody_still_has_to_see_to(session: Session) -> None:
    """`expiresAt` is a whole second: that of the deadline where the session is over, else long after it."""
    expires_at = session.as_item()["expiresAt"]

    assert isinstance(expires_at, int)
    assert 0 <= expires_at - session.deadline - (0 if session.over else UNSETTLED) < 1


def test_the_stored_names_are_those_of_the_schema() -> None:
    """Keys of tables and indexes are spelt as infrastructure knows them."""
    item = a_session().as_item()

    assert {"sessionId", "projectId", "createdAt", "status", "expiresAt", "version"} <= item.keys()
    assert (item["status"], item["viewport"]) == ("CREATING", [1280, 720])


@given(
    entry=st.builds(
        Entry,
        session_id=texts,
        sequence=st.integers(1, 1000),
        at=times,
        event=texts,
        after=texts,
        before=st.none() | texts,
        reason=st.none() | texts,
        detail=st.none() | texts,
        expires_at=st.none() | st.integers(0, 2**40),
    )
)
def test_a_line_of_history_survives_being_stored(entry: Entry) -> None:
    """The same for entries."""
    assert Entry.from_item(json.loads(json.dumps(entry.as_item()))) == entry
