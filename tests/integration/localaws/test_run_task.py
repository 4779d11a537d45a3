"""RunTask: what it refuses, what it repeats, and what it has no room for. Through boto3."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.eventually import eventually
from tests.integration.localaws.clocks import MovableClock
from tests.integration.localaws.stand import NETWORK, Stand, standing

TOO_MUCH = [{"name": "A", "value": "x" * 8192}]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"networkConfiguration": {}}, "Network Configuration must be provided when networkMode 'awsvpc' is specified"),
        ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}}, "subnets can not be empty"),
        ({"count": 11}, "between 1 and 10"),
        ({"count": 0}, "between 1 and 10"),
        ({"clientToken": "x" * 65}, "clientToken"),
        ({"clientToken": "ü"}, "clientToken"),
        ({"clientToken": "a b"}, "clientToken"),
        ({"startedBy": "x" * 129}, "startedBy"),
        ({"startedBy": "no spaces"}, "startedBy"),
        (
            {"overrides": {"containerOverrides": [{"name": "nosuch"}]}},
            "Override for container named nosuch is not a container in the TaskDefinition",
        ),
        (
            {"overrides": {"containerOverrides": [{"name": "main", "environment": TOO_MUCH}]}},
            "length must be at most 8192",
        ),
        ({"tags": [{"key": "aws:x", "value": "1"}]}, "aws:"),
        ({"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}, "both a launch type and"),
        ({"propagateTags": "SERVICE"}, "SERVICE"),
    ],
)
def test_what_ecs_would_refuse_is_refused(stand: Stand, given: dict[str, Any], message: str) -> None:
    """With an InvalidParameterException, and nothing is started."""
    stand.register()
    request = {"taskDefinition": "browser", "launchType": "FARGATE", "networkConfiguration": NETWORK} | given

    with pytest.raises(stand.ecs.exceptions.InvalidParameterException, match=message):
        stand.ecs.run_task(**request)

    assert stand.ecs.list_tasks()["taskArns"] == []


def test_a_definition_that_is_not_for_fargate_does_not_run_there(stand: Stand) -> None:
    """Nor may a definition without awsvpc be given a network configuration."""
    stand.register(requiresCompatibilities=[], networkMode="bridge")
    invalid = stand.ecs.exceptions.InvalidParameterException

    with pytest.raises(invalid, match="does not support launch_type FARGATE"):
        stand.ecs.run_task(taskDefinition="browser", launchType="FARGATE")
    with pytest.raises(invalid, match="not valid for the given networkMode"):
        stand.ecs.run_task(taskDefinition="browser", networkConfiguration=NETWORK)


def test_a_task_without_awsvpc_has_no_interface(stand: Stand) -> None:
    """It runs all the same."""
    stand.register(requiresCompatibilities=[], networkMode="bridge")

    (task,) = stand.ecs.run_task(taskDefinition="browser")["tasks"]

    eventually(lambda: stand.status(task["taskArn"]) == "RUNNING")
    assert (task["attachments"], task["launchType"]) == ([], "EC2")


def test_the_answer_is_a_task_that_is_being_provisioned(stand: Stand) -> None:
    """It comes before anything is started, with all that is known by then."""
    definition = stand.register()

    answer = stand.ecs.run_task(
        taskDefinition="browser",
        launchType="FARGATE",
        networkConfiguration=NETWORK,
        startedBy="session-1",
        tags=[{"key": "a", "value": "1"}],
        overrides={"containerOverrides": [{"name": "main", "environment": [{"name": "A", "value": "1"}]}]},
    )

    (task,) = answer["tasks"]
    assert answer["failures"] == []
    assert (task["lastStatus"], task["desiredStatus"], task["version"]) == ("PROVISIONING", "RUNNING", 1)
    assert task["taskDefinitionArn"] == definition
    assert (task["group"], task["startedBy"], task["platformVersion"]) == ("family:browser", "session-1", "1.4.0")
    assert task["tags"] == [{"key": "a", "value": "1"}]
    assert task["overrides"]["containerOverrides"][0]["environment"] == [{"name": "A", "value": "1"}]
    (attachment,) = task["attachments"]
    assert (attachment["type"], attachment["status"]) == ("ElasticNetworkInterface", "PRECREATED")
    assert attachment["details"] == [{"name": "subnetId", "value": "subnet-1"}]
    assert task["containers"][0]["lastStatus"] == "PENDING"


def test_a_token_that_is_used_again_starts_nothing(stand: Stand) -> None:
    """The same token with the same parameters is the same tasks, in whatever state they are by then."""
    stand.register()
    first = stand.run_all(count=2, clientToken="session-1")
    eventually(lambda: {stand.status(arn) for arn in first} == {"RUNNING"})

    second = stand.run_all(count=2, clientToken="session-1")

    assert second == first
    assert len(stand.ecs.list_tasks()["taskArns"]) == 2


def test_a_token_with_other_parameters_is_a_conflict(stand: Stand) -> None:
    """The conflict names the tasks that the token stands for."""
    stand.register()
    arns = stand.run_all(clientToken="session-1")

    with pytest.raises(stand.ecs.exceptions.ConflictException) as refused:
        stand.run(clientToken="session-1", startedBy="other")

    assert refused.value.response["resourceIds"] == arns


def test_of_many_requests_with_one_token_one_starts_a_task(stand: Stand) -> None:
    """However close together they come, all are answered with the same task."""
    stand.register()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: stand.run(clientToken="session-1"), range(24)))

    assert len(set(answers)) == 1
    assert stand.ecs.list_tasks()["taskArns"] == answers[:1]


def test_a_token_is_forgotten_after_a_day(tmp_path: Path) -> None:
    """For 24 hours it stands for its tasks; then it may be used for others."""
    clock = MovableClock()
    with standing(tmp_path, now=clock) as stand:
        stand.register("true")
        first = stand.run(clientToken="t")
        stand.stopped(first)

        clock.ahead = 23 * 3600
        within = stand.run(clientToken="t")
        clock.ahead = 25 * 3600
        after = stand.run(clientToken="t")

    assert within == first
    assert after != first


def test_a_run_that_started_nothing_does_not_use_up_its_token(stand: Stand) -> None:
    """What failed for want of capacity can be tried again."""
    stand.register()
    stand.switch(run_task_failure="RESOURCE:MEMORY")
    failed = stand.ecs.run_task(taskDefinition="browser", networkConfiguration=NETWORK, clientToken="t")
    stand.switch(run_task_failure=None)

    again = stand.ecs.run_task(taskDefinition="browser", networkConfiguration=NETWORK, clientToken="t")

    assert (failed["tasks"], len(again["tasks"])) == ([], 1)


def test_tasks_beyond_the_capacity_are_failures(tmp_path: Path) -> None:
    """LOCALAWS_MAX_TASKS is what there is room for; a task that ends makes room again."""
    with standing(tmp_path, max_tasks=2) as stand:
        stand.register()
        answer = stand.ecs.run_task(taskDefinition="browser", networkConfiguration=NETWORK, count=3)
        started = [task["taskArn"] for task in answer["tasks"]]
        stand.ecs.stop_task(task=started[0])
        stand.stopped(started[0])

        again = stand.ecs.run_task(taskDefinition="browser", networkConfiguration=NETWORK)

    assert len(started) == 2
    (failure,) = answer["failures"]
    assert failure["reason"].startswith("Capacity is unavailable at this time")
    assert len(again["tasks"]) == 1


def test_tags_come_from_the_request_the_definition_and_ecs(stand: Stand) -> None:
    """The request's win over the definition's; ECS's own come only when asked for."""
    stand.register(tags=[{"key": "a", "value": "definition"}, {"key": "b", "value": "definition"}])

    arn = stand.run(tags=[{"key": "b", "value": "request"}], propagateTags="TASK_DEFINITION", enableECSManagedTags=True)

    (task,) = stand.ecs.describe_tasks(tasks=[arn], include=["TAGS"])["tasks"]
    assert {tag["key"]: tag["value"] for tag in task["tags"]} == {
        "a": "definition",
        "b": "request",
        "aws:ecs:clusterName": "default",
    }


def test_a_task_definition_is_required(stand: Stand) -> None:
    """A request that a client's own check would not let through is refused by the service as well."""
    unchecked = stand.unchecked("ecs")

    with pytest.raises(ClientError, match="TaskDefinition can not be blank") as refused:
        unchecked.run_task(networkConfiguration=NETWORK)

    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
