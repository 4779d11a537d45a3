"""A Celery worker, and its beat, as threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.beat import EmbeddedService
from celery.worker import WorkController, state

from wallcrawler.errors import SettingsError

#: Seconds for a worker to connect to its broker, and for one to finish what it does.
START_WITHIN = 15.0
STOP_WITHIN = 15.0


class _Controller(WorkController):  # type: ignore[misc]
    """The worker without a command line's signal handlers and banner, which only a main thread may have."""

    ready: threading.Event

    def on_consumer_ready(self, consumer: Any) -> None:
        self.ready.set()


class ThreadedWorker:
    """One worker for all queues of a process. Celery's stop flag is the process's: there can be only one."""

    def __init__(self, app: Celery, *, queues: Sequence[str], threads: int) -> None:
        app.finalize()
        # Consumers of a queue that no route names would be refused.
        app.amqp.queues.select(queues)
        _Controller.ready = threading.Event()
        self._controller = _Controller(
            app=app,
            pool="threads",
            concurrency=threads,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )
        self._thread = threading.Thread(target=self._controller.start, name="worker", daemon=True)
        self._beat = EmbeddedService(app, thread=True, scheduler_cls="celery.beat:Scheduler")

    def start(self) -> None:
        """Returns when jobs are being taken. Raises SettingsError where the broker does not answer."""
        state.should_stop = None
        self._thread.start()
        if not self._controller.ready.wait(START_WITHIN):
            raise SettingsError("REDIS_URL: the worker could not connect to its broker")
        self._beat.start()

    def stop(self) -> None:
        """Finish what is being done, leave the rest in the queue."""
        if self._beat.is_alive():
            self._beat.stop()
        state.should_stop = 0
        if self._thread.is_alive():
            self._thread.join(STOP_WITHIN)
        state.should_stop = None
