"""What a driver is told about the containers of a task: the definition, with the run's overrides on top. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from localaws.definitions import Definition, Json

#: Seconds from SIGTERM to SIGKILL where the definition names none.
STOP_TIMEOUT: Final = 30.0

OUT_OF_MEMORY: Final = "OutOfMemoryError: Container killed due to memory usage"


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container to start. `entry_point` and `command` are None where the image decides."""

    name: str
    image: str
    essential: bool
    entry_point: tuple[str, ...] | None
    command: tuple[str, ...] | None
    environment: Mapping[str, str]
    stop_timeout: float
    #: CPU units, 1024 to a core; 0 is no limit.
    cpu: int
    #: MiB; None is no limit.
    memory: int | None
    #: The container definition, for what only one driver knows how to do.
    definition: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Launch:
    """One task to start."""

    task_id: str
    task_arn: str
    cluster_arn: str
    family: str
    revision: int
    containers: tuple[ContainerSpec, ...]


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended. `code` is None where nobody knows."""

    code: int | None
    reason: str | None = None


def ending(code: int, *, out_of_memory: bool) -> Exit:
    """How ECS tells of a container that ended with this status: where the kernel killed for memory, it says so."""
    return Exit(code, OUT_OF_MEMORY if out_of_memory else None)


def specs(definition: Definition, overrides: Mapping[str, Any]) -> tuple[ContainerSpec, ...]:
    """The containers of a run, in the definition's order."""
    by_name = {one["name"]: one for one in overrides.get("containerOverrides", ())}
    cpu = int(overrides.get("cpu") or definition.body.get("cpu") or 0)
    memory = int(overrides.get("memory") or definition.body.get("memory") or 0)
    return tuple(_spec(one, by_name.get(one["name"], {}), cpu, memory) for one in definition.containers)


def _spec(container: Json, override: Mapping[str, Any], task_cpu: int, task_memory: int) -> ContainerSpec:
    environment = {pair["name"]: pair["value"] for pair in container["environment"]}
    environment |= {pair["name"]: pair["value"] for pair in override.get("environment", ())}
    return ContainerSpec(
        name=container["name"],
        image=container["image"],
        essential=container["essential"],
        entry_point=_words(container.get("entryPoint")),
        command=_words(override.get("command") or container.get("command")),
        environment=environment,
        stop_timeout=float(container.get("stopTimeout", STOP_TIMEOUT)),
        cpu=override.get("cpu") or container["cpu"] or task_cpu,
        memory=override.get("memory") or container.get("memory") or task_memory or None,
        definition=container,
    )


def _words(given: list[str] | None) -> tuple[str, ...] | None:
    return tuple(given) if given else None
