"""The provisioner's tasks and pump, on Celery apps of their own."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from celery import Celery

from services.provisioner import tasks
from services.provisioner.sweep import Sweep
from wallcrawler import log as logs
from wallcrawler.errors import NotFound, TryLater
from wallcrawler.messages import PROVISION, QUEUES, RELEASE, SWEEP, TASK_CHANGED
from wallcrawler.pump import pumping
from wallcrawler.wiring import Ports
from wallcrawler.worker import ThreadedWorker

log = logs.get()

#: How often a job that has to wait is tried again; sweep goes on after that.
RETRIES = 8

#: Seconds of the longest pause between two tries.
LONGEST_PAUSE = 30.0


def workers(ports: Ports) -> list[ThreadedWorker]:
    """Two of them, so that a slow start of browsers never delays an ending."""
    threads = ports.settings.worker_threads
    return [
        ThreadedWorker(starting(ports), queues=[QUEUES[PROVISION]], threads=threads),
        ThreadedWorker(
            ending(ports), queues=[QUEUES[name] for name in (RELEASE, TASK_CHANGED, SWEEP)], threads=threads, beat=True
        ),
    ]


def starting(ports: Ports) -> Celery:
    """An app with the task that starts browsers."""
    app = ports.new_celery()

    @app.task(name=PROVISION, shared=False, bind=True, max_retries=RETRIES)  # type: ignore[untyped-decorator]
    def provision(task: Any, session_id: str) -> None:
        with logs.about(session_id=session_id):
            _retrying(
                task, lambda: tasks.provision(session_id, sessions=ports.sessions, fleet=ports.fleet, links=ports.links)
            )

    return app


def ending(ports: Ports) -> Celery:
    """An app with the tasks that end and watch browsers, and a pump that feeds it the fleet's events."""
    app = ports.new_celery()
    sweep = Sweep(ports.sessions, ports.catalog, ports.fleet, ports.jobs, ports.clock)

    @app.task(name=RELEASE, shared=False, bind=True, max_retries=RETRIES)  # type: ignore[untyped-decorator]
    def release(task: Any, session_id: str) -> None:
        with logs.about(session_id=session_id):
            _retrying(task, lambda: tasks.release(session_id, sessions=ports.sessions, fleet=ports.fleet))

    @app.task(name=TASK_CHANGED, shared=False, bind=True, max_retries=RETRIES)  # type: ignore[untyped-decorator]
    def task_changed(task: Any, body: dict[str, Any]) -> None:
        _retrying(task, lambda: tasks.task_changed(body, sessions=ports.sessions, fleet=ports.fleet))

    @app.task(name=SWEEP, shared=False)  # type: ignore[untyped-decorator]
    def run_sweep() -> None:
        try:
            sweep.run()
        except TryLater as busy:
            log.warning("sweep.put_off", why=str(busy))

    app.steps["worker"].add(pumping(ports.fleet.events(), into=TASK_CHANGED))
    return app


def _retrying(task: Any, work: Callable[[], object]) -> None:
    """Do the work; where it has to wait, come back after a growing while."""
    try:
        work()
    except TryLater as busy:
        log.info("task.retried", task=task.name, why=str(busy))
        pause = min(busy.after * 2**task.request.retries, LONGEST_PAUSE)
        # Spread, so that what was refused together does not come back together.
        raise task.retry(countdown=pause * random.uniform(0.5, 1), exc=busy) from None  # noqa: S311
    except NotFound as gone:
        log.warning("task.without_session", task=task.name, why=str(gone))
