"""How EcsFleet starts tasks: what it asks of ECS, and what it makes of refusals, which a stand-in seldom gives."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.unit.wallcrawler.aws.fleets import CLUSTER, FAMILY, LAUNCH, Script, fleet_of
from tests.unit.wallcrawler.aws.tellings import TASK, TOKEN, a_task, ended
from wallcrawler.aws.clients import Clients
from wallcrawler.errors import LaunchFailed, TryLater
from wallcrawler.ports import Launch, TaskStatus

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
