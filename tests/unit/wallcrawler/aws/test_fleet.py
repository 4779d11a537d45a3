"""EcsFleet: what it asks of ECS, and what it makes of refusals, which a stand-in seldom gives."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import ANY, Stubber
from structlog.testing import capture_logs

from tests.characters.sources import Feed
from tests.unit.wallcrawler.aws.tellings import ENI, TASK, TOKEN, a_task, an_event, ended
from wallcrawler.aws.clients import Clients
from wallcrawler.aws.errors import Refused
from wallcrawler.aws.events import trimmed
from wallcrawler.aws.fleet import EcsFleet
from wallcrawler.errors import LaunchFailed, TryLater
from wallcrawler.ports import Launch, TaskStatus

Script = Callable[[Any], Stubber]

CLUSTER, FAMILY = "wallcrawler-browsers", "wallcrawler-browser"
LAUNCH = Launch("s-1", guest_token=TOKEN)


def fleet_of(aws: Clients, **settings: Any) -> EcsFleet:
    common: dict[str, Any] = {
        "cluster": CLUSTER,
        "task_definition": FAMILY,
        "container": "browser",
        "subnets": ["subnet-1", "subnet-2"],
        "security_groups": ["sg-1"],
        "environment": {"WALLCRAWLER_API_URL": "https://api.example.com"},
        "source": Feed(),
    }
    return EcsFleet(aws.ecs, aws.ec2, **common | settings)


def body_of(**fields: Any) -> dict[str, Any]:
    body = trimmed(an_event(**fields), cluster=CLUSTER, family=FAMILY)
    assert body is not None
    return body


# -- run --------------------------------------------------------------------------------------------------------------


def test_a_task_is_started_with_all_that_it_needs(aws: Clients, stubbed: Script) -> None:
    """A network, its session and its token, and a client token that makes a repetition the same start."""
    stubbed(aws.ecs).add_response(
        "run_task",
        {"tasks": [a_task(lastStatus="PROVISIONING", attachments=[], version=1)], "failures": []},
        {
            "cluster": CLUSTER,
            "taskDefinition": FAMILY,
            "count": 1,
            "launchType": "FARGATE",
            "clientToken": "s-1",
            "startedBy": "s-1",
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": ["subnet-1", "subnet-2"],
                    "securityGroups": ["sg-1"],
                    "assignPublicIp": "DISABLED",
                }
            },
            "overrides": {
                "containerOverrides": [
                    {
                        "name": "browser",
                        "environment": [
                            {"name": "WALLCRAWLER_API_URL", "value": "https://api.example.com"},
                            {"name": "WALLCRAWLER_SESSION_ID", "value": "s-1"},
                            {"name": "WALLCRAWLER_GUEST_TOKEN", "value": TOKEN},
                        ],
                    }
                ]
            },
            "tags": [{"key": "wallcrawler:session", "value": "s-1"}],
            "propagateTags": "TASK_DEFINITION",
            "enableECSManagedTags": True,
        },
    )

    task = fleet_of(aws).run(LAUNCH)

    assert (task.id, task.session_id, task.status, task.version, task.address) == (
        TASK,
        "s-1",
        TaskStatus.PENDING,
        1,
        None,
    )


def test_machines_and_public_addresses_are_settings(aws: Clients, stubbed: Script) -> None:
    """As the deployment has them."""
    asked: list[dict[str, Any]] = []
    stubbed(aws.ecs).add_response("run_task", {"tasks": [a_task()], "failures": []})
    aws.ecs.meta.events.register_last(
        "before-parameter-build.ecs.RunTask", lambda params, **_: asked.append(params), "look"
    )

    fleet_of(aws, launch_type="EC2", assign_public_ip=True).run(LAUNCH)
    aws.ecs.meta.events.unregister("before-parameter-build.ecs.RunTask", unique_id="look")

    assert asked[0]["launchType"] == "EC2"
    assert asked[0]["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "ENABLED"


def test_a_task_that_has_stopped_is_still_the_sessions_task(aws: Clients, stubbed: Script) -> None:
    """A late repetition starts no second browser: ECS answers with the first."""
    stubbed(aws.ecs).add_response("run_task", {"tasks": [a_task(**ended(exitCode=0))], "failures": []})

    assert fleet_of(aws).run(LAUNCH).status is TaskStatus.STOPPED


def test_a_start_that_was_made_with_other_settings_counts(aws: Clients, stubbed: Script) -> None:
    """In the middle of a deployment, two provisioners have two environments; the session gets one task."""
    script = stubbed(aws.ecs)
    script.add_client_error("run_task", "ConflictException", modeled_fields={"resourceIds": [TASK]})
    script.add_response("describe_tasks", {"tasks": [a_task()], "failures": []}, {"cluster": CLUSTER, "tasks": [TASK]})

    assert fleet_of(aws).run(LAUNCH).id == TASK


def test_a_conflict_that_does_not_say_with_what_is_looked_up(aws: Clients, stubbed: Script) -> None:
    """By the session's id."""
    script = stubbed(aws.ecs)
    script.add_client_error("run_task", "ConflictException")
    listing = {"cluster": CLUSTER, "startedBy": "s-1"}
    script.add_response("list_tasks", {"taskArns": []}, listing | {"desiredStatus": "RUNNING"})
    script.add_response("list_tasks", {"taskArns": [TASK]}, listing | {"desiredStatus": "STOPPED"})
    script.add_response("describe_tasks", {"tasks": [a_task(**ended(exitCode=0))], "failures": []})

    assert fleet_of(aws).run(LAUNCH).status is TaskStatus.STOPPED


def test_a_task_that_ecs_has_forgotten_is_a_launch_that_failed(aws: Clients, stubbed: Script) -> None:
    """Its client token still stands for it, and there will be no other."""
    stubbed(aws.ecs).add_response("run_task", {"tasks": [], "failures": []})

    with pytest.raises(LaunchFailed, match="forgotten"):
        fleet_of(aws).run(LAUNCH)


@pytest.mark.parametrize(
    "reason",
    [
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        "RESOURCE:MEMORY",
        "RESOURCE:ENI",
        "AGENT",
        "EMPTY CAPACITY PROVIDER",
        "You've reached the limit on the number of vCPUs you can run concurrently",
    ],
)
def test_a_fleet_without_room_is_to_be_tried_later(aws: Clients, stubbed: Script, reason: str) -> None:
    """A failure in an answer that looks like success is a failure; this one passes."""
    stubbed(aws.ecs).add_response("run_task", {"tasks": [], "failures": [{"arn": TASK, "reason": reason}]})

    with pytest.raises(TryLater, match="no room") as later:
        fleet_of(aws).run(LAUNCH)

    assert 1 < later.value.after < 10


@pytest.mark.parametrize("reason", ["ATTRIBUTE", "LOCATION", "MISSING", None])
def test_a_failure_that_stands_is_a_launch_that_failed(aws: Clients, stubbed: Script, reason: str | None) -> None:
    """With the reason that ECS gives."""
    failure = {"reason": reason} if reason else {}
    stubbed(aws.ecs).add_response("run_task", {"tasks": [], "failures": [failure]})

    with pytest.raises(LaunchFailed, match=reason or "no reason given"):
        fleet_of(aws).run(LAUNCH)


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("ThrottlingException", "Rate exceeded", 400),
        ("ServerException", "These errors are usually caused by a server issue.", 500),
        ("LimitExceededException", "You've reached the limit on the number of tasks you can run concurrently", 400),
        ("ClientException", "You've reached the limit on the number of vCPUs you can run concurrently", 400),
        ("ExpiredTokenException", "The security token included in the request is expired", 400),
    ],
)
def test_a_refusal_that_passes_is_to_be_tried_later(
    aws: Clients, stubbed: Script, code: str, message: str, status: int
) -> None:
    """Too many calls, an account that is full, a service that has a bad day."""
    stubbed(aws.ecs).add_client_error("run_task", code, message, http_status_code=status)

    with pytest.raises(TryLater):
        fleet_of(aws).run(LAUNCH)


@pytest.mark.parametrize(
    ("code", "message", "text"),
    [
        ("ClusterNotFoundException", "Cluster not found.", "WALLCRAWLER_CLUSTER"),
        ("AccessDeniedException", "User: arn:aws:sts::111122223333:assumed-role/x is not authorized", "role"),
        ("ClientException", "TaskDefinition not found.", "ClientException: TaskDefinition not found."),
        ("InvalidParameterException", "The subnet ID 'subnet-1' does not exist", "The subnet ID 'subnet-1'"),
        ("PlatformTaskDefinitionIncompatibilityException", "", "PlatformTaskDefinitionIncompatibilityException"),
    ],
)
def test_a_refusal_that_stands_is_a_launch_that_failed(
    aws: Clients, stubbed: Script, code: str, message: str, text: str
) -> None:
    """Its text says what to do, or what ECS says; who we are to AWS is not for users."""
    stubbed(aws.ecs).add_client_error("run_task", code, message)

    with pytest.raises(LaunchFailed) as failed:
        fleet_of(aws).run(LAUNCH)

    assert text in str(failed.value)
    assert "assumed-role" not in str(failed.value)


@pytest.mark.parametrize("token", [TOKEN, "a token of another make"])
def test_no_text_ever_holds_the_token(aws: Clients, stubbed: Script, token: str) -> None:
    """Whatever ECS quotes of the request: not the reason, not a traceback, not a line of the log."""
    quoted = f"Invalid environment [WALLCRAWLER_GUEST_TOKEN={token}] " + "x" * 900
    stubbed(aws.ecs).add_client_error("run_task", "InvalidParameterException", quoted)

    with pytest.raises(LaunchFailed) as failed, capture_logs() as lines:
        fleet_of(aws).run(Launch("s-1", guest_token=token))

    assert token not in "".join(traceback.format_exception(failed.value))
    assert len(str(failed.value)) <= 300
    assert [line["event"] for line in lines] == ["aws.refused"]
    assert token not in str(lines)


def test_parameters_that_botocore_refuses_are_a_launch_that_failed(aws: Clients) -> None:
    """botocore prints the whole of them, the token among them: nothing of that is shown."""
    numbers: Any = {"WALLCRAWLER_API_URL": 7}

    with pytest.raises(LaunchFailed, match="ParamValidationError") as failed, capture_logs() as lines:
        fleet_of(aws, environment=numbers).run(LAUNCH)

    assert TOKEN not in "".join(traceback.format_exception(failed.value))
    assert TOKEN not in str(lines)


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
