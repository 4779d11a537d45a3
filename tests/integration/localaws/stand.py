"""A running localaws for tests, and clients that speak to it as they would to AWS."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from botocore.config import Config

from localaws.service import LocalAws
from localaws.settings import Settings
from tests.eventually import eventually
from tests.integration.localaws.emulator import REGION, SESSION, Emulator

#: A container that runs until it is told to end, and then ends with status 0.
WAITS = [
    sys.executable,
    "-c",
    "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up', flush=True); "
    "signal.pause()",
]

#: The network configuration of tasks.
NETWORK: dict[str, Any] = {
    "awsvpcConfiguration": {
        "subnets": ["subnet-1"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": "ENABLED",
    }
}


def client(service: Any, url: str, **config: Any) -> Any:
    return SESSION.client(
        service,
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(**{"retries": {"total_max_attempts": 1}} | config),
    )


def until(file: Path, then: str) -> list[str]:
    """A command that waits for a file to be there."""
    return ["sh", "-c", f"while [ ! -e '{file}' ]; do sleep 0.05; done; {then}"]


class Stand:
    """What tests do with a localaws at a URL."""

    def __init__(self, url: str, *, emulator: Emulator | None = None, queue: str | None = None) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=10)
        self._emulator = emulator
        self._queue = queue
        self._events: list[dict[str, Any]] = []

    @cached_property
    def ecs(self) -> Any:
        return client("ecs", self.url)

    @cached_property
    def ec2(self) -> Any:
        return client("ec2", self.url)

    def unchecked(self, service: str) -> Any:
        """A client that sends whatever it is given."""
        return client(service, self.url, parameter_validation=False)

    def patient(self, service: str) -> Any:
        """A client that tries again."""
        return client(service, self.url, retries={"total_max_attempts": 4, "mode": "standard"})

    def register(self, *command: str, family: str = "browser", **more: Any) -> str:
        """A Fargate definition with one container `main` that runs `command`; returns its ARN."""
        container = {"name": "main", "image": "browser:1", "command": list(command or WAITS)} | more.pop(
            "container", {}
        )
        registered = self.ecs.register_task_definition(
            **{
                "family": family,
                "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "cpu": "256",
                "memory": "512",
                "containerDefinitions": [container],
            }
            | more
        )
        return str(registered["taskDefinition"]["taskDefinitionArn"])

    def run_all(self, definition: str = "browser", **more: Any) -> list[str]:
        """The ARNs of the tasks of one RunTask."""
        given = {"taskDefinition": definition, "launchType": "FARGATE", "networkConfiguration": NETWORK} | more
        answer = self.ecs.run_task(**given)
        assert answer["failures"] == [], answer["failures"]
        return [task["taskArn"] for task in answer["tasks"]]

    def run(self, definition: str = "browser", **more: Any) -> str:
        """The ARN of a new task."""
        (arn,) = self.run_all(definition, **more)
        return arn

    def task(self, arn: str) -> dict[str, Any]:
        (task,) = self.ecs.describe_tasks(tasks=[arn])["tasks"]
        return dict(task)

    def status(self, arn: str) -> str:
        return str(self.task(arn)["lastStatus"])

    def running(self, definition: str = "browser", **more: Any) -> str:
        """The ARN of a new task that is RUNNING."""
        arn = self.run(definition, **more)
        eventually(lambda: self.status(arn) == "RUNNING")
        return arn

    def stopped(self, arn: str, *, within: float = 5.0) -> dict[str, Any]:
        """The task, when it is STOPPED."""
        eventually(lambda: self.status(arn) == "STOPPED", within=within)
        return self.task(arn)

    def address(self, arn: str) -> str:
        return detail(self.task(arn), "privateIPv4Address")

    def output(self, arn: str) -> str:
        return self.http.get(f"/_localaws/tasks/{arn.rsplit('/', 1)[-1]}/logs/main").raise_for_status().text

    def switch(self, **faults: Any) -> None:
        self.http.post("/_localaws/faults", json=faults).raise_for_status()

    def events(self, arn: str) -> list[dict[str, Any]]:
        """The events of a task that have come so far, in the order of coming."""
        assert self._emulator is not None
        assert self._queue is not None
        self._events += [json.loads(body) for body in self._emulator.take(self._queue)]
        return [event for event in self._events if event["resources"] == [arn]]

    def statuses(self, arn: str) -> list[str]:
        return [event["detail"]["lastStatus"] for event in self.events(arn)]

    def versions(self, arn: str) -> list[int]:
        return [event["detail"]["version"] for event in self.events(arn)]


def detail(task: dict[str, Any], name: str) -> str:
    """A detail of a task's only attachment."""
    (attachment,) = task["attachments"]
    return str({one["name"]: one["value"] for one in attachment["details"]}[name])


@contextmanager
def standing(home: Path, *, emulator: Emulator | None = None, **settings: Any) -> Iterator[Stand]:
    """A localaws in a thread of this process, with the process driver. Its events go to a queue, if there is one."""
    now = settings.pop("now", None)
    queue = emulator.queue() if emulator else None
    given = {"home": home, "port": 0, "driver": "process", "close_within": 2.0}
    if emulator:
        given |= {"endpoint_url": emulator.url, "events_queue": queue}
    service = LocalAws(Settings.load(**given | settings), **({"now": now} if now else {}))
    service.start()
    stand = Stand(service.url, emulator=emulator, queue=queue)
    try:
        yield stand
        assert service.failure is None
    finally:
        stand.http.close()
        service.stop()
