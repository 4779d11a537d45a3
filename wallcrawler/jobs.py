"""The queue: the Celery app that every process shares, and the jobs that the API asks for.

Tasks are enqueued by name. They acknowledge late and are repeatable; results are kept nowhere, because the record is
the result.
"""

from __future__ import annotations

from typing import Any, Final

import kombu.exceptions
import redis
from celery import Celery

from wallcrawler.errors import TryLater
from wallcrawler.messages import PROVISION, QUEUES, RELEASE, SWEEP

#: Seconds after which Redis gives an unacknowledged message to another worker. Above the longest task, which is 60 s.
VISIBILITY_TIMEOUT: Final = 120

#: Seconds of the longest task; a task that takes longer is broken.
TASK_TIME_LIMIT: Final = 60

#: Seconds in which the broker connects, and answers, a process that enqueues; it is asked at most three times.
ANSWERS_WITHIN: Final = 1.0

#: Seconds for one of the connections to it, which all threads of a process share.
CONNECTION_WITHIN: Final = 1.0

#: What the client libraries raise when the broker does not answer.
BROKER_AWAY: Final = (kombu.exceptions.OperationalError, redis.RedisError, OSError)


class _App(Celery):  # type: ignore[misc]  # Celery has no types
    """One that gives a broker up that takes its connections and does not answer, where callers wait for it to.

    Workers have no such limit: they wait for jobs, and have nobody that waits for them.
    """

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        # Redis's; SQS has time-outs of its own, and no use for these.
        limits = {"socket_timeout": ANSWERS_WITHIN, "socket_connect_timeout": ANSWERS_WITHIN}
        return super().connection_for_write(url, transport_options=limits, **options)


def celery_app(broker_url: str, *, sweep_every: float, namespace: str = "") -> Celery:
    """The app, without tasks: workers register theirs, producers need none.

    `broker_url` is `redis://`, `rediss://` or `sqs://`; `namespace` keeps apps apart that share a broker.
    """
    app = _App("wallcrawler", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_routes={name: {"queue": queue} for name, queue in QUEUES.items()},
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_publish_retry_policy={
            # For a connection that was lost while nobody used it. Who enqueues knows what to do without a broker.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.2,
        },
        broker_pool_acquire_timeout=CONNECTION_WITHIN,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport_options(broker_url, namespace),
        beat_schedule={
            # A sweep that could not start before the next is due is not worth starting.
            "sweep": {"task": SWEEP, "schedule": sweep_every, "options": {"expires": max(10.0, sweep_every)}}
        },
        beat_max_loop_interval=max(1.0, sweep_every),
    )
    return app


def _transport_options(broker_url: str, namespace: str) -> dict[str, Any]:
    options: dict[str, Any] = {"visibility_timeout": VISIBILITY_TIMEOUT}
    if broker_url.startswith("sqs"):
        # kombu sleeps a second between looks unless told otherwise; SQS's own long poll is what waits here.
        return options | {
            "polling_interval": 0.05,
            "wait_time_seconds": 10,
            # Not a prefix under which the queues of events and changes have their names.
            "queue_name_prefix": f"{namespace or 'wallcrawler'}-jobs-",
        }
    return options | {
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "global_keyprefix": f"{namespace}:" if namespace else "",
    }


class CeleryJobs:
    """The Jobs port on the app's broker."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        # What the broker's own library raises; SQS's is none of the above.
        self._away = (*BROKER_AWAY, *app.connection_for_write().connection_errors)

    def provision(self, session_id: str) -> None:
        self._enqueue(PROVISION, session_id)

    def release(self, session_id: str) -> None:
        self._enqueue(RELEASE, session_id)

    def ping(self) -> None:
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=2 * ANSWERS_WITHIN)
        except self._away as away:
            raise TryLater(f"the queue does not answer: {type(away).__name__}", after=1) from None

    def _enqueue(self, name: str, session_id: str) -> None:
        try:
            # Not a producer of Celery's pool, which waits for its connection without an end.
            with self._app.connection_or_acquire() as connection:
                self._app.send_task(name, args=[session_id], connection=connection)
        except self._away as away:
            raise TryLater(f"the queue does not answer: {type(away).__name__}", after=1) from None
