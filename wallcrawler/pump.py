"""A pump moves a source's messages into Celery: it moves, tasks decide.

It is a step of the worker that it feeds, and acknowledges only after the broker took the record.
"""

from __future__ import annotations

import threading
from typing import Any

from celery import Celery, bootsteps

from wallcrawler import log as logs
from wallcrawler.errors import TryLater
from wallcrawler.jobs import BROKER_AWAY
from wallcrawler.ports import Delivery, Source

log = logs.get()

#: Seconds that a pump waits for something to move before it looks whether it should stop.
WAIT = 0.5
#: Seconds before the broker, or the source, is asked again.
TRY_AGAIN_AFTER = 0.5


def pumping(source: Source, *, into: str) -> type[bootsteps.StartStopStep]:
    """A worker step that moves `source` into the task of this name."""

    class Pump(bootsteps.StartStopStep):  # type: ignore[misc]
        name = f"pump:{into}"

        def __init__(self, worker: Any, **options: Any) -> None:
            super().__init__(worker, **options)
            self._stopping = threading.Event()

        def start(self, worker: Any) -> None:
            self._thread = threading.Thread(
                target=run, args=(source, worker.app, into, self._stopping), name=self.name, daemon=True
            )
            self._thread.start()

        def close(self, worker: Any) -> None:
            # Called for all steps before any of them is stopped, so that pumps end side by side.
            self._stopping.set()

        def stop(self, worker: Any) -> None:
            self._stopping.set()
            self._thread.join(WAIT + TRY_AGAIN_AFTER + 1)

        terminate = stop

    return Pump


def run(source: Source, app: Celery, into: str, stopping: threading.Event) -> None:
    """Move messages until told to stop. What was not moved by then stays in the source."""
    while not stopping.is_set():
        try:
            _move_what_comes(source, app, into, stopping)
        except TryLater as busy:
            # What it could not take note of comes again.
            log.warning("pump.source_away", into=into, why=str(busy))
            stopping.wait(busy.after)
        except Exception:
            # A worker without its pump looks well and hears nothing any more.
            log.exception("pump.failed", into=into)
            stopping.wait(TRY_AGAIN_AFTER)


def _move_what_comes(source: Source, app: Celery, into: str, stopping: threading.Event) -> None:
    deliveries = source.receive(WAIT)
    for place, delivery in enumerate(deliveries):
        while not _moved(delivery, app, into):
            source.hold(deliveries[place:])
            if stopping.wait(TRY_AGAIN_AFTER):
                return
        try:
            source.ack(delivery)
        except TryLater as busy:
            # It comes again, which it may at any time; what was received with it has to be moved now.
            log.warning("pump.not_acknowledged", into=into, why=str(busy))


def _moved(delivery: Delivery, app: Celery, into: str) -> bool:
    try:
        app.send_task(into, args=[delivery.body])
    except BROKER_AWAY as away:
        log.warning("pump.broker_away", into=into, why=type(away).__name__)
        return False
    return True
