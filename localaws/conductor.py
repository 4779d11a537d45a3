"""Runs tasks: the one door through which a task's record changes, and the threads that make it true.

A change is stored together with its event; only then is it acted upon. So whatever ends this process, `resume` finds
in the state file what should run, and from the driver what does, and repairs both ways.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from localaws import tasks
from localaws.containers import STOP_TIMEOUT, Exit, Launch, specs
from localaws.drivers import CannotStart, Driver, DriverDown
from localaws.faults import FaultSwitches
from localaws.outbox import Outbox
from localaws.state import State
from localaws.tasks import Started, StopCode, Task
from wallcrawler import log as logs

log = logs.get()

#: Tasks that are started, or stopped, at the same time.
HANDS: Final = 64

#: Seconds until what a driver could not do is tried again.
RETRY_AFTER: Final = 1.0

GONE: Final = Exit(None, "ContainerRuntimeError: the container is gone")


class Conductor:
    """Starts, watches and ends tasks. `failed` is told of what should never happen in one of its threads."""

    def __init__(
        self,
        state: State,
        outbox: Outbox,
        driver: Driver,
        faults: FaultSwitches,
        *,
        now: Callable[[], float],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._state = state
        self._outbox = outbox
        self._driver = driver
        self._faults = faults
        self._now = now
        self._failed = failed
        self._hands = ThreadPoolExecutor(HANDS, thread_name_prefix="conductor")
        #: For each task that has not begun: set when it is told to stop.
        self._stops: dict[str, threading.Event] = {}
        self._being_stopped: set[str] = set()
        self._over = threading.Condition()
        self._closed = threading.Event()
        self._grace_limit = float("inf")
        driver.watch(self._container_ended)

    def add(self, task: Task) -> None:
        """A new record, with its first event. Inside a transaction; `begin` it after that."""
        self._state.put_task(task)
        self._outbox.put(task)

    def begin(self, task: Task) -> None:
        """Start a task that was added."""
        self._outbox.ring()
        self._stops[task.id] = threading.Event()
        self._do(self._begin, task.id)

    def change(self, task_id: str, change: Callable[..., Task], *given: Any) -> Task:
        """The one door: `change(record, *given, now)` is stored with its event, if it changed anything."""
        with self._state.transaction():
            before = self._task(task_id)
            after = change(before, *given, self._now())
            if after is before:
                return before
            self._state.put_task(after)
            self._outbox.put(after)
        self._outbox.ring()
        log.info("task.changed", task=task_id, status=after.last_status, desired=after.desired_status, v=after.version)
        return after

    def _task(self, task_id: str) -> Task:
        task = self._state.task(task_id)
        if task is None:
            raise KeyError(task_id)
        return task

    def _begin(self, task_id: str) -> None:
        task = self.change(task_id, tasks.provisioned, self._driver.reserve(task_id))
        # A task that is told to stop before it began need not begin.
        self._stops[task_id].wait(self._faults.now.slow_start)
        if self._closed.is_set():
            return
        if self._task(task_id).ending:
            self.change(task_id, tasks.failed_to_start, "")
        else:
            try:
                started = self._driver.start(self._launch(task))
            except CannotStart as reason:
                self.change(task_id, tasks.failed_to_start, str(reason))
            else:
                self.change(task_id, tasks.running, started)
        self._stops.pop(task_id, None)
        self._settle(task_id)

    def _launch(self, task: Task) -> Launch:
        definition = self._state.definition(task.family, task.revision)
        if definition is None:
            raise CannotStart(f"ResourceInitializationError: {task.definition_arn} is gone")
        return Launch(
            task_id=task.id,
            task_arn=task.arn,
            cluster_arn=task.cluster_arn,
            family=task.family,
            revision=task.revision,
            containers=specs(definition, task.overrides),
        )

    def stop(self, task_id: str, *, code: StopCode, reason: str) -> Task:
        """Have a task end. Returns at once; repeating it changes nothing."""
        task = self.change(task_id, tasks.stop_asked, code, reason)
        if asked := self._stops.get(task_id):
            asked.set()
        self._do(self._settle, task_id)
        return task

    def _container_ended(self, task_id: str, name: str, ended: Exit) -> None:
        """From the driver, in one of its threads."""
        if self._closed.is_set() or self._state.task(task_id) is None:
            return
        log.info("container.ended", task=task_id, container=name, exit_code=ended.code, reason=ended.reason)
        self.change(task_id, tasks.container_ended, name, ended)
        self._do(self._settle, task_id)

    def _settle(self, task_id: str) -> None:
        """Where a task is to end, go on with that. Safe to repeat, and in several threads at once."""
        task = self._task(task_id)
        if not task.ending or not task.begun or task.over:
            return
        if not task.containers_ended:
            self._stop_containers(task)
            return
        self._driver.remove(task_id)
        self.change(task_id, tasks.stopped)
        with self._over:
            self._being_stopped.discard(task_id)
            self._over.notify_all()

    def _stop_containers(self, task: Task) -> None:
        """Tell them to end, once: a second SIGTERM would hurry them. Their ends are told by the driver."""
        with self._over:
            if task.id in self._being_stopped:
                return
            self._being_stopped.add(task.id)
        self.change(task.id, tasks.stopping)
        definition = self._state.definition(task.family, task.revision)
        grace = {one.name: one.stop_timeout for one in specs(definition, task.overrides)} if definition else {}
        try:
            self._driver.stop(
                task.id,
                grace={one.name: min(grace.get(one.name, STOP_TIMEOUT), self._grace_limit) for one in task.containers},
            )
        except DriverDown:
            with self._over:
                self._being_stopped.discard(task.id)
            raise

    def resume(self) -> None:
        """Go on where the last process stopped: what runs is found again, what does not run is told to have ended."""
        found = self._driver.find()
        live = {task.id: task for task in self._state.live_tasks()}
        for task in live.values():
            if task.id in found:
                self._adopt(task, found[task.id])
            elif task.begun:
                self._lose(task, {one.name for one in task.containers})
            else:
                self.begin(task)
        for orphan in found.keys() - live.keys():
            log.warning("task.orphan_removed", task=orphan)
            self._driver.stop(orphan, grace={})
            self._driver.remove(orphan)

    def _adopt(self, task: Task, started: Started) -> None:
        log.info("task.found_again", task=task.id)
        self.change(task.id, tasks.provisioned, started.address)
        self.change(task.id, tasks.running, started)
        self._lose(task, {one.name for one in task.containers} - started.runtime_ids.keys())

    def _lose(self, task: Task, names: set[str]) -> None:
        """Containers that should be there, and are not."""
        for name in names:
            self.change(task.id, tasks.container_ended, name, GONE)
        self._do(self._settle, task.id)

    def _do(self, work: Callable[[str], None], task_id: str) -> None:
        if not self._closed.is_set():
            self._hands.submit(self._work, work, task_id)

    def _work(self, work: Callable[[str], None], task_id: str) -> None:
        try:
            work(task_id)
        except DriverDown as down:
            log.warning("driver.down", task=task_id, why=str(down))
            if not self._closed.wait(RETRY_AFTER):
                self._do(work, task_id)
        except BaseException as broken:  # noqa: BLE001 - a pool's thread would swallow it; the process shall end
            self._failed(broken)

    def close(self, *, keep: bool, within: float) -> None:
        """Stop what runs, unless it is to be kept, and wait for that; what takes longer is killed."""
        if not keep:
            self._grace_limit = within
            for task in self._state.live_tasks():
                self.stop(task.id, code=StopCode.TERMINATION_NOTICE, reason="localaws was stopped")
            with self._over:
                self._over.wait_for(lambda: self._state.count_live() == 0, timeout=within + 2)
        self._closed.set()
        self._driver.close(keep=keep)
        for asked in list(self._stops.values()):
            asked.set()
        self._hands.shutdown(wait=True, cancel_futures=True)
