"""What runs the containers of tasks: one of these modules, chosen by `LOCALAWS_DRIVER`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from localaws.containers import Exit, Launch
from localaws.tasks import Address, Started

#: Told of each container that ended: task id, container's name, how. At least once for each.
Ended = Callable[[str, str, Exit], None]


class CannotStart(Exception):
    """The containers of a task can't be started; the text is the reason as ECS words it."""


class DriverDown(Exception):
    """What runs containers does not answer; the call may be repeated later."""


class Driver(Protocol):
    """Runs containers.

    1. `find` returns the tasks whose containers this instance has started and not removed, each with the address that
       it has. From then on their ends are told, as those of all others; those that ended before are told at once.
    2. `reserve` gives the address that a task will have, where that can be known before it starts.
    3. `start` returns when all containers of the task have been started, or raises CannotStart and leaves none.
    4. `stop` tells the containers to end, kills those that take longer than they may, and returns when none runs.
       What does not run is not an error.
    5. `remove` takes away what is left of a task's containers, but for its logs. It may be repeated.
    6. `stop` and `remove` raise DriverDown where nothing can be done for now.
    7. `close` tells no more ends. What runs then keeps running only where `keep` says so.
    """

    def watch(self, ended: Ended) -> None:
        """Whom to tell. Called once, before anything else."""
        ...

    def find(self) -> Mapping[str, Started]: ...

    def reserve(self, task_id: str) -> Address | None: ...

    def start(self, launch: Launch) -> Started: ...

    def stop(self, task_id: str, *, grace: Mapping[str, float]) -> None:
        """`grace` gives each container's seconds from SIGTERM to SIGKILL."""
        ...

    def remove(self, task_id: str) -> None: ...

    def logs(self, task_id: str, container: str) -> bytes:
        """The end of what a container has written."""
        ...

    def close(self, *, keep: bool) -> None: ...
