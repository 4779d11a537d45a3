"""Jobs: as they lie in the queue, and without one."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from wallcrawler.errors import TryLater
from wallcrawler.jobs import CeleryJobs, celery_app
from wallcrawler.local.valkey import Valkey
from wallcrawler.messages import PROVISION, QUEUES, RELEASE

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
