"""A Celery worker, and its beat, as threads of this process.

Celery means a worker to be a process of its own, and keeps its event loop, its current app and its stop flag in
variables of the process. None of them is used here: the loop blocks on its own connection, every thread of the pool is
told its app, and the worker is stopped as an object. So workers of several instances can run side by side.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from celery import Celery
from celery.beat import EmbeddedService
from celery.concurrency.thread import TaskPool
from celery.exceptions import WorkerShutdown
from celery.worker import WorkController

from wallcrawler.errors import SettingsError

#: Seconds for a worker to connect to its broker, and for one to finish what it does.
START_WITHIN = 15.0
STOP_WITHIN = 15.0

#: Seconds that the loop waits for a job before it looks whether it should end.
LOOK_EVERY = 0.25


class _Pool(TaskPool):  # type: ignore[misc]
    """Threads that know which app they work for: Celery looks the task up in the current one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.executor = ThreadPoolExecutor(self.limit, thread_name_prefix="job", initializer=self.app.set_current)


class _Controller(WorkController):  # type: ignore[misc]
    """The worker without a command line's signal handlers and banner, which only a main thread may have."""

    def on_before_init(self, **_: Any) -> None:
        self.ready = threading.Event()

    def should_use_eventloop(self) -> bool:
        return False

    def on_consumer_ready(self, consumer: Any) -> None:
        self.ready.set()


class _Loop:
    """Celery's blocking loop (celery.worker.loops.synloop, whose arguments these are) with a stop flag of its own."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        #: Whether it turns; without its broker a worker is busy connecting.
        self.turning = False

    def __call__(
        self, worker: Any, connection: Any, consumer: Any, _blueprint: Any, _hub: Any, qos: Any, *_: Any, **__: Any
    ) -> None:
        consumer.on_message = worker.create_task_handler()
        consumer.consume()
        worker.on_ready()
        self.turning = True
        try:
            while not self.stopping.is_set():
                if qos.prev != qos.value:
                    qos.update()
                worker.perform_pending_operations()
                with suppress(TimeoutError):
                    connection.drain_events(timeout=LOOK_EVERY)
        finally:
            self.turning = False
        raise WorkerShutdown(0)


class ThreadedWorker:
    """One worker that takes jobs from these queues; `beat` has it send the scheduled ones as well.

    `app` is this worker's own. Kinds of work that must not wait for each other have workers of their own.
    """

    def __init__(self, app: Celery, *, queues: Sequence[str], threads: int, beat: bool = False) -> None:
        app.finalize()
        # Consumers of a queue that no route names would be refused.
        app.amqp.queues.select(queues)
        self._controller = _Controller(
            app=app,
            pool=_Pool,
            concurrency=threads,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )
        self._controller.consumer.loop = self._loop = _Loop()
        self._thread = threading.Thread(target=self._controller.start, name="worker", daemon=True)
        self._beat = EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler") if beat else None

    def start(self) -> None:
        """Returns when jobs are being taken. Raises SettingsError where the broker does not answer."""
        self._thread.start()
        if not self._controller.ready.wait(START_WITHIN):
            raise SettingsError("REDIS_URL: the worker could not connect to its broker")
        if self._beat is not None:
            self._beat.start()

    def stop(self) -> None:
        """Finish what is being done, leave the rest in the queue. Safe to repeat, and where it never started."""
        if self._beat is not None and self._beat.is_alive():
            self._beat.stop()
        self._loop.stopping.set()
        if self._thread.is_alive():
            # One that is still looking for its broker has nothing to finish, and ends with the process.
            self._thread.join(STOP_WITHIN if self._loop.turning else 2 * LOOK_EVERY)


def start_all(workers: Sequence[ThreadedWorker]) -> None:
    """Side by side, because each waits for its broker. Raises SettingsError."""
    _each(workers, ThreadedWorker.start)


def stop_all(workers: Sequence[ThreadedWorker]) -> None:
    """Side by side, because each waits for what it is doing."""
    before = socket.getdefaulttimeout()
    _each(workers, lambda worker: worker.stop())
    # Celery sets it for the whole process while a worker stops, and of two at once the later one restores the other's.
    socket.setdefaulttimeout(before)


def _each(workers: Sequence[ThreadedWorker], act: Callable[[ThreadedWorker], None]) -> None:
    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(act, workers))
