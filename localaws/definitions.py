"""Task definitions: checked and completed as ECS does it, and what of them a container is started with.

What localaws could only pretend to do is refused when it is registered: secrets, volumes, dependencies between
containers. A health check and a log configuration are kept but not acted upon: `healthStatus` stays UNKNOWN, and logs
are where localaws puts them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from localaws.errors import client_error
from localaws.tags import Tags

Json = dict[str, Any]

_NAME = re.compile(r"^[A-Za-z0-9_-]{1,255}$")

#: What Fargate has on offer: CPU units, and for each the MiB that may go with them.
FARGATE: Final[Mapping[int, range | tuple[int, ...]]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16_384 + 1, 1024),
    4096: range(8192, 30_720 + 1, 1024),
    8192: range(16_384, 61_440 + 1, 4096),
    16_384: range(32_768, 122_880 + 1, 8192),
}

#: Members of a container definition that need what localaws does not have.
UNSUPPORTED: Final = (
    "secrets",
    "environmentFiles",
    "mountPoints",
    "volumesFrom",
    "dependsOn",
    "links",
    "repositoryCredentials",
    "firelensConfiguration",
    "resourceRequirements",
    "credentialSpecs",
)

_CONTAINER_DEFAULTS: Final[Mapping[str, Any]] = {
    "cpu": 0,
    "portMappings": [],
    "essential": True,
    "environment": [],
    "mountPoints": [],
    "volumesFrom": [],
    "systemControls": [],
}


@dataclass(frozen=True, slots=True)
class Definition:
    """One revision of a family. `body` holds what was registered, completed with ECS's defaults."""

    family: str
    revision: int
    arn: str
    body: Json
    registered_at: float
    registered_by: str
    tags: Tags = field(default_factory=dict)
    deregistered_at: float | None = None

    @property
    def active(self) -> bool:
        return self.deregistered_at is None

    @property
    def awsvpc(self) -> bool:
        return bool(self.body["networkMode"] == "awsvpc")

    @property
    def containers(self) -> list[Json]:
        return list(self.body["containerDefinitions"])

    def describe(self) -> Json:
        shown = self.body | {
            "taskDefinitionArn": self.arn,
            "family": self.family,
            "revision": self.revision,
            "status": "ACTIVE" if self.active else "INACTIVE",
            "requiresAttributes": [],
            "compatibilities": ["EC2", "FARGATE"] if _fits_fargate(self.body) else ["EC2"],
            "registeredAt": round(self.registered_at, 3),
            "registeredBy": self.registered_by,
        }
        return shown | ({} if self.deregistered_at is None else {"deregisteredAt": round(self.deregistered_at, 3)})


def complete(params: Mapping[str, Any]) -> Json:
    """The definition's body from a request's checked parameters. Raises ClientException."""
    if not _NAME.match(params["family"]):
        raise client_error("Family contains invalid characters." if params["family"] else "Family can not be blank.")
    if not params["containerDefinitions"]:
        raise client_error("Container list cannot be empty.")
    if params.get("volumes"):
        raise client_error("localaws does not support volumes.")
    body: Json = {name: value for name, value in params.items() if name not in {"tags", "family"}}
    body.setdefault("networkMode", "bridge")
    body.setdefault("volumes", [])
    body.setdefault("placementConstraints", [])
    body["containerDefinitions"] = [_complete_container(one, body) for one in params["containerDefinitions"]]
    names = [one["name"] for one in body["containerDefinitions"]]
    if len(set(names)) < len(names):
        raise client_error("Container names must be unique within a task definition.")
    if not any(one["essential"] for one in body["containerDefinitions"]):
        raise client_error("A task definition must have at least one essential container.")
    if "FARGATE" in body.get("requiresCompatibilities", ()):
        _check_fargate(body)
    return body


def _complete_container(given: Mapping[str, Any], task: Mapping[str, Any]) -> Json:
    name = given.get("name", "")
    if not _NAME.match(name):
        raise client_error(
            "Container.name contains invalid characters." if name else "Container.name can not be blank."
        )
    if not given.get("image"):
        raise client_error("Container.image should not be null or empty.")
    for member in UNSUPPORTED:
        if given.get(member):
            raise client_error(f"localaws does not support {member} (container '{name}').")
    if not (given.get("memory") or given.get("memoryReservation") or task.get("memory")):
        raise client_error(
            f"Invalid setting for container '{name}'. "
            "At least one of 'memory' or 'memoryReservation' must be specified."
        )
    if given.get("privileged"):
        # Whoever may register a definition here would own the machine.
        raise client_error(f"Container '{name}': privileged containers are not supported.")
    if not 0 <= given.get("stopTimeout", 0) <= 120:
        raise client_error(f"Invalid setting for container '{name}'. stopTimeout must be between 0 and 120.")
    container = dict(_CONTAINER_DEFAULTS) | dict(given)
    container["portMappings"] = [_complete_port(port, task) for port in container["portMappings"]]
    return container


def _complete_port(port: Mapping[str, Any], task: Mapping[str, Any]) -> Json:
    mapping = {"protocol": "tcp"} | dict(port)
    if task["networkMode"] in {"awsvpc", "host"}:
        mapping.setdefault("hostPort", mapping.get("containerPort", 0))
        if mapping["hostPort"] != mapping.get("containerPort"):
            raise client_error(
                "When networkMode=awsvpc, the host ports and container ports in port mappings must match."
            )
    return mapping


def _check_fargate(body: Mapping[str, Any]) -> None:
    if body["networkMode"] != "awsvpc":
        raise client_error("Fargate only supports network mode 'awsvpc'.")
    if not _fits_fargate(body):
        raise client_error(
            f"No Fargate configuration exists for given values: {body.get('cpu')} CPU, {body.get('memory')} memory."
        )


def _fits_fargate(body: Mapping[str, Any]) -> bool:
    cpu, memory = str(body.get("cpu", "")), str(body.get("memory", ""))
    known = cpu.isdecimal() and memory.isdecimal()
    return body["networkMode"] == "awsvpc" and known and int(memory) in FARGATE.get(int(cpu), ())
