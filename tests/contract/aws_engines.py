"""The engines that speak to AWS's APIs."""

from __future__ import annotations

import hashlib
import http.client
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

from localaws.pipe.pipe import Pipe
from localaws.queue import Queue
from localaws.service import LocalAws
from localaws.settings import Settings as LocalAwsSettings
from tests.contract.clouds import ON_AWS, OURS, Cloud, clients_of, on_aws, on_ministack
from tests.eventually import eventually
from wallcrawler.aws.blobs import S3Blobs
from wallcrawler.aws.events import session_changed, trimmed
from wallcrawler.aws.fleet import EcsFleet
from wallcrawler.aws.queue import SqsSource
from wallcrawler.aws.tables import DynamoTables, create_tables
from wallcrawler.ports import Fleet, Launch, Source, Task, TaskStatus
from wallcrawler.schema import SESSIONS

if TYPE_CHECKING:
    from tests.contract.engines import Surroundings

#: Seconds after which what was received and not acknowledged comes again.
VISIBILITY: Final = "2"


def short(place: Path) -> str:
    """A name of this place and no other."""
    return hashlib.sha256(str(place).encode()).hexdigest()[:12]


# -- Tables -----------------------------------------------------------------------------------------------------------


class DynamoStore:
    """Tables in DynamoDB. Their changes come by a pipe and a queue, from when somebody first asks for them."""

    def __init__(self, place: Path, *, cloud: Callable[[], Cloud], shared: str = "") -> None:
        self._cloud = cloud()
        self._place = place
        self._prefix = shared or f"{OURS}{short(place)}-"
        self._feed: Feed | None = None
        create_tables(self._cloud.aws.dynamodb, self._prefix)
        self.tables = DynamoTables(self._cloud.aws.dynamodb, self._prefix)

    @property
    def changes(self) -> Source:
        if self._feed is None:
            self._feed = Feed(self._cloud, self._prefix + SESSIONS.name, self._place)
        return self._feed.source

    def close(self) -> None:
        if self._feed is not None:
            self._feed.close()


class Feed:
    """A table's stream, by the pipe of localaws to a queue, which both go on where they were when opened again."""

    def __init__(self, cloud: Cloud, table: str, place: Path) -> None:
        sqs = cloud.aws.sqs
        made = sqs.create_queue(QueueName=OURS + short(place), Attributes={"VisibilityTimeout": VISIBILITY})
        self.source = SqsSource(sqs, made["QueueUrl"], translate=session_changed)
        self._pipe = Pipe(
            cloud.streams,
            cloud.aws.dynamodb,
            Queue(sqs, made["QueueUrl"]),
            source=table,
            checkpoint=place / "pipe.json",
            poll=0.02,
            rest=0.1,
            start="TRIM_HORIZON",
        )
        self._thread = threading.Thread(target=self._pipe.run, name="pipe", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._pipe.close()
        self._thread.join(10)


TABLES: Final[Mapping[str, Callable[[Path], DynamoStore]]] = {
    "dynamodb": partial(DynamoStore, cloud=on_ministack),
    # Tables take AWS many seconds to make: they are shared, and stay for the next run.
    **({"dynamodb-aws": partial(DynamoStore, cloud=on_aws, shared=OURS)} if ON_AWS else {}),
}


# -- Blobs ------------------------------------------------------------------------------------------------------------


#: No headers.
NONE: Final[Mapping[str, str]] = {}


class Bucket:
    """A folder of a bucket, and a stranger who speaks HTTP."""

    def __init__(self, place: Path, *, cloud: Callable[[], Cloud]) -> None:
        self.blobs = S3Blobs(cloud().aws.s3, bucket(cloud()), prefix=f"{short(place)}/")

    def ask(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = NONE) -> tuple[int, bytes]:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(parts.netloc, timeout=10)
        try:
            # Just as it is: many clients tidy a path up.
            connection.request(method, f"{parts.path}?{parts.query}", body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def bucket(cloud: Cloud) -> str:
    """The bucket of all test runs of this account."""
    s3 = cloud.aws.s3
    region: Any = s3.meta.region_name
    name = f"{OURS}{cloud.account}-{region}"
    if name not in {one["Name"] for one in s3.list_buckets()["Buckets"]}:
        where: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **where)
    return name


BLOBS: Final[Mapping[str, Callable[[Path], Bucket]]] = {
    "s3": partial(Bucket, cloud=on_ministack),
    **({"s3-aws": partial(Bucket, cloud=on_aws)} if ON_AWS else {}),
}


# -- Fleet ------------------------------------------------------------------------------------------------------------

CLUSTER: Final = "wallcrawler-browsers"
FAMILY: Final = "wallcrawler-browser"

#: Runs a guest, and takes away what it wrote: a container's files end with it, a process's do not.
CONTAINER: Final = """
mkdir -p "$WALLCRAWLER_RUN_DIR"
"$0" -m controller & guest=$!
trap 'kill -TERM $guest' TERM
wait $guest; status=$?
while kill -0 $guest 2>/dev/null; do wait $guest; status=$?; done
rm -rf "$WALLCRAWLER_RUN_DIR"/*
exit $status
"""


class EcsOfProcesses:
    """EcsFleet on a localaws of its own, whose containers are processes.

    It differs in two things: `run` waits for the address, because the bodies find a guest's process by it; and the end
    of it is the end of its cluster, which on AWS goes on.
    """

    def __init__(self, around: Surroundings) -> None:
        cloud = on_ministack()
        assert cloud.emulator is not None
        queue = cloud.emulator.queue(VisibilityTimeout=VISIBILITY)
        self._localaws = LocalAws(
            LocalAwsSettings.load(
                home=around.place.parent / "localaws",
                port=0,
                driver="process",
                clusters=(CLUSTER,),
                endpoint_url=cloud.emulator.url,
                events_queue=queue,
            )
        )
        self._localaws.start()
        self._closed = False
        aws = clients_of(
            AWS_ENDPOINT_URL=cloud.emulator.url,
            AWS_ENDPOINT_URL_ECS=self._localaws.url,
            AWS_ENDPOINT_URL_EC2=self._localaws.url,
        )
        aws.ecs.register_task_definition(**_definition(around.grace))
        self._fleet = EcsFleet(
            aws.ecs,
            aws.ec2,
            cluster=CLUSTER,
            task_definition=FAMILY,
            container="browser",
            subnets=["subnet-1"],
            security_groups=["sg-1"],
            assign_public_ip=True,
            use_public_address=True,
            environment={
                "WALLCRAWLER_API_URL": around.api_url,
                "WALLCRAWLER_CHROME": str(around.chrome),
                "WALLCRAWLER_LOG_LEVEL": "ERROR",
                "WALLCRAWLER_RUN_DIR": str(around.place),
            },
            source=SqsSource(aws.sqs, queue, translate=partial(trimmed, cluster=CLUSTER, family=FAMILY)),
        )

    def run(self, launch: Launch) -> Task:
        task = self._fleet.run(launch)
        if task.status is TaskStatus.STOPPED:
            return task
        eventually(lambda: launch.session_id in self._addresses())
        return replace(task, address=self._addresses()[launch.session_id])

    def _addresses(self) -> dict[str, str]:
        return {task.session_id: task.address for task in self._fleet.tasks() if task.address}

    def stop(self, session_id: str, *, task: str | None, reason: str) -> Task | None:
        return self._fleet.stop(session_id, task=task, reason=reason)

    def tasks(self) -> list[Task]:
        return [] if self._closed else self._fleet.tasks()

    def events(self) -> Source:
        return self._fleet.events()

    def read(self, body: Mapping[str, Any]) -> Task | None:
        return self._fleet.read(body)

    def close(self) -> None:
        if self._closed:
            return
        for task in self.tasks():
            self.stop(task.session_id, task=task.id, reason="the test is over")
        eventually(self._quiet, within=15)
        self._closed = True
        self._fleet.close()
        self._localaws.stop()

    def _quiet(self) -> bool:
        """Whether no task is left, and everybody has been told."""
        health = self._localaws.health()
        return (health["tasks"], health["eventsWaiting"]) == (0, 0)


def _definition(grace: float) -> Any:
    container = {
        "name": "browser",
        "image": "wallcrawler-browser",
        "command": ["/bin/sh", "-c", CONTAINER, sys.executable],
        "stopTimeout": ceil(grace),
    }
    return {
        "family": FAMILY,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [container],
    }


FLEETS: Final[Mapping[str, Callable[[Surroundings], Fleet]]] = {"ecs": EcsOfProcesses}


#: What the stand-ins can't do, by the test that shows it. On AWS it is so.
GAPS: Final[Mapping[str, pytest.MarkDecorator]] = {
    "test_a_url_that_was_changed_opens_nothing[s3]": pytest.mark.xfail(
        reason="ministack lets in whoever names no algorithm of a signature"
    ),
    # Of the process driver alone: the Docker driver and Fargate end whole containers.
    "test_a_task_takes_its_browser_along[ecs]": pytest.mark.skip(
        reason="unlike a container, a process does not take along what has left its group"
    ),
}
