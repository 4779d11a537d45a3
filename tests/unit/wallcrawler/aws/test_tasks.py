"""ECS's words for a task, and what the fleet makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from services.provisioner.tasks import diagnosis
from tests.unit.wallcrawler.aws.tellings import ENI, TASK, a_task, ended
from wallcrawler.aws.tasks import family_of, interface_of, name_of, session_of, status_of, task_of
from wallcrawler.ports import Task, TaskStatus


def told(**fields: Any) -> Task:
    task = task_of(a_task(**fields), container="browser", address=None)
    assert task is not None
    return task


def test_a_running_task_is_that_task() -> None:
    """Nothing is said of an end that has not come."""
    task = task_of(a_task(), container="browser", address="10.0.0.12:9223")

    assert task == Task(TASK, "s-1", TaskStatus.RUNNING, version=3, address="10.0.0.12:9223")


# -- Whose it is ------------------------------------------------------------------------------------------------------

OVERRIDES = a_task()["overrides"]


@pytest.mark.parametrize(
    ("fields", "session"),
    [
        ({"startedBy": "s-1", "overrides": {}}, "s-1"),
        ({"startedBy": None, "overrides": OVERRIDES}, "s-1"),
        # Who starts a task by a rule or a service is named with a slash.
        ({"startedBy": "ecs-svc/7371138164938424141", "overrides": OVERRIDES}, "s-1"),
        ({"startedBy": "ecs-svc/7371138164938424141", "overrides": {}}, None),
        ({"startedBy": None, "overrides": {"containerOverrides": [{"name": "browser"}]}}, None),
        ({"startedBy": "", "overrides": {}}, None),
    ],
)
def test_a_task_belongs_to_the_session_that_it_was_started_for(fields: dict[str, Any], session: str | None) -> None:
    """One that somebody else started is none of ours, and must never be stopped as a stray."""
    assert session_of(a_task(**fields)) == session
    assert (task_of(a_task(**fields), container="browser", address=None) is None) == (session is None)


# -- How it is --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "container", "status"),
    [
        ("PROVISIONING", "PENDING", TaskStatus.PENDING),
        ("PENDING", "PENDING", TaskStatus.PENDING),
        ("ACTIVATING", "PENDING", TaskStatus.PENDING),
        ("RUNNING", "RUNNING", TaskStatus.RUNNING),
        ("DEACTIVATING", "RUNNING", TaskStatus.RUNNING),
        ("STOPPING", "RUNNING", TaskStatus.RUNNING),
        # Nothing of it runs any more; that Fargate takes its network away concerns nobody who waits.
        ("STOPPING", "STOPPED", TaskStatus.STOPPED),
        ("DEPROVISIONING", "STOPPED", TaskStatus.STOPPED),
        ("STOPPED", "STOPPED", TaskStatus.STOPPED),
        ("STOPPED", "PENDING", TaskStatus.STOPPED),
        ("DELETED", "STOPPED", TaskStatus.STOPPED),
        ("A STATE OF LATER YEARS", "RUNNING", TaskStatus.RUNNING),
    ],
)
def test_a_status_is_one_of_three(last: str, container: str, status: TaskStatus) -> None:
    """Whatever ECS calls it."""
    assert status_of({"lastStatus": last, "containers": [{"lastStatus": container}]}) is status


def test_a_task_runs_while_one_of_its_containers_does() -> None:
    """A sidecar that came and went is not the end."""
    assert (
        status_of({"lastStatus": "RUNNING", "containers": [{"lastStatus": "STOPPED"}, {"lastStatus": "RUNNING"}]})
        is TaskStatus.RUNNING
    )
    assert status_of({"lastStatus": "PROVISIONING", "containers": []}) is TaskStatus.PENDING


# -- Why it ended -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code", "exit_code"),
    [
        (ended(exitCode=0), "exit_0", 0),
        (ended(exitCode=1), "exit_1", 1),
        (ended(exitCode=137), "SIGKILL", -9),
        (ended(exitCode=139), "SIGSEGV", -11),
        (ended(exitCode=255), "exit_255", 255),
        (ended(), "EssentialContainerExited", None),
        (ended(exitCode=0) | {"stopCode": "UserInitiated"}, "UserInitiated", 0),
        (ended(exitCode=137) | {"stopCode": "UserInitiated"}, "SIGKILL", -9),
        (ended(exitCode=143) | {"stopCode": "SpotInterruption"}, "SpotInterruption", -15),
        (ended(exitCode=2) | {"stopCode": "TerminationNotice"}, "TerminationNotice", 2),
        (
            ended() | {"stopCode": "TaskFailedToStart", "stoppedReason": "Task failed to start"},
            "TaskFailedToStart",
            None,
        ),
        (
            ended()
            | {"stopCode": "TaskFailedToStart", "stoppedReason": "CannotPullContainerError: inspect image has ..."},
            "CannotPullContainerError",
            None,
        ),
        (
            ended(reason="CannotStartContainerError: no such file")
            | {"stopCode": "TaskFailedToStart", "stoppedReason": "Task failed to start"},
            "CannotStartContainerError",
            None,
        ),
        (ended(exitCode=3) | {"stopCode": None}, "exit_3", 3),
        (ended() | {"stopCode": None}, None, None),
    ],
)
def test_an_end_has_a_short_word(fields: dict[str, Any], code: str | None, exit_code: int | None) -> None:
    """The one that tells most: the container's where it decided, ECS's where ECS did."""
    task = told(**fields)

    assert (task.status, task.stop_code, task.exit_code) == (TaskStatus.STOPPED, code, exit_code)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (ended(exitCode=1), "task_stopped:exit_1"),
        (ended(exitCode=137, reason="OutOfMemoryError: Container killed due to memory usage"), "out_of_memory"),
        (ended(exitCode=137) | {"stoppedReason": "OutOfMemoryError: container killed"}, "out_of_memory"),
        (ended() | {"stopCode": None}, "task_stopped:unknown"),
        (ended() | {"stopCode": "TaskFailedToStart", "stoppedReason": "ResourceInitializationError: unable to pull"},
         "task_stopped:ResourceInitializationError"),
    ],
)  # fmt: skip
def test_an_end_becomes_the_reason_of_its_session(fields: dict[str, Any], reason: str) -> None:
    """In the provisioner's words."""
    assert diagnosis(told(**fields))[0] == reason


def test_the_sentence_is_all_that_ecs_says_and_each_thing_once() -> None:
    """The task's reason alone seldom says what happened."""
    both = told(**ended(reason="OutOfMemoryError: Container killed due to memory usage"))
    twice = told(**ended(reason="CannotStartContainerError: x") | {"stoppedReason": "CannotStartContainerError: x"})
    nothing = told(**ended() | {"stoppedReason": ""})

    assert both.stopped_reason == (
        "Essential container in task exited; OutOfMemoryError: Container killed due to memory usage"
    )
    assert twice.stopped_reason == "CannotStartContainerError: x"
    assert nothing.stopped_reason is None


def test_the_guests_status_counts_and_not_a_sidecars() -> None:
    """Whatever order they are told in; another's is better than none."""
    sidecar = {"name": "logs", "lastStatus": "STOPPED", "exitCode": 5}
    guest = {"name": "browser", "lastStatus": "STOPPED", "exitCode": 0}
    mute = {"name": "browser", "lastStatus": "STOPPED", "exitCode": None}

    assert told(**ended() | {"containers": [sidecar, guest]}).exit_code == 0
    assert told(**ended() | {"containers": [guest, sidecar]}).exit_code == 0
    assert told(**ended() | {"containers": [mute, sidecar]}).exit_code == 5


# -- Where it is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["eni", "ElasticNetworkInterface"])
def test_the_interface_is_found_under_both_its_names(kind: str) -> None:
    """Events and DescribeTasks call it differently."""
    assert interface_of(a_task(kind=kind)) == (ENI, "10.0.0.12")


def test_an_interface_that_is_not_there_yet_is_none() -> None:
    """Before it is attached, and for tasks that have other attachments only."""
    assert interface_of(a_task(attachments=[])) == (None, None)
    assert interface_of({}) == (None, None)
    assert interface_of(a_task(attachments=[{"type": "Service Connect", "details": []}])) == (None, None)
    assert interface_of(a_task(attachments=[{"type": "eni", "details": [{"name": "subnetId", "value": "s"}]}])) == (
        None,
        None,
    )


# -- Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "definition",
    [
        "wallcrawler-browser",
        "wallcrawler-browser:7",
        "arn:aws:ecs:us-west-2:111122223333:task-definition/wallcrawler-browser:7",
        "arn:aws:ecs:us-west-2:111122223333:task-definition/wallcrawler-browser",
    ],
)
def test_a_family_is_found_in_whatever_an_operator_sets(definition: str) -> None:
    """ListTasks wants the family alone."""
    assert family_of(definition) == "wallcrawler-browser"


def test_a_name_is_the_end_of_an_arn() -> None:
    """Or a name."""
    assert name_of("arn:aws:ecs:us-west-2:111122223333:cluster/browsers") == name_of("browsers") == "browsers"
