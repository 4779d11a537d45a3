"""The wait of a create and of a release: a wake is a hint, the record is the truth, and time runs out."""

from __future__ import annotations

from typing import Any

import pytest

from services.api import waiting
from services.provisioner import tasks
from tests.characters import (
    BellAway,
    Died,
    DiesBetweenRunAndRecord,
    HandClock,
    JobList,
    NeverReadyFleet,
    PaperFleet,
    QueueAway,
    RunsTwice,
    StoryBell,
)
from tests.unit.records import ADDRESS, NOW, a_session, stored
from wallcrawler.lifecycle import Event, State
from wallcrawler.links import Links
from wallcrawler.ports import Bell, Jobs
from wallcrawler.session import Session
from wallcrawler.sessions import Sessions

pytestmark = pytest.mark.usefixtures("project")

REREAD_EVERY = 2.0


@pytest.fixture
def jobs() -> JobList:
    return JobList()


class ProvisionsAway(QueueAway):
    """Counts how often it is asked for a release, which also costs who asks."""

    releases = 0

    def release(self, session_id: str) -> None:
        self.releases += 1
        super().release(session_id)


def become_ready(sessions: Sessions, id: str = "session-1") -> None:
    sessions.advance(id, Event.LAUNCHED, task="task-1")
    sessions.advance(id, Event.LOCATED, address=ADDRESS)
    sessions.advance(id, Event.BROWSER_UP, browser_up_at=NOW)


class Waiter:
    """Waits for sessions as the API does."""

    def __init__(self, sessions: Sessions, clock: HandClock) -> None:
        self._common: dict[str, Any] = {"sessions": sessions, "clock": clock}

    def provisioned(self, session: Session, *, bell: Bell, jobs: Jobs) -> Session:
        return waiting.provisioned(session, bell=bell, jobs=jobs, reread_every=REREAD_EVERY, **self._common)

    def released(self, session: Session, *, bell: Bell, jobs: Jobs, within: float = 1.0) -> Session:
        return waiting.released(session, bell=bell, jobs=jobs, within=within, detail="asked for", **self._common)


@pytest.fixture
def waiter(sessions: Sessions, clock: HandClock) -> Waiter:
    return Waiter(sessions, clock)


# -- Create -----------------------------------------------------------------------------------------------------------


def test_a_ring_answers_at_once(waiter: Waiter, sessions: Sessions, clock: HandClock, jobs: JobList) -> None:
    """Ready and rung: the caller has its session, and no time has passed."""
    bell = StoryBell(clock, lambda: become_ready(sessions))

    session = waiter.provisioned(sessions.create(a_session()), bell=bell, jobs=jobs)

    assert session.state is State.READY
    assert clock.now() == NOW
    assert jobs.asked == [("provision", "session-1")]


def test_the_bell_is_listened_to_before_the_job_is_given(waiter: Waiter, sessions: Sessions, clock: HandClock) -> None:
    """Else an answer could be too fast to be heard."""
    happenings: list[str] = []
    bell = StoryBell(clock, lambda: become_ready(sessions), happenings=happenings)
    jobs = RunsTwice(provision=lambda id: happenings.append(f"provision {id}"), release=str)

    waiter.provisioned(sessions.create(a_session()), bell=bell, jobs=jobs)

    assert happenings == ["listen session-1", "provision session-1", "provision session-1"]


def test_a_ring_for_nothing_is_no_answer(waiter: Waiter, sessions: Sessions, clock: HandClock, jobs: JobList) -> None:
    """Half of READY wakes the caller, who looks, and goes on waiting."""
    bell = StoryBell(
        clock,
        lambda: sessions.advance("session-1", Event.LAUNCHED, task="task-1"),
        lambda: None,
        lambda: become_ready(sessions),
    )

    assert waiter.provisioned(sessions.create(a_session()), bell=bell, jobs=jobs).state is State.READY


def test_a_lost_ring_costs_one_re_read(waiter: Waiter, sessions: Sessions, clock: HandClock, links: Links) -> None:
    """Nobody rings, because the bell's server is away: the caller finds the truth by looking again."""
    jobs = RunsTwice(provision=lambda id: become_ready(sessions, id), release=str)

    session = waiter.provisioned(sessions.create(a_session()), bell=BellAway(clock), jobs=jobs)

    assert session.state is State.READY
    assert clock.now() <= NOW + REREAD_EVERY


def test_a_browser_that_dies_while_starting_answers_at_once(
    waiter: Waiter, sessions: Sessions, clock: HandClock, jobs: JobList
) -> None:
    """An ending rings as well; the caller has the reason long before the deadline."""
    bell = StoryBell(clock, lambda: sessions.advance("session-1", Event.CRASHED, reason="out_of_memory"))

    session = waiter.provisioned(sessions.create(a_session()), bell=bell, jobs=jobs)

    assert (session.state, session.ended_reason) == (State.FAILED, "out_of_memory")
    assert clock.now() == NOW


def test_a_fleet_that_never_gets_ready_meets_the_deadline(
    waiter: Waiter, sessions: Sessions, clock: HandClock, links: Links
) -> None:
    """The session ends with its reason, is on its way out of the fleet, and the caller waited not a moment longer."""
    fleet = NeverReadyFleet()
    released: list[str] = []
    jobs = RunsTwice(
        provision=lambda id: tasks.provision(id, sessions=sessions, fleet=fleet, links=links), release=released.append
    )

    session = waiter.provisioned(sessions.create(a_session()), bell=StoryBell(clock), jobs=jobs)

    assert (session.state, session.ended_reason) == (State.TERMINATING, "create_deadline")
    assert clock.now() == session.create_by
    assert set(released) == {"session-1"}
    assert sessions.history("session-1")[-1].detail == "it was PROVISIONING when the time was up"


def test_ready_at_the_last_moment_is_ready(waiter: Waiter, sessions: Sessions, clock: HandClock, jobs: JobList) -> None:
    """Between the deadline and the look, the record has the last word."""
    sessions.create(a_session())
    stale = sessions.get("session-1")
    become_ready(sessions)
    clock.forward(100)

    assert waiter.provisioned(stale, bell=StoryBell(clock), jobs=jobs).state is State.READY


def test_a_queue_that_is_away_is_asked_again(waiter: Waiter, sessions: Sessions, clock: HandClock) -> None:
    """At every re-read, until it takes the job; then no more."""
    jobs = QueueAway(times=2)

    session = waiter.provisioned(sessions.create(a_session()), bell=StoryBell(clock), jobs=jobs)

    assert jobs.asked == [("provision", "session-1"), ("release", "session-1")]
    assert session.ended_reason == "create_deadline"


def test_a_queue_that_stays_away_still_ends_in_an_answer(waiter: Waiter, sessions: Sessions, clock: HandClock) -> None:
    """It is not asked for the release as well: sweep does that, and the caller does not wait for it."""
    jobs = ProvisionsAway(times=1000)

    session = waiter.provisioned(sessions.create(a_session()), bell=StoryBell(clock), jobs=jobs)

    assert jobs.releases == 0
    assert (session.state, session.ended_reason) == (State.TERMINATING, "create_deadline")


def test_a_job_that_is_run_twice_makes_one_browser(
    waiter: Waiter, sessions: Sessions, clock: HandClock, links: Links
) -> None:
    """Both workers find the same task, and the caller gets the session that it has."""
    fleet = PaperFleet()
    jobs = RunsTwice(provision=lambda id: tasks.provision(id, sessions=sessions, fleet=fleet, links=links), release=str)
    bell = StoryBell(clock, lambda: become_ready(sessions))

    session = waiter.provisioned(sessions.create(a_session()), bell=bell, jobs=jobs)

    assert session.state is State.READY
    assert len(fleet.launches) == 1


def test_a_worker_that_died_in_the_middle_costs_nobody_his_session(
    waiter: Waiter, sessions: Sessions, clock: HandClock, links: Links
) -> None:
    """Its task runs and its record says nothing; whoever gets the job next finds the task and writes it down."""
    fleet = DiesBetweenRunAndRecord()

    def provision(id: str) -> None:
        try:
            tasks.provision(id, sessions=sessions, fleet=fleet, links=links)
        except Died:
            assert sessions.get(id).task is None

    jobs = RunsTwice(provision=provision, release=str)
    bell = StoryBell(clock, lambda: become_ready(sessions))

    session = waiter.provisioned(sessions.create(a_session()), bell=bell, jobs=jobs)

    assert (session.state, session.task) == (State.READY, "paper/session-1")
    assert len(fleet.launches) == 1


# -- Release ----------------------------------------------------------------------------------------------------------


def test_a_release_answers_when_the_browser_is_gone(
    waiter: Waiter, sessions: Sessions, clock: HandClock, jobs: JobList
) -> None:
    """Rung by the ending, within the wait."""
    bell = StoryBell(clock, lambda: None, lambda: sessions.advance("session-1", Event.DRAINED))

    session = waiter.released(stored(sessions, state=State.ACTIVE), bell=bell, jobs=jobs)

    assert (session.state, session.ended_reason) == (State.STOPPED, "released")
    assert jobs.asked == [("release", "session-1")]
    assert clock.now() == NOW


def test_a_release_does_not_wait_for_ever(waiter: Waiter, sessions: Sessions, clock: HandClock, jobs: JobList) -> None:
    """A browser that takes its time is on its way out; the caller is told so."""
    session = waiter.released(stored(sessions, state=State.READY), bell=StoryBell(clock), jobs=jobs, within=1.5)

    assert (session.state, session.ended_reason) == (State.TERMINATING, "released")
    assert clock.now() == NOW + 1.5


def test_a_release_of_what_is_over_asks_nobody(
    waiter: Waiter, sessions: Sessions, clock: HandClock, jobs: JobList
) -> None:
    """Supervisors fire late; the answer is the ending that was."""
    stored(sessions, state=State.READY)
    over = sessions.advance("session-1", Event.CRASHED)

    assert waiter.released(over, bell=StoryBell(clock), jobs=jobs) == over
    assert jobs.asked == []
    assert clock.now() == NOW


def test_a_release_while_the_queue_is_away_is_still_a_release(
    waiter: Waiter, sessions: Sessions, clock: HandClock
) -> None:
    """The record says what must be; sweep sees to it."""
    session = waiter.released(stored(sessions, state=State.READY), bell=BellAway(clock), jobs=QueueAway(times=9))

    assert (session.state, session.ended_reason) == (State.TERMINATING, "released")


def test_a_second_release_waits_for_the_first(
    waiter: Waiter, sessions: Sessions, clock: HandClock, jobs: JobList
) -> None:
    """The first reason stays, and both are told of the same end."""
    stored(sessions, state=State.READY)
    leaving = sessions.advance("session-1", Event.EXPIRED, reason="timed_out")
    bell = StoryBell(clock, lambda: sessions.advance("session-1", Event.EXITED))

    session = waiter.released(leaving, bell=bell, jobs=jobs)

    assert (session.state, session.ended_reason) == (State.TIMED_OUT, "timed_out")
