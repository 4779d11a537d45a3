"""What the fleet says of a task, brought into its session's record: late, twice, and in any order."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import pytest

from services.provisioner import tasks
from tests.characters import NeverReadyFleet, PaperFleet, RepeatsAndReorders
from tests.unit.records import ADDRESS, a_session, stored
from wallcrawler.errors import TryLater
from wallcrawler.lifecycle import Reason, State
from wallcrawler.links import Links
from wallcrawler.messages import TaskChanged
from wallcrawler.ports import Fleet, Task, TaskStatus
from wallcrawler.session import Session
from wallcrawler.sessions import Sessions

pytestmark = pytest.mark.usefixtures("project")


def a_task(status: TaskStatus = TaskStatus.RUNNING, **fields: Any) -> Task:
    common: dict[str, Any] = {"id": "task-1", "session_id": "session-1", "status": status, "version": 1}
    return Task(**common | fields)


def changed(sessions: Sessions, task: Task, *, fleet: Fleet | None = None) -> Session | None:
    """What the provisioner makes of the fleet's word on this task."""
    return tasks.task_changed(TaskChanged.of(task).as_wire(), sessions=sessions, fleet=fleet or PaperFleet())


def test_an_address_is_learnt(sessions: Sessions) -> None:
    """With the task, should the record of its launch be late."""
    stored(sessions)

    session = changed(sessions, a_task(address="10.0.0.1:9223"))

    assert session is not None
    assert (session.state, session.task, session.address) == (State.PROVISIONING, "task-1", "10.0.0.1:9223")


@pytest.mark.parametrize("status", [TaskStatus.PENDING, TaskStatus.RUNNING])
def test_a_task_without_an_address_is_no_news(sessions: Sessions, status: TaskStatus) -> None:
    """RUNNING has not proved that Chrome answers."""
    before = stored(sessions, state=State.PROVISIONING)

    assert changed(sessions, a_task(status)) == before


def test_a_task_that_stopped_is_the_sessions_end(sessions: Sessions) -> None:
    """With what the fleet says of it."""
    stored(sessions, state=State.ACTIVE)

    session = changed(sessions, a_task(TaskStatus.STOPPED, stop_code="SIGKILL", stopped_reason="the host went away"))

    assert session is not None
    assert (session.state, session.ended_reason) == (State.FAILED, "task_stopped:SIGKILL")
    assert sessions.history("session-1")[-1].detail == "the host went away"


def test_the_exit_of_a_released_session_is_a_release(sessions: Sessions) -> None:
    """It was asked for: SIGTERM is not why it ended."""
    stored(sessions, state=State.TERMINATING)

    session = changed(sessions, a_task(TaskStatus.STOPPED, stop_code="SIGTERM"))

    assert session is not None
    assert (session.state, session.ended_reason) == (State.STOPPED, "released")


def test_an_event_of_nobody_is_no_error(sessions: Sessions) -> None:
    """It would else be retried for ever; sweep stops such a task."""
    assert changed(sessions, a_task(address=ADDRESS)) is None
    assert changed(sessions, a_task(TaskStatus.STOPPED)) is None
    assert changed(sessions, a_task()) is None


class OthersFleet(PaperFleet):
    """A fleet that shares its feed with others, and knows its own tasks from theirs."""

    def read(self, body: Mapping[str, Any]) -> Task | None:
        return None


def test_an_event_of_another_fleet_is_nobodys_business(sessions: Sessions) -> None:
    """A session is not ended by what is said of a stranger's task."""
    before = stored(sessions, state=State.ACTIVE)

    assert changed(sessions, a_task(TaskStatus.STOPPED), fleet=OthersFleet()) is None
    assert sessions.get("session-1") == before


class LooksUpLater(PaperFleet):
    """A fleet that has to look an address up, and can't just now."""

    def read(self, body: Mapping[str, Any]) -> Task | None:
        raise TryLater("the network interface can't be described", after=1)


def test_an_event_that_can_not_be_read_yet_comes_again(sessions: Sessions) -> None:
    """And nothing is made of it meanwhile."""
    before = stored(sessions, state=State.PROVISIONING)

    with pytest.raises(TryLater):
        changed(sessions, a_task(address=ADDRESS), fleet=LooksUpLater())

    assert sessions.get("session-1") == before


EVENTS = [
    a_task(TaskStatus.PENDING),
    a_task(address=ADDRESS, version=2),
    a_task(address=ADDRESS, version=3),
    a_task(TaskStatus.STOPPED, address=ADDRESS, version=4, stop_code="exit_0"),
]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_events_does_not_matter(sessions: Sessions, order: tuple[int, ...]) -> None:
    """Whatever comes last, a session whose task has stopped is over, for that reason."""
    stored(sessions)

    for index in [*order, *order]:
        changed(sessions, EVENTS[index])

    session = sessions.get("session-1")
    assert (session.state, session.ended_reason) == (State.FAILED, "task_stopped:exit_0")


def test_a_feed_that_repeats_and_reorders_makes_no_difference(sessions: Sessions, links: Links) -> None:
    """The fleet's own events, said twice and backwards, end where they should."""
    sessions.create(a_session())
    fleet = NeverReadyFleet()
    tasks.provision("session-1", sessions=sessions, fleet=fleet, links=links)
    fleet.locates("session-1", ADDRESS)
    fleet.ends("session-1", exit_code=137, out_of_memory=True)

    for delivery in RepeatsAndReorders(fleet.events()).receive(0):
        tasks.task_changed(delivery.body, sessions=sessions, fleet=fleet)

    assert sessions.get("session-1").ended_reason == "out_of_memory"


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({}, "task_stopped:unknown", None),
        ({"exit_code": 0}, "task_stopped:exit_0", None),
        ({"exit_code": 137}, "task_stopped:exit_137", None),
        ({"exit_code": -9, "stop_code": "SIGKILL"}, "task_stopped:SIGKILL", None),
        ({"stop_code": "SpotInterruption", "stopped_reason": "taken back"},
         "task_stopped:SpotInterruption", "taken back"),
        ({"stopped_reason": "who knows"}, "task_stopped:unknown", "who knows"),
        ({"out_of_memory": True}, "out_of_memory", None),
        ({"out_of_memory": True, "exit_code": 137, "stop_code": "EssentialContainerExited",
          "stopped_reason": "OutOfMemoryError: Container killed"},
         "out_of_memory", "OutOfMemoryError: Container killed"),
    ],
)  # fmt: skip
def test_diagnosis(fields: dict[str, Any], reason: str, detail: str | None) -> None:
    """The code where there is one, the exit status else; and always a reason of the list."""
    diagnosis = tasks.diagnosis(a_task(TaskStatus.STOPPED, **fields))

    assert diagnosis == (reason, detail)
    assert Reason.of(diagnosis[0]) in Reason
