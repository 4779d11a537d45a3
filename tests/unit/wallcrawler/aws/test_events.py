"""Messages of EventBridge and of a Pipe: what is for us, and what of it is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.records import a_session
from tests.unit.wallcrawler.aws.tellings import ACCOUNT, ENI, TASK, TOKEN, a_task, an_event, ended
from wallcrawler.aws.events import session_changed, trimmed
from wallcrawler.aws.tasks import task_of
from wallcrawler.aws.values import stored_item
from wallcrawler.messages import SessionChanged

CLUSTER, FAMILY = "wallcrawler-browsers", "wallcrawler-browser"


def body_of(envelope: dict[str, Any], *, cluster: str = CLUSTER, family: str = FAMILY) -> dict[str, Any] | None:
    return trimmed(envelope, cluster=cluster, family=family)


# -- Task events ------------------------------------------------------------------------------------------------------


def test_a_body_is_what_the_fleet_needs_and_no_more() -> None:
    """A few hundred bytes, which go through the queue for every change of every task."""
    assert body_of(an_event()) == {
        "v": 1,
        "startedBy": "s-1",
        "taskArn": TASK,
        "lastStatus": "RUNNING",
        "desiredStatus": "RUNNING",
        "version": 3,
        "containers": [{"name": "browser", "lastStatus": "RUNNING"}],
        "attachments": [
            {
                "type": "eni",
                "details": [
                    {"name": "networkInterfaceId", "value": ENI},
                    {"name": "privateIPv4Address", "value": "10.0.0.12"},
                ],
            }
        ],
    }


@pytest.mark.parametrize("fields", [{}, ended(exitCode=1), {"startedBy": None}])
def test_a_body_holds_no_secret(fields: dict[str, Any]) -> None:
    """The event has the whole environment, and the guest's token in it."""
    event = an_event(**fields)
    assert TOKEN in json.dumps(event)

    body = body_of(event)

    assert body is not None
    assert body["startedBy"] == "s-1"
    assert TOKEN not in json.dumps(body)
    assert "environment" not in json.dumps(body)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"lastStatus": "PROVISIONING", "attachments": [], "containers": []},
        ended(exitCode=137, reason="OutOfMemoryError: Container killed due to memory usage"),
        {"startedBy": "ecs-svc/1"},
    ],
)
def test_a_body_says_the_same_of_the_task_as_the_event(fields: dict[str, Any]) -> None:
    """Nothing that the fleet reads was cut away."""
    event = an_event(**fields)

    body = body_of(event)

    assert body is not None
    whole = task_of(event["detail"], container="browser", address=None)
    assert task_of(body, container="browser", address=None) == whole


@pytest.mark.parametrize(
    ("cluster", "family"),
    [
        (CLUSTER, FAMILY),
        (f"{ACCOUNT}:cluster/{CLUSTER}", f"{FAMILY}:7"),
        (CLUSTER, f"{ACCOUNT}:task-definition/{FAMILY}:6"),
    ],
)
def test_ours_are_told_by_name_or_arn(cluster: str, family: str) -> None:
    """As an operator has set them; browsers of an older revision are ours as well."""
    assert body_of(an_event(), cluster=cluster, family=family) is not None


@pytest.mark.parametrize(
    "event",
    [
        an_event(clusterArn=f"{ACCOUNT}:cluster/wallcrawler-services"),
        an_event(taskDefinitionArn=f"{ACCOUNT}:task-definition/wallcrawler-browser-canary:1"),
        an_event(startedBy="ecs-svc/1", overrides={"containerOverrides": []}),
        an_event(startedBy=None, overrides={}),
        an_event() | {"detail-type": "ECS Container Instance State Change"},
        an_event() | {"detail-type": "ECS Deployment State Change", "detail": {"eventType": "INFO"}},
        {},
    ],
)
def test_what_is_not_ours_is_nothing(event: dict[str, Any]) -> None:
    """The rule of another deployment may lead to the same queue."""
    assert body_of(event) is None


@pytest.mark.parametrize(
    "event",
    [
        {"detail-type": "ECS Task State Change"},
        {"detail-type": "ECS Task State Change", "detail": None},
        {"detail-type": "ECS Task State Change", "detail": "text"},
        {"detail-type": "ECS Task State Change", "detail": {}},
        an_event(clusterArn=None),
        an_event(startedBy=None, overrides="x"),
        an_event(containers=7),
        an_event(attachments=[7]),
    ],
)
def test_what_is_no_event_is_unreadable(event: dict[str, Any]) -> None:
    """A ValueError, whose text quotes nothing."""
    with pytest.raises(ValueError, match=r"^no task event: \w+$"):
        body_of(event)


# -- Changes of sessions ----------------------------------------------------------------------------------------------


def a_record(name: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    """A record of the stream as a Pipe puts it on a queue."""
    images = {"OldImage": old and stored_item(old), "NewImage": new and stored_item(new)}
    return {
        "eventID": "c4ca4238a0b923820dcc509a6f75849b",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-west-2",
        "dynamodb": {
            "Keys": {"sessionId": {"S": "session-1"}},
            "SequenceNumber": "111",
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **{name: image for name, image in images.items() if image is not None},
        },
        "eventSourceARN": "arn:aws:dynamodb:us-west-2:111122223333:table/wallcrawler-sessions/stream/2020",
    }


CREATED = a_session(user_metadata={"deep": [1, None, {"x": 1.5}]}).as_item()
MOVED = CREATED | {"status": "PROVISIONING", "version": 2}


def test_a_new_session_is_a_change() -> None:
    """From nothing."""
    body = session_changed(a_record("INSERT", None, CREATED))

    assert body is not None
    assert SessionChanged.from_wire(body) == SessionChanged("session-1", 1, "CREATING")


def test_a_moved_session_is_a_change_with_both_states() -> None:
    """From one to the other."""
    body = session_changed(a_record("MODIFY", CREATED, MOVED))

    assert body is not None
    assert SessionChanged.from_wire(body) == SessionChanged("session-1", 2, "PROVISIONING", "CREATING")


def test_a_deleted_session_is_nothing() -> None:
    """Its time to live was over; nobody waits for it."""
    assert session_changed(a_record("REMOVE", MOVED, None)) is None


def test_numbers_are_numbers() -> None:
    """A version that was a text would be newer than any."""
    body = session_changed(a_record("MODIFY", CREATED, MOVED))

    assert body is not None
    assert type(body["version"]) is int


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"eventName": "INSERT"},
        {"eventName": "INSERT", "dynamodb": None},
        {"eventName": "INSERT", "dynamodb": {}},
        {"eventName": "INSERT", "dynamodb": {"NewImage": {"sessionId": {"S": "s"}}}},
        {"eventName": "INSERT", "dynamodb": {"NewImage": {"sessionId": "s"}}},
        {"eventName": "INSERT", "dynamodb": {"NewImage": 7}},
        a_task(),
    ],
)
def test_what_is_no_record_of_a_session_is_unreadable(record: dict[str, Any]) -> None:
    """A ValueError; a table with keys only, for example, has no images."""
    with pytest.raises(ValueError, match=r"."):
        session_changed(record)
