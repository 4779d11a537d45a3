"""A fleet without browsers: each task is a thread that speaks to the API exactly as a guest does.

Everything else around it is real: API, Celery, Valkey, tables. Its feed can be made to repeat, reorder and lose.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from tests.eventually import eventually
from tests.platform import Platform, running
from wallcrawler.errors import LaunchFailed
from wallcrawler.messages import TaskChanged
from wallcrawler.ports import Delivery, Launch, Source, Task, TaskStatus


@dataclass(slots=True)
class Script:
    """What a task does. Seconds."""

    #: Until it reports BROWSER_UP; None: never.
    up_after: float | None = 0.0
    #: Until it stops by itself, counted from BROWSER_UP or from its start; None: when it is stopped.
    dies_after: float | None = None
    exit_code: int = 1
    out_of_memory: bool = False
    #: Refuse to start at all, with this reason.
    refused: str | None = None
    #: Raise after the task was started and before anybody knows: a worker that is killed between run and record.
    dies_in_run: bool = False


Twist = Callable[[TaskChanged], Sequence[TaskChanged]]


@dataclass
class ScriptedFleet:
    """The Fleet port. `next` is the script of the tasks to come, `twist` what becomes of an event on its way."""

    next: Script = field(default_factory=Script)
    twist: Twist = field(default=lambda event: [event])
    api_url: str = ""
    runs: int = 0

    def __post_init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._stops: dict[str, threading.Event] = {}
        self._lock = threading.RLock()
        self._feed: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def run(self, launch: Launch) -> Task:
        with self._lock:
            self.runs += 1
            if known := self._tasks.get(launch.session_id):
                return known
            script = self.next
            if script.refused:
                raise LaunchFailed(script.refused)
            number = len(self._tasks) + 1
            task = Task(f"scripted/{number}", launch.session_id, TaskStatus.RUNNING, 1, f"127.0.0.1:{40_000 + number}")
            self._tasks[launch.session_id] = task
            self._stops[launch.session_id] = threading.Event()
            guest = threading.Thread(target=self._live, args=(launch, task, script), daemon=True)
            self._threads.append(guest)
            guest.start()
        self._tell(task)
        if script.dies_in_run:
            raise DiedInRun
        return task

    def _live(self, launch: Launch, task: Task, script: Script) -> None:
        stopped = self._stops[task.session_id]
        if script.up_after is not None and not stopped.wait(script.up_after):
            self._report(launch, "BROWSER_UP")
        ended_by_itself = not stopped.wait(script.dies_after)
        if not ended_by_itself:
            self._report(launch, "DRAINED")
        self._set(
            replace(
                task,
                status=TaskStatus.STOPPED,
                version=2,
                exit_code=script.exit_code if ended_by_itself else 0,
                stop_code=f"exit_{script.exit_code}" if ended_by_itself else "exit_0",
                out_of_memory=script.out_of_memory and ended_by_itself,
            )
        )

    def _report(self, launch: Launch, event: str) -> None:
        answer = httpx.post(
            f"{self.api_url}/guest/v1/sessions/{launch.session_id}/reports",
            json={"event": event},
            headers={"Authorization": f"Bearer {launch.guest_token}"},
            timeout=10,
        )
        # A guest whose session is nobody's is refused, and that is final.
        assert answer.status_code in {200, 401}, answer.text

    def _set(self, task: Task) -> None:
        with self._lock:
            self._tasks[task.session_id] = task
        self._tell(task)

    def _tell(self, task: Task) -> None:
        for event in self.twist(TaskChanged.of(task)):
            self._feed.put(Delivery(event.as_wire()))

    def send_again(self, events: Sequence[TaskChanged]) -> None:
        for event in events:
            self._feed.put(Delivery(event.as_wire()))

    def forget(self, session_id: str) -> None:
        """Lose the task without a word, as a machine that is switched off does."""
        with self._lock:
            del self._tasks[session_id]

    def stop(self, session_id: str, *, task: str | None, reason: str) -> Task | None:
        with self._lock:
            if session_id in self._stops:
                self._stops[session_id].set()
            return self._tasks.get(session_id)

    def tasks(self) -> list[Task]:
        with self._lock:
            return [task for task in self._tasks.values() if task.status is not TaskStatus.STOPPED]

    def events(self) -> Source:
        return _Feed(self._feed)

    def read(self, body: Mapping[str, Any]) -> Task | None:
        return TaskChanged.from_wire(body).task

    def close(self) -> None:
        for stop in self._stops.values():
            stop.set()
        for thread in self._threads:
            thread.join(5)


class DiedInRun(Exception):
    """The worker is gone before it could record what it ran."""


class _Feed:
    def __init__(self, feed: queue.SimpleQueue[Delivery]) -> None:
        self._feed = feed

    def receive(self, wait: float) -> Sequence[Delivery]:
        try:
            return [self._feed.get(timeout=wait)]
        except queue.Empty:
            return []

    def ack(self, delivery: Any) -> None:
        """What was taken is the pump's."""

    def hold(self, deliveries: Sequence[Delivery]) -> None:
        """Likewise."""


@contextmanager
def scripted(home: Path, **settings: Any) -> Iterator[Platform]:
    """An instance with such a fleet, which tests of a module may share where none of them breaks anything."""
    fleet = ScriptedFleet()
    with running(home, fleet=fleet, **{"concurrency": 50} | settings) as platform:
        fleet.api_url = platform.url
        yield platform


@contextmanager
def released_after(platform: Platform) -> Iterator[Platform]:
    """It, for one test, of which it keeps no session."""
    yield platform
    for session in platform.http.get("/v1/sessions", params={"status": "RUNNING"}).json():
        platform.release(session["id"])
    eventually(platform.settled)
