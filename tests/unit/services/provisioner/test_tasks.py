"""What the provisioner does with a session: repeated, late, or by two workers at once."""

from __future__ import annotations

import time

import pytest

from services.provisioner import tasks
from tests.characters import (
    BusyFleet,
    Died,
    DiesBetweenRunAndRecord,
    PaperFleet,
    RefusesToLaunch,
    SlowToLaunch,
)
from tests.unit.records import a_session, stored
from wallcrawler.errors import NotFound, TryLater
from wallcrawler.lifecycle import Event, State
from wallcrawler.links import Links
from wallcrawler.ports import Fleet
from wallcrawler.sessions import Sessions
from wallcrawler.tokens import Signer, Verifier

pytestmark = pytest.mark.usefixtures("project")


class Worker:
    """Runs the provisioner's tasks as Celery does."""

    def __init__(self, sessions: Sessions, links: Links) -> None:
        self._sessions = sessions
        self._links = links

    def provision(self, fleet: Fleet, session_id: str = "session-1") -> None:
        tasks.provision(session_id, sessions=self._sessions, fleet=fleet, links=self._links)

    def release(self, fleet: Fleet, session_id: str = "session-1") -> None:
        tasks.release(session_id, sessions=self._sessions, fleet=fleet)


@pytest.fixture
def worker(sessions: Sessions, links: Links) -> Worker:
    return Worker(sessions, links)


# -- Provision --------------------------------------------------------------------------------------------------------


def test_a_session_gets_a_task(worker: Worker, sessions: Sessions) -> None:
    """And its record says which."""
    sessions.create(a_session())
    fleet = PaperFleet()

    worker.provision(fleet)

    session = sessions.get("session-1")
    assert (session.state, session.task) == (State.PROVISIONING, "paper/session-1")
    assert [launch.session_id for launch in fleet.launches] == ["session-1"]


def test_the_task_is_told_a_token_for_its_own_session(worker: Worker, sessions: Sessions, signer: Signer) -> None:
    """One that speaks for it to the API, and drives nothing."""
    sessions.create(a_session(created_at=time.time()))
    fleet = PaperFleet()

    worker.provision(fleet)

    [launch] = fleet.launches
    claims = Verifier(signer.verify_keys).verify(launch.guest_token, session_id="session-1", audiences=["guest"])
    assert claims.audience == "guest"
    assert launch.guest_token not in repr(launch)


def test_run_twice_is_one_task(worker: Worker, sessions: Sessions) -> None:
    """The second worker finds the first one's task and writes no line of history."""
    sessions.create(a_session())
    fleet = PaperFleet()

    worker.provision(fleet)
    once = sessions.get("session-1")
    worker.provision(fleet)

    assert sessions.get("session-1") == once
    assert len(fleet.launches) == len(fleet.tasks()) == 1


def test_a_worker_that_dies_in_the_middle_leaves_no_second_browser(worker: Worker, sessions: Sessions) -> None:
    """Its job comes again; the fleet returns the task that runs, and now the record knows it."""
    sessions.create(a_session())
    fleet = DiesBetweenRunAndRecord()
    with pytest.raises(Died):
        worker.provision(fleet)

    worker.provision(fleet)

    assert sessions.get("session-1").task == "paper/session-1"
    assert len(fleet.launches) == 1


@pytest.mark.parametrize("state", [State.READY, State.ACTIVE, State.TERMINATING])
def test_a_late_job_starts_nothing(worker: Worker, sessions: Sessions, state: State) -> None:
    """A session that has its browser, or does not want it any more, gets no other."""
    before = stored(sessions, state=state)
    fleet = PaperFleet()

    worker.provision(fleet)

    assert fleet.launches == []
    assert sessions.get("session-1") == before


def test_a_job_of_a_session_that_is_over_starts_nothing(worker: Worker, sessions: Sessions) -> None:
    """However late it comes."""
    stored(sessions)
    sessions.advance("session-1", Event.LAUNCH_FAILED)
    fleet = PaperFleet()

    worker.provision(fleet)

    assert fleet.launches == []


def test_a_fleet_that_will_not_is_the_sessions_end(worker: Worker, sessions: Sessions) -> None:
    """With its reason in the record and in the history, and nothing to try again."""
    sessions.create(a_session())

    worker.provision(RefusesToLaunch("no port on 127.0.0.1: too many open files"))

    session = sessions.get("session-1")
    assert session.state is State.FAILED
    assert session.ended_reason == "launch_failed:no port on 127.0.0.1: too many open files"
    assert sessions.history("session-1")[-1].detail == "no port on 127.0.0.1: too many open files"


def test_a_fleet_that_is_busy_is_no_end(worker: Worker, sessions: Sessions) -> None:
    """The job is to come back, and then it finds a session that waits."""
    before = sessions.create(a_session())
    fleet = BusyFleet(times=1)

    with pytest.raises(TryLater):
        worker.provision(fleet)
    assert sessions.get("session-1") == before

    worker.provision(fleet)
    assert sessions.get("session-1").state is State.PROVISIONING


@pytest.mark.parametrize("end", [Event.RELEASED, Event.EXPIRED, Event.CRASHED])
def test_a_session_that_ends_while_its_task_starts_has_it_stopped(
    worker: Worker, sessions: Sessions, end: Event
) -> None:
    """What was just started is stopped again, by name; where the session only leaves, its record knows the task."""
    sessions.create(a_session())
    fleet = SlowToLaunch(lambda: sessions.advance("session-1", end))

    worker.provision(fleet)

    [(session_id, task, _)] = fleet.stops
    assert (session_id, task) == ("session-1", "paper/session-1")
    session = sessions.get("session-1")
    assert session.task == ("paper/session-1" if session.leaving else None)


def test_a_job_of_nobody_is_said_to_be(worker: Worker) -> None:
    """So that the worker can log it and go on."""
    with pytest.raises(NotFound):
        worker.provision(PaperFleet())


# -- Release ----------------------------------------------------------------------------------------------------------


def test_a_release_asks_the_fleet_with_the_reason(worker: Worker, sessions: Sessions) -> None:
    """And the session is over when the task's exit says so, not before."""
    sessions.create(a_session())
    fleet = PaperFleet()
    worker.provision(fleet)
    sessions.advance("session-1", Event.EXPIRED, reason="timed_out")

    worker.release(fleet)

    assert fleet.stops == [("session-1", "paper/session-1", "timed_out")]
    assert sessions.get("session-1").state is State.TERMINATING


def test_a_release_without_a_task_is_the_end(worker: Worker, sessions: Sessions) -> None:
    """Nothing runs, so nothing will ever report an exit."""
    stored(sessions, state=State.TERMINATING)

    worker.release(PaperFleet())

    session = sessions.get("session-1")
    assert (session.state, session.ended_reason) == (State.STOPPED, "released")


def test_a_release_of_what_has_stopped_already_is_the_end(worker: Worker, sessions: Sessions) -> None:
    """Its exit was lost; the fleet still knows."""
    sessions.create(a_session())
    fleet = PaperFleet()
    worker.provision(fleet)
    sessions.advance("session-1", Event.RELEASED)
    fleet.ends("session-1", exit_code=0)

    worker.release(fleet)

    assert sessions.get("session-1").state is State.STOPPED


@pytest.mark.parametrize("state", [State.CREATING, State.PROVISIONING, State.READY, State.ACTIVE])
def test_nobody_asked_for_this_release(worker: Worker, sessions: Sessions, state: State) -> None:
    """A job that is wrong about its session ends no browser."""
    before = stored(sessions, state=state)
    fleet = PaperFleet()

    worker.release(fleet)

    assert fleet.stops == []
    assert sessions.get("session-1") == before


def test_a_release_may_be_repeated(worker: Worker, sessions: Sessions) -> None:
    """Before and after the end."""
    stored(sessions, state=State.TERMINATING)
    for _ in range(3):
        worker.release(PaperFleet())

    assert sessions.history("session-1")[-1].event == "EXITED"
    assert sum(entry.event == "EXITED" for entry in sessions.history("session-1")) == 1
