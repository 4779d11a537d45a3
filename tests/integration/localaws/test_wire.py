"""What goes over the wire, without boto3's leniency: it drops what it does not know, and forgives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import botocore.session
import httpx
import pytest
from botocore.model import Shape

from tests.eventually import eventually
from tests.integration.localaws.stand import NETWORK, Stand, standing

SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/ecs/aws4_request, Signature=0"}

MODEL = botocore.session.get_session().get_service_model("ecs")

KINDS = {"string": str, "boolean": bool, "integer": int, "long": int, "timestamp": (int, float), "double": (int, float)}


def call(stand: Stand, action: str, body: object = None, **headers: str) -> httpx.Response:
    target = {"X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{action}"}
    return stand.http.post("/", content=json.dumps(body or {}), headers=SIGNED | target | headers)


def strays(value: Any, shape: Any, at: str = "") -> list[str]:
    """Where a value is not of its shape: a member that the model does not know, or a wrong type."""
    kind = shape.type_name
    if kind == "structure":
        unknown = [f"{at}.{name} is unknown" for name in value if name not in shape.members]
        known = [(value[name], shape.members[name], f"{at}.{name}") for name in value if name in shape.members]
        return unknown + [one for given in known for one in strays(*given)]
    if kind == "list":
        return [one for index, inner in enumerate(value) for one in strays(inner, shape.member, f"{at}[{index}]")]
    if kind == "map":
        return [one for name, inner in value.items() for one in strays(inner, shape.value, f"{at}.{name}")]
    if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [f"{at} is no {kind}: {value!r}"]
    if kind == "string" and shape.enum and value not in shape.enum:
        return [f"{at} is none of {shape.enum}: {value!r}"]
    return []


def output(action: str) -> Shape:
    shape = MODEL.operation_model(action).output_shape
    assert shape is not None
    return shape


def test_every_answer_has_the_members_and_types_of_the_model(stand: Stand) -> None:
    """Of all actions, with a task in its first, middle and last state."""
    definition = stand.register()
    running = stand.running(startedBy="s", tags=[{"key": "a", "value": "1"}])
    ended = stand.run(overrides={"containerOverrides": [{"name": "main", "command": ["false"]}]})
    stand.stopped(ended)
    run = {"taskDefinition": "browser", "launchType": "FARGATE", "networkConfiguration": NETWORK}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("CreateCluster", {"clusterName": "c"}),
        ("DescribeClusters", {"clusters": ["c", "missing"], "include": ["TAGS", "SETTINGS"]}),
        ("ListClusters", {"maxResults": 1}),
        ("RegisterTaskDefinition", {"family": "f", "containerDefinitions": [{"name": "n", "image": "i", "memory": 9}]}),
        ("DescribeTaskDefinition", {"taskDefinition": "browser", "include": ["TAGS"]}),
        ("ListTaskDefinitions", {"maxResults": 1}),
        ("DeregisterTaskDefinition", {"taskDefinition": "f:1"}),
        ("RunTask", run),
        ("ListTasks", {"maxResults": 1}),
        ("DescribeTasks", {"tasks": [running, ended, "0" * 32], "include": ["TAGS"]}),
        ("StopTask", {"task": running}),
        ("TagResource", {"resourceArn": definition, "tags": [{"key": "a", "value": "1"}]}),
        ("ListTagsForResource", {"resourceArn": definition}),
        ("UntagResource", {"resourceArn": definition, "tagKeys": ["a"]}),
    ]

    answers = {action: call(stand, action, body) for action, body in calls}

    assert {action: answer.status_code for action, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert [one for action, answer in answers.items() for one in strays(answer.json(), output(action), action)] == []


def test_times_are_epoch_seconds_and_requests_have_an_id(stand: Stand) -> None:
    """As JSON 1.1 has it."""
    stand.register()

    answer = call(stand, "RunTask", {"taskDefinition": "browser", "networkConfiguration": NETWORK})

    assert answer.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert len(answer.headers["x-amzn-RequestId"]) == 36
    created = answer.json()["tasks"][0]["createdAt"]
    assert isinstance(created, float)
    assert round(created, 3) == created


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("NoSuchAction", {}, "UnknownOperationException"),
        ("RunTask", {}, "InvalidParameterException"),
        ("RunTask", {"taskDefinition": 7}, "SerializationException"),
        ("RunTask", {"taskDefinition": "f", "count": "many"}, "SerializationException"),
        ("RunTask", {"taskDefinition": "f", "count": True}, "SerializationException"),
        ("RunTask", [1], "SerializationException"),
        ("ListTasks", {"desiredStatus": "DREAMING"}, "InvalidParameterException"),
        ("ListTasks", {"cluster": "nosuch"}, "ClusterNotFoundException"),
    ],
)
def test_an_error_has_a_code_and_a_message(stand: Stand, action: str, body: object, code: str) -> None:
    """As JSON 1.1 has them, with the status 400."""
    answer = call(stand, action, body)

    assert (answer.status_code, answer.json()["__type"]) == (400, code)
    assert answer.json()["message"]
    assert len(answer.headers["x-amzn-RequestId"]) == 36


def test_what_is_no_json_is_a_serialization_exception(stand: Stand) -> None:
    """Not an error of the server."""
    target = {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListTasks"}

    answer = stand.http.post("/", content=b"{", headers=SIGNED | target)

    assert (answer.status_code, answer.json()["__type"]) == (400, "SerializationException")


def test_members_that_the_service_does_not_know_are_ignored(stand: Stand) -> None:
    """And null is the same as absent, as in AWS."""
    answer = call(stand, "ListTasks", {"unheard": {"of": 1}, "family": None})

    assert (answer.status_code, answer.json()) == (200, {"taskArns": []})


def test_a_call_that_is_not_signed_is_refused(stand: Stand) -> None:
    """A page in somebody's browser can't put that header on a request to another origin."""
    target = {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListTasks"}

    ecs = stand.http.post("/", content=b"{}", headers=target)
    ec2 = stand.http.post("/", data={"Action": "DescribeNetworkInterfaces"})

    assert (ecs.status_code, ecs.json()["__type"]) == (400, "MissingAuthenticationTokenException")
    assert ec2.status_code == 400
    assert ElementTree.fromstring(ec2.text).findtext(".//Code") == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"Action": "NoSuchAction"}, "InvalidAction"),
        (
            {"Action": "DescribeNetworkInterfaces", "NetworkInterfaceId.1": "eni-0"},
            "InvalidNetworkInterfaceID.NotFound",
        ),
        ({"Action": "DescribeNetworkInterfaces", "Filter.1.Name": "colour"}, "InvalidParameterValue"),
        ({"Action": "DescribeNetworkInterfaces", "MaxResults": "4"}, "InvalidParameterValue"),
        ({"Action": "DescribeNetworkInterfaces", "MaxResults": "5", "NextToken": "x"}, "InvalidParameterValue"),
    ],
)
def test_an_error_of_ec2_is_xml(stand: Stand, form: dict[str, str], code: str) -> None:
    """With the code, the message and the request's id where EC2 has them."""
    answer = stand.http.post("/", data=form, headers=SIGNED)

    root = ElementTree.fromstring(answer.text)
    assert (answer.status_code, root.tag, root.findtext("Errors/Error/Code")) == (400, "Response", code)
    assert root.findtext("Errors/Error/Message")
    assert len(root.findtext("RequestID") or "") == 36


def test_interfaces_come_by_pages(stand: Stand) -> None:
    """As many as are asked for, and a token for the rest."""
    stand.register()
    stand.run_all(count=7)
    eventually(lambda: len(stand.ec2.describe_network_interfaces()["NetworkInterfaces"]) == 7)

    first = stand.ec2.describe_network_interfaces(MaxResults=5)
    second = stand.ec2.describe_network_interfaces(MaxResults=5, NextToken=first["NextToken"])

    ids = [one["NetworkInterfaceId"] for page in (first, second) for one in page["NetworkInterfaces"]]
    assert len(set(ids)) == 7
    assert "NextToken" not in second


def test_health_tells_what_runs(stand: Stand) -> None:
    """For whoever waits for localaws, or looks after it."""
    stand.register()
    stand.running()

    answer = stand.http.get("/_localaws/health")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "driver": "process", "tasks": 1, "eventsWaiting": 0, "pipe": None}


def test_logs_of_what_never_was_are_not_found(stand: Stand) -> None:
    """Nor can a path lead out of the folder."""
    stand.register("echo", "hello")
    arn = stand.run()
    stand.stopped(arn)
    task_id = arn.rsplit("/", 1)[-1]

    assert stand.output(arn) == "hello\n"
    assert stand.http.get(f"/_localaws/tasks/{task_id}/logs/nosuch").status_code == 404
    assert stand.http.get("/_localaws/tasks/../logs/main").status_code == 404


def test_the_state_file_is_its_owners_alone(tmp_path: Path) -> None:
    """It holds the environment of tasks, and so their tokens."""
    with standing(tmp_path) as stand:
        stand.register("echo", "secret")
        stand.stopped(stand.run())
        files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "instance"]
        modes = {path.name: oct(path.stat().st_mode & 0o077) for path in files}

    assert files
    assert set(modes.values()) == {"0o0"}
