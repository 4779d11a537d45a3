"""The notifier's task and pump, on a Celery app of its own."""

from __future__ import annotations

from typing import Any

from celery import Celery

from services.notifier import tasks
from wallcrawler import log as logs
from wallcrawler.errors import NotFound, TryLater
from wallcrawler.messages import QUEUES, SESSION_CHANGED, SessionChanged
from wallcrawler.pump import pumping
from wallcrawler.wiring import Ports
from wallcrawler.worker import ThreadedWorker

log = logs.get()

#: How often a notice that could not be given is tried again; who waits for it re-reads by himself meanwhile.
RETRIES = 5


def workers(ports: Ports) -> list[ThreadedWorker]:
    """One."""
    return [ThreadedWorker(telling(ports), queues=[QUEUES[SESSION_CHANGED]], threads=ports.settings.worker_threads)]


def telling(ports: Ports) -> Celery:
    """An app with the task that tells of changed sessions, and a pump that feeds it the changes."""
    app = ports.new_celery()

    @app.task(name=SESSION_CHANGED, shared=False, bind=True, max_retries=RETRIES)  # type: ignore[untyped-decorator]
    def session_changed(task: Any, body: dict[str, Any]) -> None:
        change = SessionChanged.from_wire(body)
        with logs.about(session_id=change.session_id):
            try:
                tasks.session_changed(change, sessions=ports.sessions, bell=ports.bell, topic=ports.topic)
            except TryLater as busy:
                raise task.retry(countdown=busy.after, exc=busy) from None
            except NotFound as gone:
                log.warning("task.without_session", task=task.name, why=str(gone))

    app.steps["worker"].add(pumping(ports.changes, into=SESSION_CHANGED))
    return app
