"""Fleets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.characters.sources import Feed
from wallcrawler.errors import LaunchFailed, TryLater
from wallcrawler.messages import TaskChanged
from wallcrawler.ports import Launch, Source, Task, TaskStatus


class PaperFleet:
    """Keeps the promises of a fleet on paper: tasks are records and nothing runs. A stop is asked for, and happens
    when the test says so."""

    address: str | None = "127.0.0.1:9223"
    status = TaskStatus.RUNNING

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self.launches: list[Launch] = []
        self.stops: list[tuple[str, str | None, str]] = []
        self.feed = Feed()

    def run(self, launch: Launch) -> Task:
        known = self._tasks.get(launch.session_id)
        if known is not None:
            return known
        self.launches.append(launch)
        return self._tell(
            Task(f"paper/{launch.session_id}", launch.session_id, self.status, version=1, address=self.address)
        )

    def _tell(self, task: Task) -> Task:
        self._tasks[task.session_id] = task
        self.feed.put(TaskChanged.of(task).as_wire())
        return task

    def stop(self, session_id: str, *, task: str | None, reason: str) -> Task | None:
        self.stops.append((session_id, task, reason))
        return self._tasks.get(session_id)

    def tasks(self) -> list[Task]:
        return [task for task in self._tasks.values() if task.status is not TaskStatus.STOPPED]

    def events(self) -> Source:
        return self.feed

    def read(self, body: Mapping[str, Any]) -> Task | None:
        return TaskChanged.from_wire(body).task

    def close(self) -> None:
        for task in self.tasks():
            self.ends(task.session_id)

    def ends(self, session_id: str, **how: Any) -> Task:
        """The task of this session has stopped; `how` are fields of Task that tell why."""
        task = self._tasks[session_id]
        return self._tell(replace(task, status=TaskStatus.STOPPED, version=task.version + 1, **how))

    def locates(self, session_id: str, address: str) -> Task:
        """The task's address is known now."""
        task = self._tasks[session_id]
        return self._tell(replace(task, address=address, version=task.version + 1))

    def forgets(self, session_id: str) -> None:
        """The task is gone, and nobody was told."""
        del self._tasks[session_id]


class NeverReadyFleet(PaperFleet):
    """Takes every task, and not one of them ever comes up."""

    address = None
    status = TaskStatus.PENDING


class RefusesToLaunch(PaperFleet):
    """Starts nothing, and says why."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self._why = why

    def run(self, launch: Launch) -> Task:
        raise LaunchFailed(self._why)


class BusyFleet(PaperFleet):
    """Asks to come back later, the first times that a task is wanted."""

    def __init__(self, *, times: int) -> None:
        super().__init__()
        self._left = times

    def run(self, launch: Launch) -> Task:
        if self._left > 0:
            self._left -= 1
            raise TryLater("the fleet is busy", after=2)
        return super().run(launch)


class Died(Exception):
    """The process is gone in the middle of what it did."""


class DiesBetweenRunAndRecord(PaperFleet):
    """Starts the task, and the first process that asked dies before it can write that down."""

    def __init__(self) -> None:
        super().__init__()
        self._died = False

    def run(self, launch: Launch) -> Task:
        task = super().run(launch)
        if not self._died:
            self._died = True
            raise Died
        return task


class SlowToLaunch(PaperFleet):
    """Takes its time to start a task; `meanwhile` is what happens until it has."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def run(self, launch: Launch) -> Task:
        task = super().run(launch)
        self._meanwhile()
        return task
