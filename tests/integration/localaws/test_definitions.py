"""Task definitions, through boto3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.localaws.stand import Stand

FARGATE = {"networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}


def container(**more: Any) -> dict[str, Any]:
    return {"name": "main", "image": "i", "memory": 64} | more


def test_a_definition_is_described_as_it_was_registered(stand: Stand) -> None:
    """What was given comes back, completed with ECS's defaults, under a revision of its own."""
    arn = stand.register("sleep", "1", tags=[{"key": "team", "value": "web"}])

    answer = stand.ecs.describe_task_definition(taskDefinition="browser", include=["TAGS"])

    described = answer["taskDefinition"]
    assert described["taskDefinitionArn"] == arn == "arn:aws:ecs:us-east-1:000000000000:task-definition/browser:1"
    assert (described["status"], described["compatibilities"]) == ("ACTIVE", ["EC2", "FARGATE"])
    assert described["containerDefinitions"][0]["command"] == ["sleep", "1"]
    assert described["containerDefinitions"][0]["essential"] is True
    assert abs(described["registeredAt"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert answer["tags"] == [{"key": "team", "value": "web"}]


def test_tags_are_shown_only_when_asked_for(stand: Stand) -> None:
    """Without include=TAGS there is no member `tags`."""
    stand.register(tags=[{"key": "team", "value": "web"}])

    answer = stand.ecs.describe_task_definition(taskDefinition="browser")

    assert "tags" not in answer


def test_each_registration_is_a_new_revision(stand: Stand) -> None:
    """The family alone means the newest."""
    first, second = stand.register("sleep", "1"), stand.register("sleep", "2")

    newest = stand.ecs.describe_task_definition(taskDefinition="browser")["taskDefinition"]
    oldest = stand.ecs.describe_task_definition(taskDefinition="browser:1")["taskDefinition"]

    assert (newest["taskDefinitionArn"], newest["revision"]) == (second, 2)
    assert (oldest["taskDefinitionArn"], oldest["revision"]) == (first, 1)


def test_a_deregistered_revision_is_inactive_and_no_longer_runs(stand: Stand) -> None:
    """It can be described, but neither listed by default nor run."""
    first, second = stand.register(), stand.register()

    stand.ecs.deregister_task_definition(taskDefinition=second)

    assert stand.ecs.list_task_definitions()["taskDefinitionArns"] == [first]
    assert stand.ecs.list_task_definitions(status="INACTIVE")["taskDefinitionArns"] == [second]
    assert stand.ecs.describe_task_definition(taskDefinition="browser")["taskDefinition"]["revision"] == 1
    with pytest.raises(stand.ecs.exceptions.ClientException, match="inactive"):
        stand.run(second)


def test_definitions_are_listed_by_pages(stand: Stand) -> None:
    """Pages follow each other without a gap, and the order can be turned."""
    arns = [stand.register(family=f"f{number}") for number in range(5)]

    pages = list(stand.ecs.get_paginator("list_task_definitions").paginate(PaginationConfig={"PageSize": 2}))

    assert [len(page["taskDefinitionArns"]) for page in pages] == [2, 2, 1]
    assert [arn for page in pages for arn in page["taskDefinitionArns"]] == arns
    assert stand.ecs.list_task_definitions(sort="DESC")["taskDefinitionArns"] == arns[::-1]
    assert stand.ecs.list_task_definitions(familyPrefix="f3")["taskDefinitionArns"] == [arns[3]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"family": "a b"}, "Family contains invalid characters"),
        ({"containerDefinitions": []}, "Container list cannot be empty"),
        ({"containerDefinitions": [container(image="")]}, "Container.image should not be null or empty"),
        ({"containerDefinitions": [container(), container()]}, "unique"),
        ({"containerDefinitions": [container(essential=False)]}, "at least one essential container"),
        ({"containerDefinitions": [{"name": "main", "image": "i"}]}, "At least one of 'memory'"),
        ({"containerDefinitions": [container(stopTimeout=121)]}, "stopTimeout"),
        ({"containerDefinitions": [container(secrets=[{"name": "A", "valueFrom": "b"}])]}, "does not support secrets"),
        (FARGATE | {"networkMode": "bridge"}, "Fargate only supports network mode"),
        (FARGATE | {"cpu": "257"}, "No Fargate configuration exists for given values: 257 CPU, 512 memory"),
        (FARGATE | {"memory": "8192"}, "No Fargate configuration exists"),
        (
            {
                "networkMode": "awsvpc",
                "containerDefinitions": [container(portMappings=[{"containerPort": 1, "hostPort": 2}])],
            },
            "must match",
        ),
        ({"volumes": [{"name": "v"}]}, "does not support volumes"),
    ],
)
def test_a_definition_that_ecs_would_refuse_is_refused(stand: Stand, given: dict[str, Any], message: str) -> None:
    """With a ClientException that says why."""
    request = {"family": "f", "containerDefinitions": [container()]} | given

    with pytest.raises(stand.ecs.exceptions.ClientException, match=message):
        stand.ecs.register_task_definition(**request)

    assert stand.ecs.list_task_definitions()["taskDefinitionArns"] == []


@pytest.mark.parametrize("reference", ["nosuch", "nosuch:1", "browser:7"])
def test_an_unknown_definition_is_a_client_exception(stand: Stand, reference: str) -> None:
    """As ECS words it."""
    stand.register()

    with pytest.raises(stand.ecs.exceptions.ClientException, match="Unable to describe task definition"):
        stand.ecs.describe_task_definition(taskDefinition=reference)
    with pytest.raises(stand.ecs.exceptions.ClientException, match="TaskDefinition not found"):
        stand.run(reference)


def test_a_word_that_is_not_of_the_enumeration_is_an_invalid_parameter(stand: Stand) -> None:
    """botocore lets any word through; the service does not."""
    with pytest.raises(ClientError, match="Invalid value 'bogus' for networkMode") as refused:
        stand.ecs.register_task_definition(family="f", networkMode="bogus", containerDefinitions=[container()])

    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
