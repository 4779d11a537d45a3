"""Whom the notifier wakes, what it tells the outside, and in which order."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from services.notifier.tasks import notice, session_changed
from tests.characters import BellAway, HandClock, NoticeBoard, StoryBell
from tests.unit.records import NOW, a_ready_session, stored
from wallcrawler.errors import NotFound, TryLater
from wallcrawler.lifecycle import OVER, Event, State
from wallcrawler.links import Links
from wallcrawler.messages import SessionChanged
from wallcrawler.sessions import Sessions

pytestmark = pytest.mark.usefixtures("project")

MOVES = [(before, after) for before in [None, *State] for after in State]

#: The moves that somebody waits for: ready for the first time, and every end.
TOLD = {
    **{(before, State.READY): "ready" for before in (State.CREATING, State.PROVISIONING)},
    **{(before, after): "ended" for before in [None, *State] for after in OVER if before is not after},
}


def change(before: State | None, after: State) -> SessionChanged:
    return SessionChanged("session-1", 7, after=str(after), before=str(before) if before else None)


@pytest.mark.parametrize(("before", "after"), MOVES)
def test_it_rings_on_ready_and_on_every_ending(
    sessions: Sessions, clock: HandClock, before: State | None, after: State
) -> None:
    """And on no other move: a client that comes or goes is nobody else's business."""
    stored(sessions, state=State.READY)
    happenings: list[str] = []
    bell, topic = StoryBell(clock, happenings=happenings), NoticeBoard(happenings)

    session_changed(change(before, after), sessions=sessions, bell=bell, topic=topic)

    told = TOLD.get((before, after))
    assert happenings == ([] if told is None else ["ring session-1", f"publish {told}"])


def test_something_learnt_is_no_move(sessions: Sessions, clock: HandClock) -> None:
    """A task that is recorded late rings nobody."""
    topic, bell = NoticeBoard(), StoryBell(clock)

    for state in State:
        session_changed(change(state, state), sessions=sessions, bell=bell, topic=topic)

    assert (bell.happenings, topic.notices) == ([], [])


def test_a_bell_without_a_server_is_tried_again_before_anything_is_told(sessions: Sessions, clock: HandClock) -> None:
    """Whoever waits comes first; the notice comes with the attempt that rang."""
    stored(sessions, state=State.READY)
    topic = NoticeBoard()

    with pytest.raises(TryLater):
        session_changed(change(State.PROVISIONING, State.READY), sessions=sessions, bell=BellAway(clock), topic=topic)

    assert topic.notices == []


def test_a_record_that_is_gone_has_rung_and_tells_nothing(sessions: Sessions, clock: HandClock) -> None:
    """Purged between the change and its notice."""
    bell, topic = StoryBell(clock), NoticeBoard()

    with pytest.raises(NotFound):
        session_changed(change(State.ACTIVE, State.STOPPED), sessions=sessions, bell=bell, topic=topic)

    assert bell.happenings == ["ring session-1"]
    assert topic.notices == []


def test_a_late_notice_is_not_an_old_one(sessions: Sessions, clock: HandClock) -> None:
    """READY is told after the session has already failed: the event says what happened, the body what is true."""
    stored(sessions, state=State.READY)
    sessions.advance("session-1", Event.CRASHED, reason="out_of_memory")
    topic = NoticeBoard()

    session_changed(change(State.PROVISIONING, State.READY), sessions=sessions, bell=StoryBell(clock), topic=topic)

    [(body, attributes)] = topic.notices
    assert attributes == {"sessionId": "session-1", "projectId": "project-1", "eventType": "ready"}
    assert (body["internalStatus"], body["status"], body["endedReason"]) == ("FAILED", "ERROR", "out_of_memory")


def test_a_notice_says_what_a_subscriber_needs() -> None:
    """In Browserbase's words and in ours, with the address but not the port."""
    session = a_ready_session(address="10.0.0.7:9223", keep_alive=True)

    assert notice(session) == {
        "sessionId": "session-1",
        "projectId": "project-1",
        "status": "RUNNING",
        "internalStatus": "READY",
        "publicIp": "10.0.0.7",
        "createdAt": NOW,
        "expiresAt": NOW + 3600,
        "region": "us-west-2",
        "keepAlive": True,
    }


@pytest.mark.parametrize("state", list(State))
def test_a_notice_holds_no_url_and_no_key(state: State, links: Links) -> None:
    """Topics fan out to mailboxes and logs."""
    session = replace(a_ready_session(user_metadata={"password": "hunter2"}), state=state)

    body = json.dumps(notice(session))

    for secret in ("://", "signingKey", "connectUrl", "hunter2", links.signing_key(session)):
        assert secret not in body


def test_an_ipv6_address_is_told_whole() -> None:
    """The port is what comes after the last colon."""
    assert notice(a_ready_session(address="[2001:db8::1]:9223"))["publicIp"] == "[2001:db8::1]"
