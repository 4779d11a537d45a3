"""The guarantee behind every event: each kind of repair, and everything that is none."""

from __future__ import annotations

from collections import Counter

import pytest

from services.provisioner import tasks
from services.provisioner.sweep import EVENT_LOST_AFTER, JOB_LOST_AFTER, LAST_RITES, VANISHED_AFTER, Sweep
from tests.characters import HandClock, JobList, LosesFirstEvent, NeverReadyFleet, PaperFleet
from tests.unit.records import ADDRESS, NOW, a_session, stored
from wallcrawler.catalog import Catalog
from wallcrawler.lifecycle import Event, State
from wallcrawler.links import Links
from wallcrawler.ports import Launch, Task
from wallcrawler.session import SLACK
from wallcrawler.sessions import Sessions

pytestmark = pytest.mark.usefixtures("project")

NOTHING: Counter[str] = Counter()


@pytest.fixture
def jobs() -> JobList:
    return JobList()


@pytest.fixture
def fleet() -> PaperFleet:
    return PaperFleet()


@pytest.fixture
def sweep(sessions: Sessions, catalog: Catalog, fleet: PaperFleet, jobs: JobList, clock: HandClock) -> Sweep:
    return Sweep(sessions, catalog, fleet, jobs, clock)


def run(fleet: PaperFleet, session_id: str = "session-1") -> Task:
    """A task of this session runs."""
    return fleet.run(Launch(session_id, guest_token="token"))


# -- What needs no repair ---------------------------------------------------------------------------------------------


def test_an_empty_house_needs_nothing(sweep: Sweep, fleet: PaperFleet, jobs: JobList) -> None:
    """Neither jobs nor stops."""
    assert sweep.run() == NOTHING
    assert (jobs.asked, fleet.stops) == ([], [])


@pytest.mark.parametrize("state", [State.PROVISIONING, State.READY, State.ACTIVE])
def test_a_session_with_its_task_needs_nothing(
    sweep: Sweep, sessions: Sessions, fleet: PaperFleet, jobs: JobList, state: State
) -> None:
    """Row and task agree, and there is time."""
    before = stored(sessions, state=state)
    run(fleet)
    if state is State.PROVISIONING:
        before = sessions.advance("session-1", Event.LOCATED, address=ADDRESS)

    assert sweep.run() == NOTHING

    assert sessions.get("session-1") == before
    assert (jobs.asked, fleet.stops) == ([], [])


def test_a_new_session_is_given_time_for_its_job(
    sweep: Sweep, sessions: Sessions, clock: HandClock, jobs: JobList
) -> None:
    """Its job may be on its way."""
    stored(sessions)
    clock.forward(JOB_LOST_AFTER)

    assert sweep.run() == NOTHING
    assert jobs.asked == []


def test_a_leaving_session_is_given_time_to_put_things_away(
    sweep: Sweep, sessions: Sessions, fleet: PaperFleet, clock: HandClock, jobs: JobList
) -> None:
    """While its task runs, and not for longer than it needs."""
    stored(sessions, state=State.TERMINATING)
    run(fleet)
    clock.forward(LAST_RITES - 0.1)

    assert sweep.run() == NOTHING
    assert jobs.asked == []


def test_a_task_of_a_session_that_has_just_ended_is_given_time(
    sweep: Sweep, sessions: Sessions, fleet: PaperFleet, clock: HandClock
) -> None:
    """The guest said goodbye; its process is still closing."""
    stored(sessions, state=State.READY)
    run(fleet)
    sessions.advance("session-1", Event.DRAINED)
    clock.forward(LAST_RITES - 0.1)

    assert sweep.run() == NOTHING
    assert fleet.stops == []


class BornMeanwhile(PaperFleet):
    """A fleet whose list already has the task of a session that was created after the rows were read."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__()
        self._sessions = sessions

    def tasks(self) -> list[Task]:
        stored(self._sessions)
        run(self)
        return super().tasks()


def test_a_task_that_is_younger_than_the_rows_is_no_stray(
    sessions: Sessions, catalog: Catalog, jobs: JobList, clock: HandClock
) -> None:
    """Its session was created between the two looks."""
    fleet = BornMeanwhile(sessions)

    repaired = Sweep(sessions, catalog, fleet, jobs, clock).run()

    assert repaired == NOTHING
    assert fleet.stops == []


# -- Overdue ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "seconds", "reason"),
    [
        (State.CREATING, 45, "create_deadline"),
        (State.PROVISIONING, 45, "create_deadline"),
        (State.READY, 300 + SLACK, "never_connected"),
        (State.ACTIVE, 3600 + SLACK, "timed_out"),
    ],
)
def test_a_deadline_that_has_passed_ends_the_session(
    sweep: Sweep,
    sessions: Sessions,
    fleet: PaperFleet,
    jobs: JobList,
    clock: HandClock,
    state: State,
    seconds: float,
    reason: str,
) -> None:
    """In every state, with its reason, and the task is asked for; just before, nothing happens."""
    stored(sessions, state=state)
    if state is not State.CREATING:
        run(fleet)
    if state is State.PROVISIONING:
        sessions.advance("session-1", Event.LOCATED, address=ADDRESS)
    clock.forward(seconds - 0.01)
    assert sweep.run()["overdue"] == 0
    jobs.asked.clear()
    clock.forward(0.01)

    assert sweep.run() == Counter(overdue=1)

    session = sessions.get("session-1")
    assert (session.state, session.ended_reason) == (State.TERMINATING, reason)
    assert jobs.asked == [("release", "session-1")]
    assert sessions.history("session-1")[-1].detail == "found by sweep"


@pytest.mark.parametrize(("keep_alive", "repaired"), [(False, Counter(overdue=1)), (True, NOTHING)])
def test_a_session_that_everybody_left_ends_unless_it_is_kept_alive(
    sweep: Sweep, sessions: Sessions, fleet: PaperFleet, clock: HandClock, keep_alive: bool, repaired: Counter[str]
) -> None:
    """When the guest's own timer did not."""
    stored(sessions, state=State.ACTIVE, keep_alive=keep_alive)
    run(fleet)
    sessions.advance("session-1", Event.DETACHED)
    clock.forward(1 + SLACK)

    assert sweep.run() == repaired
    assert sessions.get("session-1").ended_reason == (None if keep_alive else "disconnected")


# -- Rows without tasks, tasks without rows ---------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.PROVISIONING, State.READY, State.ACTIVE])
def test_a_task_that_vanished_is_the_sessions_end(
    sweep: Sweep, sessions: Sessions, fleet: PaperFleet, catalog: Catalog, clock: HandClock, state: State
) -> None:
    """Nobody will ever report its exit, and its place is free again; but a list that lags behind kills no newborn."""
    stored(sessions, state=state)
    run(fleet)
    fleet.forgets("session-1")
    assert sweep.run() == NOTHING
    clock.forward(VANISHED_AFTER + 0.1)

    assert sweep.run() == Counter(vanished=1)

    session = sessions.get("session-1")
    assert (session.state, session.ended_reason) == (State.FAILED, "task_stopped:vanished")
    assert catalog.project("project-1").active == 0


class ListsLate(PaperFleet):
    """A fleet whose list is behind: it knows a task that it does not list yet."""

    def tasks(self) -> list[Task]:
        return []


def test_a_task_that_is_only_missing_from_the_list_has_not_vanished(
    sessions: Sessions, catalog: Catalog, jobs: JobList, clock: HandClock
) -> None:
    """The fleet is asked for this one before its session is given up."""
    before = stored(sessions, state=State.ACTIVE)
    fleet = ListsLate()
    run(fleet)

    assert Sweep(sessions, catalog, fleet, jobs, clock).run() == NOTHING
    assert sessions.get("session-1") == before


def test_an_exit_whose_event_is_still_on_its_way_keeps_its_own_reason(
    sweep: Sweep, sessions: Sessions, fleet: PaperFleet
) -> None:
    """The fleet lists only what runs, and yet knows why this one stopped: no sweep is faster than the truth."""
    stored(sessions, state=State.ACTIVE)
    run(fleet)
    fleet.ends("session-1", exit_code=137, out_of_memory=True)

    sweep.run()
    for delivery in fleet.events().receive(0):
        tasks.task_changed(delivery.body, sessions=sessions, fleet=fleet)

    assert sessions.get("session-1").ended_reason == "out_of_memory"


def test_a_job_that_was_lost_is_given_again(sweep: Sweep, sessions: Sessions, clock: HandClock, jobs: JobList) -> None:
    """To a session that nobody has begun with."""
    stored(sessions)
    clock.forward(JOB_LOST_AFTER + 0.1)

    assert sweep.run() == Counter(job_lost=1)
    assert jobs.asked == [("provision", "session-1")]


def test_a_task_that_nobody_owns_is_stopped(sweep: Sweep, fleet: PaperFleet) -> None:
    """By name; it is of no session that there ever was."""
    task = run(fleet, "nobody")

    assert sweep.run() == Counter(stray=1)
    assert fleet.stops == [("nobody", task.id, "no session owns this task")]


def test_a_task_that_outlives_its_session_is_stopped(
    sweep: Sweep, sessions: Sessions, fleet: PaperFleet, clock: HandClock
) -> None:
    """Once its last rites are over."""
    stored(sessions, state=State.READY)
    run(fleet)
    sessions.advance("session-1", Event.CRASHED)
    clock.forward(LAST_RITES)

    assert sweep.run() == Counter(stray=1)
    assert [session_id for session_id, _, _ in fleet.stops] == ["session-1"]


def test_a_release_that_was_lost_is_asked_for_again(
    sweep: Sweep, sessions: Sessions, fleet: PaperFleet, clock: HandClock, jobs: JobList
) -> None:
    """A task that runs on although its session is leaving, for longer than it needs."""
    stored(sessions, state=State.TERMINATING)
    run(fleet)
    clock.forward(LAST_RITES)

    assert sweep.run() == Counter(unreleased=1)
    assert jobs.asked == [("release", "session-1")]


def test_a_leaving_session_without_a_task_is_released_again(
    sweep: Sweep, sessions: Sessions, clock: HandClock, jobs: JobList
) -> None:
    """Its own release is given time first."""
    stored(sessions, state=State.TERMINATING)
    assert sweep.run() == NOTHING
    clock.forward(LAST_RITES)

    assert sweep.run() == Counter(unreleased=1)
    assert jobs.asked == [("release", "session-1")]


def test_an_address_whose_event_was_lost_is_learnt(
    sessions: Sessions, catalog: Catalog, jobs: JobList, clock: HandClock, links: Links
) -> None:
    """The fleet's word is lost with the process that took it; after a while the session gets ready all the same."""
    sessions.create(a_session())
    fleet = NeverReadyFleet()
    tasks.provision("session-1", sessions=sessions, fleet=fleet, links=links)
    fleet.feed.receive(0)
    fleet.locates("session-1", ADDRESS)
    for delivery in LosesFirstEvent(fleet.events()).receive(0):
        tasks.task_changed(delivery.body, sessions=sessions, fleet=fleet)
    sessions.advance("session-1", Event.BROWSER_UP, browser_up_at=NOW)
    sweep = Sweep(sessions, catalog, fleet, jobs, clock)
    clock.forward(EVENT_LOST_AFTER)
    assert (sweep.run(), sessions.get("session-1").address) == (NOTHING, None)
    clock.forward(0.1)

    assert sweep.run() == Counter(unlocated=1)

    assert (sessions.get("session-1").state, sessions.get("session-1").address) == (State.READY, ADDRESS)


# -- All at once ------------------------------------------------------------------------------------------------------


def test_one_sweep_repairs_everything(
    sweep: Sweep, sessions: Sessions, fleet: PaperFleet, clock: HandClock, jobs: JobList
) -> None:
    """Each session by itself, and says how many of which kind."""
    stored(sessions, "overdue", create_by=NOW + 1)
    stored(sessions, "lost")
    stored(sessions, "vanished", state=State.READY)
    run(fleet, "stray")
    clock.forward(VANISHED_AFTER + 1)

    assert sweep.run() == Counter(overdue=1, job_lost=1, vanished=1, stray=1)
    assert sorted(jobs.asked) == [("provision", "lost"), ("release", "overdue")]
