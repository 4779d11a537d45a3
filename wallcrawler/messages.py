"""What goes over the queues: versioned JSON records, and the names of the tasks that take them.

Producers enqueue by name and import no task. No message holds a secret: it names a session, and whoever needs more
reads the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from wallcrawler.lifecycle import State
from wallcrawler.ports import Task, TaskStatus

#: The version that every body carries as `v`. A reader refuses a newer one, so that an old worker loses nothing.
WIRE_VERSION: Final = 1

PROVISION: Final = "wallcrawler.provision"
RELEASE: Final = "wallcrawler.release"
TASK_CHANGED: Final = "wallcrawler.task_changed"
SESSION_CHANGED: Final = "wallcrawler.session_changed"
SWEEP: Final = "wallcrawler.sweep"

#: Kinds of work have queues of their own: a slow provision never delays a release.
QUEUES: Final[Mapping[str, str]] = {
    PROVISION: "provision",
    RELEASE: "release",
    TASK_CHANGED: "task-events",
    SESSION_CHANGED: "notify",
    SWEEP: "sweep",
}


class UnreadableMessage(ValueError):
    """The body is not of a version that this process reads."""


@dataclass(frozen=True, slots=True)
class _Message:
    def as_wire(self) -> dict[str, Any]:
        return {"v": WIRE_VERSION} | {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """Raises UnreadableMessage."""
        if wire.get("v") != WIRE_VERSION:
            raise UnreadableMessage(f"{cls.__name__} of version {wire.get('v')!r}, this process reads {WIRE_VERSION}")
        try:
            return cls(**{name: value for name, value in wire.items() if name in cls.__dataclass_fields__})
        except TypeError as missing:
            raise UnreadableMessage(f"{cls.__name__}: {missing}") from None


@dataclass(frozen=True, slots=True)
class TaskChanged(_Message):
    """A task of the fleet changed; the fields are those of ports.Task."""

    id: str
    session_id: str
    status: str
    version: int
    address: str | None = None
    exit_code: int | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    out_of_memory: bool = False

    @classmethod
    def of(cls, task: Task) -> TaskChanged:
        return cls(**asdict(task) | {"status": str(task.status)})

    @property
    def task(self) -> Task:
        return Task(**asdict(self) | {"status": TaskStatus(self.status)})


@dataclass(frozen=True, slots=True)
class SessionChanged(_Message):
    """A session's record changed; `before` is None for a new one."""

    session_id: str
    version: int
    after: str
    before: str | None = None
    traceparent: str | None = None

    @property
    def moved(self) -> bool:
        return self.before != self.after

    @property
    def state(self) -> State:
        return State(self.after)

    @classmethod
    def of_images(cls, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> SessionChanged:
        """From the two images of an item of the sessions table."""
        return cls(
            session_id=new["sessionId"],
            version=new["version"],
            after=new["status"],
            before=old["status"] if old else None,
            traceparent=new.get("traceparent"),
        )
