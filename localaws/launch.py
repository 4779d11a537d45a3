"""A RunTask request: checked as ECS checks it, and the records of the tasks that it asks for. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from localaws.arns import Place
from localaws.definitions import Definition, Json
from localaws.errors import client_error, invalid
from localaws.tags import Tags, limited, read_tags
from localaws.tasks import Container, Interface, Task

#: Characters that all overrides of a request may have together, as JSON.
OVERRIDES_LIMIT: Final = 8192

_TOKEN = re.compile(r"^[!-~]{1,64}$")
_STARTED_BY = re.compile(r"^[A-Za-z0-9_/-]{1,128}$")


@dataclass(frozen=True, slots=True)
class Run:
    """What a request asks for, with everything decided that a request may leave open."""

    count: int
    launch_type: str
    group: str
    overrides: Json
    tags: Tags
    started_by: str | None = None
    client_token: str | None = None
    subnet: str | None = None
    security_groups: tuple[str, ...] = ()
    public: bool = False
    platform_version: str | None = None
    capacity_provider: str | None = None


def read_run(params: Mapping[str, Any], definition: Definition, *, cluster: str) -> Run:
    """Raises AwsError as ECS would refuse the request."""
    if not definition.active:
        raise client_error("TaskDefinition is inactive")
    count = params.get("count", 1)
    if not 1 <= count <= 10:
        raise invalid("Tasks count must be between 1 and 10.")
    provider = _provider(params)
    network = _network(params, definition)
    launch_type = "FARGATE" if (provider or "").startswith("FARGATE") else params.get("launchType", "EC2")
    if launch_type == "FARGATE" and "FARGATE" not in definition.body.get("requiresCompatibilities", ()):
        raise invalid("Task definition does not support launch_type FARGATE.")
    return Run(
        count=count,
        launch_type=launch_type,
        group=params.get("group", f"family:{definition.family}"),
        overrides=_overrides(params, definition),
        tags=_tags(params, definition, cluster),
        started_by=_matching(_STARTED_BY, params, "startedBy", "at most 128 letters, numbers, hyphens, slashes"),
        client_token=_matching(_TOKEN, params, "clientToken", "at most 64 printable ASCII characters"),
        subnet=next(iter(network.get("subnets", ())), None),
        security_groups=tuple(network.get("securityGroups", ())),
        public=network.get("assignPublicIp") == "ENABLED",
        platform_version=_platform(params, launch_type),
        capacity_provider=provider or ("FARGATE" if launch_type == "FARGATE" else None),
    )


def _matching(pattern: re.Pattern[str], params: Mapping[str, Any], name: str, rule: str) -> str | None:
    value: str | None = params.get(name)
    if value is not None and not pattern.match(value):
        raise invalid(f"{name} must be {rule}.")
    return value


def _provider(params: Mapping[str, Any]) -> str | None:
    strategy = params.get("capacityProviderStrategy")
    if strategy and params.get("launchType"):
        raise invalid("The request cannot have both a launch type and a capacity provider strategy.")
    return str(strategy[0]["capacityProvider"]) if strategy else None


def _platform(params: Mapping[str, Any], launch_type: str) -> str | None:
    if launch_type != "FARGATE":
        if "platformVersion" in params:
            raise invalid("The platform version must be null when specifying an EC2 launch type.")
        return None
    version = params.get("platformVersion", "LATEST")
    return "1.4.0" if version == "LATEST" else str(version)


def _network(params: Mapping[str, Any], definition: Definition) -> Json:
    network: Json | None = params.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if not definition.awsvpc:
        if network is not None:
            raise invalid("Network Configuration is not valid for the given networkMode of this task definition.")
        return {}
    if network is None:
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    if not network["subnets"]:
        raise invalid("subnets can not be empty.")
    if len(network["subnets"]) > 16:
        raise invalid("subnets can have at most 16 items.")
    if len(network.get("securityGroups", ())) > 5:
        raise invalid("securityGroups can have at most 5 items.")
    return network


def _overrides(params: Mapping[str, Any], definition: Definition) -> Json:
    overrides: Json = params.get("overrides", {})
    known = {one["name"] for one in definition.containers}
    for one in overrides.get("containerOverrides", ()):
        if not one.get("name"):
            raise invalid("Override name can not be blank.")
        if one["name"] not in known:
            raise invalid(f"Override for container named {one['name']} is not a container in the TaskDefinition.")
        if one.get("environmentFiles") or one.get("resourceRequirements"):
            raise invalid("localaws does not support environmentFiles or resourceRequirements.")
    if len(json.dumps(overrides, separators=(",", ":"))) > OVERRIDES_LIMIT:
        raise invalid(f"Container Overrides length must be at most {OVERRIDES_LIMIT}")
    return overrides


def _tags(params: Mapping[str, Any], definition: Definition, cluster: str) -> Tags:
    if params.get("propagateTags") == "SERVICE":
        raise invalid("The propagateTags value SERVICE is not valid for RunTask.")
    propagated = definition.tags if params.get("propagateTags") == "TASK_DEFINITION" else {}
    managed = {"aws:ecs:clusterName": cluster} if params.get("enableECSManagedTags") else {}
    return limited(propagated | read_tags(params.get("tags"))) | managed


def fingerprint(params: Mapping[str, Any]) -> str:
    """The same for two requests that ask for the same, whatever their token and the order of their members."""
    asked = {name: value for name, value in params.items() if name != "clientToken"}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def new_task(
    run: Run, definition: Definition, *, place: Place, cluster: str, at: float, new_hex: Callable[[int], str]
) -> Task:
    """The record of one task of the run. `new_hex(n)` gives 2n random hexadecimal digits."""
    task_id = new_hex(16)
    interface = None
    if definition.awsvpc and run.subnet is not None:
        interface = Interface(
            attachment_id=_uuid(new_hex(16)),
            eni_id=f"eni-0{new_hex(8)}",
            subnet=run.subnet,
            security_groups=run.security_groups,
            public=run.public,
        )
    return Task(
        id=task_id,
        arn=place.task(cluster, task_id),
        cluster=cluster,
        cluster_arn=place.cluster(cluster),
        definition_arn=definition.arn,
        family=definition.family,
        revision=definition.revision,
        group=run.group,
        launch_type=run.launch_type,
        zone=place.zone,
        containers=tuple(
            Container(
                arn=place.container(cluster, task_id, _uuid(new_hex(16))),
                name=one["name"],
                image=one["image"],
                essential=one["essential"],
                cpu=one["cpu"],
                memory=one.get("memory"),
            )
            for one in definition.containers
        ),
        overrides=run.overrides,
        created_at=at,
        updated_at=at,
        interface=interface,
        cpu=run.overrides.get("cpu") or definition.body.get("cpu"),
        memory=run.overrides.get("memory") or definition.body.get("memory"),
        started_by=run.started_by,
        platform_version=run.platform_version,
        capacity_provider=run.capacity_provider,
        tags=run.tags,
    )


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
