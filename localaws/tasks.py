"""A task's record, and the only ways in which it changes.

Pure: a change takes the record and returns the next one, with a higher version; a change that no longer fits returns
the record as it was. Whoever stores records compares the two and tells the world of a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from localaws.containers import Exit
from localaws.tags import Tags

#: Seconds for which a stopped task can still be described.
DESCRIBABLE: Final = 3600.0


class Status(StrEnum):
    PROVISIONING = "PROVISIONING"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    DEPROVISIONING = "DEPROVISIONING"
    STOPPED = "STOPPED"


class StopCode(StrEnum):
    TASK_FAILED_TO_START = "TaskFailedToStart"
    ESSENTIAL_CONTAINER_EXITED = "EssentialContainerExited"
    USER_INITIATED = "UserInitiated"
    TERMINATION_NOTICE = "TerminationNotice"


#: What may follow what. STOPPING is for tasks that were told to stop; those that end by themselves skip it.
NEXT: Final[Mapping[Status, frozenset[Status]]] = {
    Status.PROVISIONING: frozenset({Status.PENDING, Status.DEPROVISIONING}),
    Status.PENDING: frozenset({Status.RUNNING, Status.STOPPING, Status.DEPROVISIONING}),
    Status.RUNNING: frozenset({Status.STOPPING, Status.DEPROVISIONING}),
    Status.STOPPING: frozenset({Status.DEPROVISIONING}),
    Status.DEPROVISIONING: frozenset({Status.STOPPED}),
    Status.STOPPED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a task is reached."""

    ip: str
    mac: str


@dataclass(frozen=True, slots=True)
class Interface:
    """A task's elastic network interface. It has an id as soon as it has an address."""

    attachment_id: str
    eni_id: str
    subnet: str
    security_groups: tuple[str, ...] = ()
    public: bool = False
    status: str = "PRECREATED"
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class Container:
    arn: str
    name: str
    image: str
    essential: bool
    cpu: int
    memory: int | None = None
    status: str = "PENDING"
    runtime_id: str | None = None
    image_digest: str | None = None
    exit_code: int | None = None
    reason: str | None = None

    @property
    def ended(self) -> bool:
        return self.status == "STOPPED"


@dataclass(frozen=True, slots=True)
class Started:
    """What a driver says of a task that it has started: where it is, and what each container is known as there."""

    address: Address | None
    runtime_ids: Mapping[str, str]
    image_digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """All that ECS knows of a task. Times are epoch seconds."""

    id: str
    arn: str
    cluster: str
    cluster_arn: str
    definition_arn: str
    family: str
    revision: int
    group: str
    launch_type: str
    zone: str
    containers: tuple[Container, ...]
    overrides: dict[str, Any]
    created_at: float
    updated_at: float
    interface: Interface | None = None
    version: int = 1
    last_status: Status = Status.PROVISIONING
    desired_status: Status = Status.RUNNING
    cpu: str | None = None
    memory: str | None = None
    started_by: str | None = None
    platform_version: str | None = None
    capacity_provider: str | None = None
    tags: Tags = field(default_factory=dict)
    connectivity_at: float | None = None
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    started_at: float | None = None
    stopping_at: float | None = None
    execution_stopped_at: float | None = None
    stopped_at: float | None = None
    stop_code: StopCode | None = None
    stopped_reason: str | None = None

    @property
    def ending(self) -> bool:
        return self.desired_status is Status.STOPPED

    @property
    def over(self) -> bool:
        return self.last_status is Status.STOPPED

    @property
    def begun(self) -> bool:
        """Whether its containers have been started, or can no longer be."""
        return self.last_status not in {Status.PROVISIONING, Status.PENDING}

    @property
    def containers_ended(self) -> bool:
        return all(container.ended for container in self.containers)

    def forgotten(self, now: float) -> bool:
        return self.stopped_at is not None and now - self.stopped_at > DESCRIBABLE


def _changed(task: Task, at: float, **changes: Any) -> Task:
    return replace(task, version=task.version + 1, updated_at=at, **changes)


def _moved(task: Task, to: Status, at: float, **changes: Any) -> Task:
    return _changed(task, at, last_status=to, **changes) if to in NEXT[task.last_status] else task


def provisioned(task: Task, address: Address | None, at: float) -> Task:
    """It has a place to run, and its address where that is known before it runs."""
    return _moved(
        task, Status.PENDING, at, connectivity_at=at, pull_started_at=at, interface=_located(task.interface, address)
    )


def _located(interface: Interface | None, address: Address | None) -> Interface | None:
    if interface is None or address is None:
        return interface
    return replace(interface, address=address, status="ATTACHED")


def running(task: Task, started: Started, at: float) -> Task:
    """Its containers were started. One that has ended since keeps its end; a task that is to stop never is RUNNING."""
    containers = tuple(
        replace(
            container,
            status="STOPPED" if container.ended else "RUNNING",
            runtime_id=started.runtime_ids.get(container.name),
            image_digest=started.image_digests.get(container.name),
        )
        for container in task.containers
    )
    facts = {
        "containers": containers,
        "interface": _located(task.interface, started.address),
        "pull_stopped_at": at,
    }
    if task.ending:
        to = Status.DEPROVISIONING if all(one.ended for one in containers) else Status.STOPPING
        return _moved(task, to, at, **facts)
    return _moved(task, Status.RUNNING, at, started_at=at, **facts)


def failed_to_start(task: Task, reason: str, at: float) -> Task:
    """No container of it runs, nor will. Where it was to stop anyway, that stays the reason."""
    if task.begun:
        return task
    first, *others = task.containers
    containers = (first if task.ending else replace(first, reason=reason), *others)
    return _moved(
        task,
        Status.DEPROVISIONING,
        at,
        desired_status=Status.STOPPED,
        containers=tuple(replace(one, status="STOPPED") for one in containers),
        stopping_at=task.stopping_at or at,
        execution_stopped_at=at,
        stop_code=task.stop_code or StopCode.TASK_FAILED_TO_START,
        stopped_reason=task.stopped_reason or reason,
    )


def stop_asked(task: Task, code: StopCode, reason: str, at: float) -> Task:
    """Somebody wants it to end. The first to ask decides what is said about it."""
    if task.ending:
        return task
    return _changed(
        task,
        at,
        desired_status=Status.STOPPED,
        stop_code=code,
        stopped_reason=reason,
        stopping_at=task.stopping_at or at,
    )


def stopping(task: Task, at: float) -> Task:
    """Its containers are being told to end."""
    return _moved(task, Status.STOPPING, at) if task.begun else task


def container_ended(task: Task, name: str, ended: Exit, at: float) -> Task:
    """A container ended; where it was essential, the task is to stop."""
    if not any(one.name == name and not one.ended for one in task.containers):
        return task
    containers = tuple(
        replace(one, status="STOPPED", exit_code=ended.code, reason=ended.reason) if one.name == name else one
        for one in task.containers
    )
    changes: dict[str, Any] = {"containers": containers}
    if all(one.ended for one in containers):
        changes["execution_stopped_at"] = at
    essential = any(one.name == name and one.essential for one in containers)
    if (essential or all(one.ended for one in containers)) and not task.ending:
        changes |= {
            "desired_status": Status.STOPPED,
            "stop_code": StopCode.ESSENTIAL_CONTAINER_EXITED,
            "stopped_reason": "Essential container in task exited",
            "stopping_at": at,
        }
    if task.begun and all(one.ended for one in containers):
        return _moved(task, Status.DEPROVISIONING, at, **changes)
    return _changed(task, at, **changes)


def stopped(task: Task, at: float) -> Task:
    """Nothing is left of it but this record. ECS forgets a stopped task's tags."""
    interface = task.interface and replace(task.interface, status="DELETED")
    return _moved(task, Status.STOPPED, at, stopped_at=at, interface=interface, tags={})
