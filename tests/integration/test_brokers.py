"""Other servers for queue and wake than our own Valkey: a Redis by URL, and SQS."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from pydantic import SecretStr
from testcontainers.community.redis import RedisContainer

from tests.compose.stack import need_docker
from tests.eventually import eventually
from tests.integration.guests import ScriptedFleet
from tests.integration.localaws.emulator import ministack
from tests.platform import Platform
from wallcrawler.jobs import CeleryJobs, celery_app
from wallcrawler.messages import PROVISION, QUEUES
from wallcrawler.worker import ThreadedWorker


@pytest.fixture
def redis_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Redis in a container."""
    need_docker()
    # Its reaper is an image of its own, which a machine without a registry can't have; the `with` does its work.
    monkeypatch.setattr("testcontainers.core.config.testcontainers_config.ryuk_disabled", True)
    with RedisContainer("redis:7-bookworm") as redis:
        yield f"redis://{redis.get_container_host_ip()}:{redis.get_exposed_port(6379)}/0"


@pytest.mark.docker
def test_a_redis_by_url_carries_queue_and_wake(
    redis_url: str, start: Callable[..., Platform], fleet: ScriptedFleet
) -> None:
    """REDIS_URL is used, nothing is started besides, and what is in it keeps to this home's own names."""
    platform = start(redis_url=SecretStr(redis_url))

    session = platform.create()
    platform.release(session["id"])

    eventually(platform.settled)
    assert platform.ports.celery.conf.broker_url == redis_url
    assert "_valkey" not in vars(platform.instance)


@pytest.fixture
def sqs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An SQS, where boto3 finds it."""
    with ministack(tmp_path) as emulator:
        for name, value in {
            "AWS_ENDPOINT_URL_SQS": emulator.url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.mark.usefixtures("sqs")
def test_sqs_is_a_broker_by_url() -> None:
    """Jobs go in by name and come out in a worker, soon; its ping says that it answers."""
    app = celery_app("sqs://", sweep_every=60, namespace=f"wc{os.getpid()}")
    taken, came = [], threading.Event()
    worker = ThreadedWorker(_taking(app, taken, came), queues=[QUEUES[PROVISION]], threads=2)
    worker.start()
    try:
        jobs = CeleryJobs(app)
        jobs.ping()
        jobs.provision("session-1")
        assert came.wait(10)
    finally:
        worker.stop()

    assert taken == ["session-1"]


def _taking(app: Celery, taken: list[str], came: threading.Event) -> Celery:
    @app.task(name=PROVISION, shared=False)  # type: ignore[untyped-decorator]
    def provision(session_id: str) -> None:
        taken.append(session_id)
        came.set()

    return app
