"""Jobs: as they lie in the queue, and without one."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from celery import Celery

from tests.contract import engines
from wallcrawler.errors import TryLater
from wallcrawler.jobs import ANSWERS_WITHIN, CeleryJobs, celery_app
from wallcrawler.local.valkey import Valkey
from wallcrawler.messages import PROVISION, QUEUES, RELEASE
from wallcrawler.worker import ThreadedWorker

Name = Callable[[str], str]


@contextmanager
def jobs(url: str, namespace: str = "") -> Iterator[CeleryJobs]:
    app: Any = celery_app(url, sweep_every=2.0, namespace=namespace)
    yield CeleryJobs(app)
    app.close()


def lying(valkey: Valkey, queue: str, namespace: str) -> list[tuple[str, list[Any]]]:
    """The tasks in a queue, oldest first, with their arguments."""
    with redis.Redis.from_url(valkey.url) as client:
        messages = [json.loads(raw) for raw in reversed(client.lrange(f"{namespace}:{queue}", 0, -1))]
    return [(message["headers"]["task"], json.loads(base64.b64decode(message["body"]))[0]) for message in messages]


def test_every_job_lies_in_its_own_queue_under_its_own_name(valkey: Valkey, name: Name) -> None:
    """Workers that have never seen this process find it there; a slow provision never delays a release."""
    with jobs(valkey.url, name("queue")) as queue:
        queue.provision("session-1")
        queue.release("session-2")
        queue.provision("session-3")

    assert lying(valkey, QUEUES[PROVISION], name("queue")) == [(PROVISION, ["session-1"]), (PROVISION, ["session-3"])]
    assert lying(valkey, QUEUES[RELEASE], name("queue")) == [(RELEASE, ["session-2"])]


def test_a_job_names_its_session_and_nothing_else(valkey: Valkey, name: Name) -> None:
    """No secret lies in a queue: neither a token nor a URL, nor the password of the queue."""
    with jobs(valkey.url, name("queue")) as queue:
        queue.provision("session-1")

    with redis.Redis.from_url(valkey.url) as client:
        [raw] = client.lrange(f"{name('queue')}:{QUEUES[PROVISION]}", 0, -1)
    message = json.loads(raw)
    assert json.loads(base64.b64decode(message["body"]))[:2] == [["session-1"], {}]
    assert b"redis://" not in raw
    assert message["content-type"] == "application/json"


def test_deployments_on_one_broker_do_not_take_each_others_jobs(valkey: Valkey, name: Name) -> None:
    """Each has a namespace of its own."""
    with jobs(valkey.url, name("here")) as here, jobs(valkey.url, name("there")) as there:
        here.provision("session-1")
        there.provision("session-2")

    assert lying(valkey, QUEUES[PROVISION], name("here")) == [(PROVISION, ["session-1"])]
    assert lying(valkey, QUEUES[PROVISION], name("there")) == [(PROVISION, ["session-2"])]


def test_without_a_broker_it_is_to_be_tried_later(nowhere: str) -> None:
    """Soon enough for a caller that waits, and without the password."""
    with jobs(nowhere) as queue:
        acts: tuple[Callable[[], None], ...] = (lambda: queue.provision("s"), lambda: queue.release("s"), queue.ping)
        for act in acts:
            began = time.monotonic()

            with pytest.raises(TryLater) as later:
                act()

            assert time.monotonic() - began < 4
            assert later.value.after > 0
            assert "hunter2" not in str(later.value)


def test_a_broker_that_is_there_answers(valkey: Valkey, name: Name) -> None:
    """And what was enqueued before it was asked is still there."""
    with jobs(valkey.url, name("queue")) as queue:
        queue.provision("session-1")
        queue.ping()

    assert len(lying(valkey, QUEUES[PROVISION], name("queue"))) == 1


# -- A broker that hangs ----------------------------------------------------------------------------------------------


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A server that a test may do things to."""
    server = engines.valkey()
    yield server
    server.close()


@contextmanager
def hung(valkey: Valkey) -> Iterator[None]:
    """It takes connections and what is sent on them, and answers nothing; for a minute, lest a test hang."""
    recovery = threading.Timer(60, os.kill, (valkey.pid, signal.SIGCONT))
    recovery.daemon = True
    os.kill(valkey.pid, signal.SIGSTOP)
    recovery.start()
    try:
        yield
    finally:
        recovery.cancel()
        os.kill(valkey.pid, signal.SIGCONT)


class Asked:
    """What came of an act, and the seconds until then."""

    def __init__(self, act: Callable[[], None]) -> None:
        began = time.monotonic()
        self.refused: TryLater | None = None
        try:
            act()
        except TryLater as later:
            self.refused = later
        self.took = time.monotonic() - began


@contextmanager
def working(app: Celery) -> Iterator[tuple[list[str], threading.Event]]:
    """A worker, the sessions that it was asked to provision, and an event that is set at each."""
    taken, came = [], threading.Event()

    @app.task(name=PROVISION, shared=False)  # type: ignore[untyped-decorator]
    def provision(session_id: str) -> None:
        taken.append(session_id)
        came.set()

    worker = ThreadedWorker(app, queues=[QUEUES[PROVISION]], threads=1)
    worker.start()
    try:
        yield taken, came
    finally:
        worker.stop()


def test_a_broker_that_hangs_is_to_be_tried_later(own_valkey: Valkey) -> None:
    """On connections that it has answered and on new ones, within what a caller has time for; then it works again."""
    with jobs(own_valkey.url) as known, jobs(own_valkey.url) as new:
        known.provision("session-1")
        with hung(own_valkey):
            pings = [Asked(known.ping), Asked(new.ping)]
            acts = [Asked(lambda queue=queue: queue.release("session-1")) for queue in (known, known, new)]  # type: ignore[misc]

        again = [Asked(known.ping), Asked(lambda: known.release("session-2")), Asked(lambda: new.release("session-3"))]

    assert all(ping.refused and ping.took < 3 for ping in pings)
    assert all(act.refused and act.took < 6 for act in acts)
    assert not any(act.refused for act in again)


def test_many_that_ask_a_broker_that_hangs_do_not_wait_for_each_other(own_valkey: Valkey) -> None:
    """There are fewer connections than callers, each of whom is refused as soon as a single one is, also once more."""
    with jobs(own_valkey.url) as queue, ThreadPoolExecutor(40) as pool:
        with hung(own_valkey):
            acts = list(pool.map(lambda _: Asked(lambda: queue.provision("session-1")), range(3 * 40)))

        again = Asked(lambda: queue.provision("session-2"))

    assert all(act.refused and act.took < 6 for act in acts)
    assert again.refused is None


def test_a_worker_waits_for_jobs_longer_than_callers_wait_for_the_broker(own_valkey: Valkey) -> None:
    """An empty queue and a broker that hangs are the same to it; when there is a job, it is taken."""
    app: Any = celery_app(own_valkey.url, sweep_every=60)
    with jobs(own_valkey.url) as queue, working(app) as (taken, came):
        idle = came.wait(2 * ANSWERS_WITHIN)
        queue.provision("session-1")
        first = came.wait(5)
        came.clear()

        with hung(own_valkey):
            refused = Asked(queue.ping).refused
        queue.provision("session-2")
        second = came.wait(10)

    assert (idle, first, second) == (False, True, True)
    assert refused is not None
    assert taken == ["session-1", "session-2"]
