"""A task as the API describes it, and as an event tells of it: the same facts, but for how times and interfaces look.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from localaws.definitions import Json
from localaws.tags import show_tags
from localaws.tasks import Container, Interface, Task


def describe(task: Task, *, tags: bool) -> Json:
    """For RunTask, StopTask and DescribeTasks. Times are epoch seconds."""
    shown = _facts(task, when=lambda seconds: round(seconds, 3), interface_type="ElasticNetworkInterface")
    shown["overrides"] |= {"inferenceAcceleratorOverrides": []}
    return shown | {
        "enableExecuteCommand": False,
        "healthStatus": "UNKNOWN",
        "inferenceAccelerators": [],
        "tags": show_tags(task.tags) if tags else [],
    }


def event_detail(task: Task) -> Json:
    """For `ECS Task State Change`. Times are texts."""
    return _facts(task, when=timestamp, interface_type="eni") | {"updatedAt": timestamp(task.updated_at)}


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _facts(task: Task, *, when: Callable[[float], Any], interface_type: str) -> Json:
    times = {
        "createdAt": task.created_at,
        "connectivityAt": task.connectivity_at,
        "pullStartedAt": task.pull_started_at,
        "pullStoppedAt": task.pull_stopped_at,
        "startedAt": task.started_at,
        "stoppingAt": task.stopping_at,
        "executionStoppedAt": task.execution_stopped_at,
        "stoppedAt": task.stopped_at,
    }
    maybe = {
        "connectivity": "CONNECTED" if task.connectivity_at is not None else None,
        "cpu": task.cpu,
        "memory": task.memory,
        "platformVersion": task.platform_version,
        "platformFamily": "Linux" if task.launch_type == "FARGATE" else None,
        "capacityProviderName": task.capacity_provider,
        "ephemeralStorage": {"sizeInGiB": 20} if task.launch_type == "FARGATE" else None,
        "startedBy": task.started_by,
        "stopCode": task.stop_code and str(task.stop_code),
        "stoppedReason": task.stopped_reason,
    }
    return {
        "attachments": [_attachment(task.interface, interface_type)] if task.interface else [],
        "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "availabilityZone": task.zone,
        "clusterArn": task.cluster_arn,
        "containers": [_container(one, task) for one in task.containers],
        "desiredStatus": str(task.desired_status),
        "group": task.group,
        "lastStatus": str(task.last_status),
        "launchType": task.launch_type,
        "overrides": _overrides(task),
        "taskArn": task.arn,
        "taskDefinitionArn": task.definition_arn,
        "version": task.version,
        **{name: when(at) for name, at in times.items() if at is not None},
        **{name: value for name, value in maybe.items() if value is not None},
    }


def _attachment(interface: Interface, kind: str) -> Json:
    details = {"subnetId": interface.subnet}
    if interface.address is not None:
        details |= {
            "networkInterfaceId": interface.eni_id,
            "macAddress": interface.address.mac,
            "privateDnsName": private_name(interface.address.ip),
            "privateIPv4Address": interface.address.ip,
        }
    return {
        "id": interface.attachment_id,
        "type": kind,
        "status": interface.status,
        "details": [{"name": name, "value": value} for name, value in details.items()],
    }


def private_name(ip: str) -> str:
    return f"ip-{ip.replace('.', '-')}.ec2.internal"


def _container(container: Container, task: Task) -> Json:
    address = task.interface and task.interface.address
    maybe = {
        "memory": None if container.memory is None else str(container.memory),
        "runtimeId": container.runtime_id,
        "imageDigest": container.image_digest,
        "exitCode": container.exit_code,
        "reason": container.reason,
    }
    return {
        "containerArn": container.arn,
        "taskArn": task.arn,
        "name": container.name,
        "image": container.image,
        "lastStatus": container.status,
        "networkBindings": [],
        "networkInterfaces": [{"attachmentId": task.interface.attachment_id, "privateIpv4Address": address.ip}]
        if task.interface and address
        else [],
        "healthStatus": "UNKNOWN",
        "cpu": str(container.cpu),
        **{name: value for name, value in maybe.items() if value is not None},
    }


def _overrides(task: Task) -> Json:
    """As they were given, with every container named."""
    given = {one["name"]: one for one in task.overrides.get("containerOverrides", ())}
    listed = [given.get(container.name, {"name": container.name}) for container in task.containers]
    return {key: value for key, value in task.overrides.items() if key != "containerOverrides"} | {
        "containerOverrides": listed
    }
