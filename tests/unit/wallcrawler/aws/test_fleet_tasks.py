"""What EcsFleet does with tasks that were started: stop them, list them, and read what is told of them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import ANY
from structlog.testing import capture_logs

from tests.characters.sources import Feed
from tests.unit.wallcrawler.aws.fleets import CLUSTER, FAMILY, Script, body_of, fleet_of
from tests.unit.wallcrawler.aws.tellings import ENI, TASK, a_task, ended
from wallcrawler.aws.clients import Clients
from wallcrawler.aws.errors import Refused
from wallcrawler.ports import TaskStatus

# -- stop -------------------------------------------------------------------------------------------------------------


def test_a_task_is_stopped_by_its_arn(aws: Clients, stubbed: Script) -> None:
    """With as much of the reason as ECS keeps."""
    stubbed(aws.ecs).add_response(
        "stop_task",
        {"task": a_task(desiredStatus="STOPPED")},
        {"cluster": CLUSTER, "task": TASK, "reason": "r" * 255},
    )

    task = fleet_of(aws).stop("s-1", task=TASK, reason="r" * 900)

    assert task is not None
    assert (task.id, task.status) == (TASK, TaskStatus.RUNNING)


def test_a_task_is_stopped_by_its_session(aws: Clients, stubbed: Script) -> None:
    """Where nobody wrote its ARN down."""
    script = stubbed(aws.ecs)
    script.add_response(
        "list_tasks", {"taskArns": [TASK]}, {"cluster": CLUSTER, "startedBy": "s-1", "desiredStatus": "RUNNING"}
    )
    script.add_response(
        "stop_task", {"task": a_task(desiredStatus="STOPPED")}, {"cluster": CLUSTER, "task": TASK, "reason": ANY}
    )

    task = fleet_of(aws).stop("s-1", task=None, reason="released")

    assert task is not None
    assert task.id == TASK


def test_a_task_that_has_stopped_says_how(aws: Clients, stubbed: Script) -> None:
    """Stopping it again is how one learns that."""
    stopped = a_task(**ended(exitCode=137, reason="OutOfMemoryError: Container killed due to memory usage"))
    stubbed(aws.ecs).add_response("stop_task", {"task": stopped})

    task = fleet_of(aws).stop("s-1", task=TASK, reason="its task vanished")

    assert task is not None
    assert (task.status, task.exit_code, task.out_of_memory) == (TaskStatus.STOPPED, -9, True)


def test_a_session_without_a_task_has_none_to_stop(aws: Clients, stubbed: Script) -> None:
    """Neither one that is to run nor one that is to stop."""
    script = stubbed(aws.ecs)
    script.add_response("list_tasks", {"taskArns": []})
    script.add_response("list_tasks", {"taskArns": []})

    assert fleet_of(aws).stop("s-1", task=None, reason="released") is None


@pytest.mark.parametrize(
    "message",
    ["The referenced task was not found.", "taskId length should be one of [32,36]", "Invalid task identifier"],
)
def test_a_task_that_ecs_does_not_know_is_none(aws: Clients, stubbed: Script, message: str) -> None:
    """It stopped an hour ago or never was."""
    stubbed(aws.ecs).add_client_error("stop_task", "InvalidParameterException", message)

    assert fleet_of(aws).stop("s-1", task=TASK, reason="released") is None


@pytest.mark.parametrize("code", ["AccessDeniedException", "ClusterNotFoundException", "InvalidParameterException"])
def test_a_stop_that_is_refused_is_no_stop(aws: Clients, stubbed: Script, code: str) -> None:
    """The task runs on, and nobody may believe otherwise."""
    stubbed(aws.ecs).add_client_error("stop_task", code)

    with pytest.raises(Refused):
        fleet_of(aws).stop("s-1", task=TASK, reason="released")


# -- tasks ------------------------------------------------------------------------------------------------------------


def test_tasks_are_listed_in_pages_and_described_in_hundreds(aws: Clients, stubbed: Script) -> None:
    """All of the family that are to run, whatever its revision; not those of nobody, nor those that have ended."""
    arns = [f"{TASK[:-3]}{number:03}" for number in range(150)]
    script = stubbed(aws.ecs)
    listing = {"cluster": CLUSTER, "family": FAMILY, "desiredStatus": "RUNNING"}
    script.add_response("list_tasks", {"taskArns": arns[:100], "nextToken": "more"}, listing)
    script.add_response("list_tasks", {"taskArns": arns[100:]}, listing | {"nextToken": "more"})
    first = [a_task(taskArn=arn, startedBy=f"s-{arn[-3:]}") for arn in arns[:100]]
    script.add_response("describe_tasks", {"tasks": first}, {"cluster": CLUSTER, "tasks": arns[:100]})
    rest: list[dict[str, Any]] = [
        a_task(taskArn=arns[100], startedBy="s-100"),
        a_task(taskArn=arns[101], startedBy="ecs-svc/1", overrides={}),
        a_task(taskArn=arns[102], startedBy="s-102", **ended(exitCode=0)),
    ]
    missing = [{"arn": arn, "reason": "MISSING"} for arn in arns[103:]]
    script.add_response(
        "describe_tasks", {"tasks": rest, "failures": missing}, {"cluster": CLUSTER, "tasks": arns[100:]}
    )

    tasks = fleet_of(aws, task_definition=f"{FAMILY}:7").tasks()

    assert [task.session_id for task in tasks] == [f"s-{number:03}" for number in range(101)]
    assert tasks[0].address == "10.0.0.12:9223"


def test_an_empty_fleet_describes_nothing(aws: Clients, stubbed: Script) -> None:
    """ECS refuses to describe no tasks."""
    stubbed(aws.ecs).add_response("list_tasks", {"taskArns": []})

    assert fleet_of(aws).tasks() == []


def test_the_addresses_of_all_are_asked_for_together(aws: Clients, stubbed: Script) -> None:
    """Public ones, in one call."""
    script = stubbed(aws.ecs)
    script.add_response("list_tasks", {"taskArns": [TASK]})
    script.add_response("describe_tasks", {"tasks": [a_task(), a_task(startedBy="s-2")]})
    stubbed(aws.ec2).add_response(
        "describe_network_interfaces",
        {"NetworkInterfaces": [{"NetworkInterfaceId": ENI, "Association": {"PublicIp": "203.0.113.7"}}]},
    )

    tasks = fleet_of(aws, use_public_address=True).tasks()

    assert [task.address for task in tasks] == ["203.0.113.7:9223"] * 2


# -- read -------------------------------------------------------------------------------------------------------------


def test_an_event_is_read_without_a_call(aws: Clients, stubbed: Script) -> None:
    """A private address is in it, and so is everything else."""
    stubbed(aws.ecs)
    stubbed(aws.ec2)

    task = fleet_of(aws, guest_port=9000).read(body_of())

    assert task is not None
    assert (task.id, task.session_id, task.status, task.version) == (TASK, "s-1", TaskStatus.RUNNING, 3)
    assert task.address == "10.0.0.12:9000"


def test_a_public_address_is_looked_up_by_the_events_interface(aws: Clients, stubbed: Script) -> None:
    """Without asking ECS first, and as soon as the interface is there: the container may not even have begun."""
    stubbed(aws.ecs)
    stubbed(aws.ec2).add_response(
        "describe_network_interfaces",
        {"NetworkInterfaces": [{"NetworkInterfaceId": ENI, "Association": {"PublicIp": "203.0.113.7"}}]},
        {"Filters": [{"Name": "network-interface-id", "Values": [ENI]}]},
    )

    task = fleet_of(aws, use_public_address=True).read(body_of(lastStatus="PENDING"))

    assert task is not None
    assert (task.status, task.address) == (TaskStatus.PENDING, "203.0.113.7:9223")


def test_ecs_is_asked_only_where_a_running_task_did_not_say(aws: Clients, stubbed: Script) -> None:
    """One that has not begun will tell with its next event."""
    stubbed(aws.ecs).add_response("describe_tasks", {"tasks": [a_task()]}, {"cluster": CLUSTER, "tasks": [TASK]})
    fleet = fleet_of(aws)

    running = fleet.read(body_of(attachments=[]))
    pending = fleet.read(body_of(attachments=[], lastStatus="PROVISIONING"))

    assert running is not None
    assert running.address == "10.0.0.12:9223"
    assert pending is not None
    assert pending.address is None


def test_a_running_task_without_an_address_is_told_to_the_operator(aws: Clients, stubbed: Script) -> None:
    """Subnets that give no public addresses, where those are to be used: no browser will ever be reached."""
    stubbed(aws.ecs).add_response("describe_tasks", {"tasks": [a_task()]})
    script = stubbed(aws.ec2)
    for _ in range(2):
        script.add_response("describe_network_interfaces", {"NetworkInterfaces": [{"NetworkInterfaceId": ENI}]})

    with capture_logs() as lines:
        task = fleet_of(aws, use_public_address=True).read(body_of())

    assert task is not None
    assert task.address is None
    assert [(line["event"], line["task"]) for line in lines] == [("fleet.without_address", TASK)]


def test_an_end_is_read_without_a_call(aws: Clients, stubbed: Script) -> None:
    """Its address is nobody's any more."""
    stubbed(aws.ecs)
    stubbed(aws.ec2)

    task = fleet_of(aws, use_public_address=True).read(body_of(**ended(exitCode=1)))

    assert task is not None
    assert (task.status, task.stop_code, task.address) == (TaskStatus.STOPPED, "exit_1", None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"v": 2} | body_of() | {"v": 2},
        {"v": 1, "startedBy": "s-1"},
        body_of() | {"attachments": [7]},
        body_of() | {"attachments": [{"type": "eni", "details": [{}]}]},
        body_of() | {"containers": "x"},
    ],
)
def test_a_body_that_is_no_event_is_a_value_error(aws: Clients, stubbed: Script, body: dict[str, Any]) -> None:
    """Of another version, or of another making."""
    stubbed(aws.ecs)

    with pytest.raises(ValueError, match="event"):
        fleet_of(aws).read(body)


def test_a_body_of_nobodys_task_is_none(aws: Clients, stubbed: Script) -> None:
    """An older process may have put it into the queue."""
    stubbed(aws.ecs)

    assert fleet_of(aws).read(body_of() | {"startedBy": None}) is None


# -- The rest ---------------------------------------------------------------------------------------------------------


def test_the_events_are_those_of_its_source(aws: Clients) -> None:
    """Nothing is between them."""
    source = Feed(body_of())

    (delivery,) = fleet_of(aws, source=source).events().receive(0)

    assert delivery.body == body_of()


def test_browsers_outlive_the_process_that_started_them(aws: Clients, stubbed: Script) -> None:
    """A provisioner that is replaced stops nobody's session."""
    stubbed(aws.ecs)

    fleet_of(aws).close()
