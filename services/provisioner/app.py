"""The provisioner's tasks and pump, put on a Celery app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery

from services.provisioner import tasks
from services.provisioner.sweep import Sweep
from wallcrawler import log as logs
from wallcrawler.errors import NotFound, TryLater
from wallcrawler.jobs import TASK_TIME_LIMIT
from wallcrawler.messages import PROVISION, QUEUES, RELEASE, SWEEP, TASK_CHANGED, TaskChanged
from wallcrawler.pump import pumping
from wallcrawler.wiring import Ports

log = logs.get()

#: What this process consumes.
QUEUES_HERE = [QUEUES[name] for name in (PROVISION, RELEASE, TASK_CHANGED, SWEEP)]

#: How often a job that has to wait is tried again; sweep goes on after that.
RETRIES = 8


def register(app: Celery, ports: Ports) -> None:
    """Put the tasks on the app, and a pump that feeds it the fleet's events."""
    sweep = Sweep(ports.sessions, ports.catalog, ports.fleet, ports.jobs, ports.clock)

    @app.task(name=PROVISION, shared=False, bind=True, max_retries=RETRIES, time_limit=TASK_TIME_LIMIT)  # type: ignore[untyped-decorator]
    def provision(task: Any, session_id: str) -> None:
        with logs.about(session_id=session_id):
            _retrying(
                task, lambda: tasks.provision(session_id, sessions=ports.sessions, fleet=ports.fleet, links=ports.links)
            )

    @app.task(name=RELEASE, shared=False, bind=True, max_retries=RETRIES, time_limit=TASK_TIME_LIMIT)  # type: ignore[untyped-decorator]
    def release(task: Any, session_id: str) -> None:
        with logs.about(session_id=session_id):
            _retrying(task, lambda: tasks.release(session_id, sessions=ports.sessions, fleet=ports.fleet))

    @app.task(name=TASK_CHANGED, shared=False, bind=True, max_retries=RETRIES, time_limit=TASK_TIME_LIMIT)  # type: ignore[untyped-decorator]
    def task_changed(task: Any, body: dict[str, Any]) -> None:
        change = TaskChanged.from_wire(body)
        with logs.about(session_id=change.session_id):
            _retrying(task, lambda: tasks.task_changed(change.task, sessions=ports.sessions))

    @app.task(name=SWEEP, shared=False, time_limit=TASK_TIME_LIMIT)  # type: ignore[untyped-decorator]
    def run_sweep() -> None:
        try:
            sweep.run()
        except TryLater as busy:
            log.warning("sweep.put_off", why=str(busy))

    app.steps["worker"].add(pumping(ports.fleet.events(), into=TASK_CHANGED))


def _retrying(task: Any, work: Callable[[], object]) -> None:
    """Do the work; where it has to wait, come back after a growing while."""
    try:
        work()
    except TryLater as busy:
        log.info("task.retried", task=task.name, why=str(busy))
        raise task.retry(countdown=min(busy.after * 2**task.request.retries, 30), exc=busy) from None
    except NotFound as gone:
        log.warning("task.without_session", task=task.name, why=str(gone))
