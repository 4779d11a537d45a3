"""What ECS tells of a task: as EventBridge's envelope, and as DescribeTasks. Taken from AWS's documentation."""

from __future__ import annotations

from typing import Any

ACCOUNT = "arn:aws:ecs:us-west-2:111122223333"
TASK = f"{ACCOUNT}:task/wallcrawler-browsers/3d27b7c0a1b24a1f8d1f5f1c4e9c1a11"
TOKEN = "eyJhbGciOiJFZERTQSJ9.a-guests-token.signature"
ENI = "eni-0a1b2c3d4e5f60718"


def a_task(*, kind: str = "ElasticNetworkInterface", **fields: Any) -> dict[str, Any]:
    """A running browser of session s-1, as DescribeTasks tells of it."""
    return {
        "attachments": [
            {
                "id": "1789bcae-ddfb-4d10-8ebe-8ac87ddba5b8",
                "type": kind,
                "status": "ATTACHED",
                "details": [
                    {"name": "subnetId", "value": "subnet-0abcd1234"},
                    {"name": "networkInterfaceId", "value": ENI},
                    {"name": "macAddress", "value": "0a:98:eb:a7:29:ba"},
                    {"name": "privateDnsName", "value": "ip-10-0-0-12.us-west-2.compute.internal"},
                    {"name": "privateIPv4Address", "value": "10.0.0.12"},
                ],
            }
        ],
        "availabilityZone": "us-west-2c",
        "clusterArn": f"{ACCOUNT}:cluster/wallcrawler-browsers",
        "containers": [
            {
                "containerArn": f"{ACCOUNT}:container/cf159fd6-3e3f-4a9e-84f9-66cbe726af01",
                "lastStatus": "RUNNING",
                "name": "browser",
                "image": "111122223333.dkr.ecr.us-west-2.amazonaws.com/wallcrawler/browser:1",
                "runtimeId": "ad64cbc71c7fb31c55507ec24c9f77947132b03d48d9961115cf24f3b7307e1e",
                "taskArn": TASK,
                "networkInterfaces": [{"attachmentId": "1789bcae", "privateIpv4Address": "10.0.0.12"}],
                "cpu": "0",
            }
        ],
        "desiredStatus": "RUNNING",
        "group": "family:wallcrawler-browser",
        "lastStatus": "RUNNING",
        "launchType": "FARGATE",
        "overrides": {
            "containerOverrides": [
                {
                    "name": "browser",
                    "environment": [
                        {"name": "WALLCRAWLER_SESSION_ID", "value": "s-1"},
                        {"name": "WALLCRAWLER_GUEST_TOKEN", "value": TOKEN},
                    ],
                }
            ]
        },
        "startedBy": "s-1",
        "taskArn": TASK,
        "taskDefinitionArn": f"{ACCOUNT}:task-definition/wallcrawler-browser:7",
        "version": 3,
    } | fields


def an_event(**fields: Any) -> dict[str, Any]:
    """The same as an event."""
    return {
        "version": "0",
        "id": "3317b2af-7005-947d-b652-f55e762e571a",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "111122223333",
        "time": "2020-01-23T17:57:58Z",
        "region": "us-west-2",
        "resources": [TASK],
        "detail": a_task(kind="eni") | {"updatedAt": "2020-01-23T17:57:58.103Z"} | fields,
    }


def ended(**fields: Any) -> dict[str, Any]:
    """The fields of a task that has stopped; `fields` are those of its container."""
    container = {"name": "browser", "lastStatus": "STOPPED"} | fields
    return {
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "containers": [container],
    }
