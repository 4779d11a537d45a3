"""Feeds that repeat, reorder and lose, and records that disagree with what runs: after each, the books balance."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from tests.eventually import eventually
from tests.integration.guests import Script, ScriptedFleet
from tests.platform import Platform
from wallcrawler.lifecycle import Event
from wallcrawler.messages import TaskChanged
from wallcrawler.ports import Add, Launch
from wallcrawler.schema import PROJECTS

pytestmark = pytest.mark.queue

Start = Callable[..., Platform]


def test_every_event_comes_three_times(start: Start, fleet: ScriptedFleet) -> None:
    """Duplicates change nothing, and the count is given back once."""
    fleet.twist = lambda event: [event] * 3
    platform = start()

    sessions = [platform.create() for _ in range(3)]
    for session in sessions:
        platform.release(session["id"])

    eventually(platform.settled)
    for session in sessions:
        events = platform.events(session["id"])
        assert len(events) == len(set(events))
        assert platform.retrieve(session["id"])["endedReason"] == "released"


def test_the_end_of_a_task_overtakes_its_beginning(start: Start, fleet: ScriptedFleet) -> None:
    """STOPPED first, RUNNING afterwards: what is over stays over, and nothing comes back to life."""
    held: list[TaskChanged] = []

    def reordered(event: TaskChanged) -> Sequence[TaskChanged]:
        if event.status == "RUNNING":
            held.append(event)
            return []
        return [event, *held]

    fleet.twist = reordered
    fleet.next = Script(up_after=None, dies_after=0.1, exit_code=9)
    platform = start()

    answer = platform.http.post("/v1/sessions", json={})

    assert answer.status_code == 502
    (session,) = platform.http.get("/v1/sessions").json()
    assert session["endedReason"] == "task_stopped:exit_9"
    assert platform.events(session["id"])[-1] == "EXITED"
    assert platform.settled()


def test_the_event_of_a_tasks_end_is_lost(start: Start, fleet: ScriptedFleet) -> None:
    """Sweep asks the fleet, which still knows how the task ended: the reason is the true one."""
    fleet.twist = lambda event: [] if event.status == "STOPPED" else [event]
    fleet.next = Script(dies_after=0.3, exit_code=3)
    platform = start()

    session = platform.create()

    eventually(lambda: platform.ended(session["id"]), within=14)
    assert platform.retrieve(session["id"])["endedReason"] == "task_stopped:exit_3"
    eventually(platform.settled)


def test_a_task_vanishes_without_a_word(platform: Platform, fleet: ScriptedFleet) -> None:
    """The machine that ran it is gone, and the fleet has never heard of it."""
    session = platform.create()

    fleet.forget(session["id"])

    eventually(lambda: platform.ended(session["id"]), within=14)
    assert platform.retrieve(session["id"])["endedReason"] == "task_stopped:vanished"
    eventually(platform.settled)


def test_a_task_that_no_row_owns_is_stopped(platform: Platform, fleet: ScriptedFleet) -> None:
    """Whoever started it, nothing runs that no record owns."""
    fleet.next = Script(up_after=None)
    fleet.run(Launch("nobodys-session", guest_token="none"))
    assert fleet.tasks()

    # Its guest is refused by the API, so that it only waits for its end.
    eventually(lambda: not fleet.tasks(), within=14)


def test_counts_that_are_wrong_are_put_right(platform: Platform) -> None:
    """In both directions, without a restart and without touching what runs."""
    session = platform.create()
    for wrong in (7, -1):
        platform.ports.tables.write(Add(PROJECTS, platform.project_id, {"active": wrong}))
        assert platform.counted() != 1
        eventually(lambda: platform.counted() == 1, within=14)
    assert platform.retrieve(session["id"])["status"] == "RUNNING"


def test_an_overdue_session_is_ended_where_its_guest_does_not(start: Start) -> None:
    """The scripted guest has no timers: sweep is the guarantee."""
    platform = start(max_session_timeout=1)

    session = platform.create(keepAlive=True)

    eventually(lambda: platform.ended(session["id"]), within=10)
    ended = platform.retrieve(session["id"])
    assert (ended["status"], ended["endedReason"]) == ("TIMED_OUT", "timed_out")
    eventually(platform.settled)


def test_a_release_whose_job_is_lost_is_asked_for_again(platform: Platform) -> None:
    """Desired state: the row says what must be, until the fleet confirms it."""
    session = platform.create()

    platform.ports.sessions.advance(session["id"], Event.RELEASED)

    eventually(lambda: platform.ended(session["id"]), within=10)
    eventually(platform.settled)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_every_session_settles(start: Start, fleet: ScriptedFleet, seed: int) -> None:
    """Tasks that die, hang and refuse, under a feed that repeats, loses and reorders: every caller is answered in time,
    and afterwards nothing runs, nothing is counted, and every session has exactly one ending."""
    dice = random.Random(seed)
    held: list[TaskChanged] = []

    def twist(event: TaskChanged) -> Sequence[TaskChanged]:
        released, held[:] = list(held), []
        match dice.randrange(4):
            case 0:
                return released
            case 1:
                held.append(event)
                return released
            case 2:
                return [event, *released, event]
            case _:
                return [*released, event]

    fleet.twist = twist
    platform = start(create_deadline=6.0, connect_within=1.0, concurrency=40)
    scripts = [
        Script(),
        Script(up_after=0.3),
        Script(up_after=None),
        Script(up_after=None, dies_after=0.1),
        Script(dies_after=0.2, exit_code=137, out_of_memory=True),
        Script(refused="no capacity"),
        Script(dies_in_run=True),
    ]

    answers = []
    for _ in range(4):
        fleet.next = dice.choice(scripts)
        answers += platform.create_many(3)
    for session in platform.http.get("/v1/sessions").json():
        if dice.random() < 0.5:
            platform.release(session["id"])

    assert {answer.status_code for answer in answers} <= {201, 502, 504}
    assert all(answer.elapsed.total_seconds() < 7.5 for answer in answers)
    eventually(platform.settled, within=20)
    for session in platform.http.get("/v1/sessions").json():
        endings = [
            entry for entry in platform.history(session["id"]) if entry["to"] in {"STOPPED", "FAILED", "TIMED_OUT"}
        ]
        assert len(endings) == 1
        assert endings[0]["reason"] == session["endedReason"]
