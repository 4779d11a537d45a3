"""A deployment without Docker: every service a process, on ministack, localaws's process driver and Valkey."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx

from tests.eventually import eventually
from tests.integration.localaws.emulator import Emulator
from wallcrawler.local.valkey import Valkey

ROOT = Path(__file__).parents[3]
API_KEY = "a key for the tests of the AWS path"
QUEUES = ("wallcrawler-task-events", "wallcrawler-session-changes")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Deployment:
    """What runs, and how tests look at it and hurt it."""

    def __init__(self, folder: Path, emulator: Emulator, redis_url: str, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        api, gateway, ecs = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{api}"
        self.ecs_url = f"http://127.0.0.1:{ecs}"
        account = f"{emulator.url}/000000000000"
        self._ports = {"api": api, "gateway": gateway}
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "WALLCRAWLER_MODE": "compose",
            "WALLCRAWLER_LOG_LEVEL": "WARNING",
            "WALLCRAWLER_CONCURRENCY": "50",
            "WALLCRAWLER_API_KEY": API_KEY,
            "REDIS_URL": redis_url,
            "WALLCRAWLER_BUCKET": "wallcrawler-blobs",
            "WALLCRAWLER_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:wallcrawler-session-ready",
            "WALLCRAWLER_TASK_EVENTS_QUEUE_URL": f"{account}/wallcrawler-task-events",
            "WALLCRAWLER_SESSION_CHANGES_QUEUE_URL": f"{account}/wallcrawler-session-changes",
            "WALLCRAWLER_GUEST_API_URL": self.url,
            "WALLCRAWLER_GATEWAY_URL": f"http://127.0.0.9:{gateway}/",
            "WALLCRAWLER_SUBNETS": "subnet-local",
            "WALLCRAWLER_SECURITY_GROUPS": "sg-local",
            "WALLCRAWLER_SETUP_KEYS": str(folder),
            "WALLCRAWLER_SETUP_PUBLIC": str(folder),
            "WALLCRAWLER_SIGNING_KEYS_FILE": str(folder / "signing-keys.pem"),
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": emulator.url,
            "AWS_ENDPOINT_URL_ECS": self.ecs_url,
            "AWS_ENDPOINT_URL_EC2": self.ecs_url,
            "LOCALAWS_PORT": str(ecs),
            "LOCALAWS_HOME": str(folder / "localaws"),
            "LOCALAWS_DRIVER": "process",
            "LOCALAWS_IMAGES": json.dumps({"wallcrawler-browser": [sys.executable, "-m", "controller"]}),
            "LOCALAWS_LOG_LEVEL": "WARNING",
            "LOCALAWS_ENDPOINT_URL": emulator.url,
            "LOCALAWS_EVENTS_QUEUE": "wallcrawler-task-events",
            "LOCALAWS_PIPE_SOURCE": "wallcrawler-sessions",
            "LOCALAWS_PIPE_QUEUE": "wallcrawler-session-changes",
        }
        self.sqs: Any = boto3.client(
            "sqs",
            endpoint_url=emulator.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        self.ecs: Any = boto3.client(
            "ecs",
            endpoint_url=self.ecs_url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        self.http = httpx.Client(base_url=self.url, headers={"X-BB-API-Key": API_KEY}, timeout=60)

    def start(self, name: str, module: str) -> None:
        """Run this module as the process of this name; its output goes to a file."""
        port = {"WALLCRAWLER_PORT": str(self._ports[name])} if name in self._ports else {}
        if name == "gateway":
            # Guests of the process driver share a machine, so that the gateway is on nobody's 127.0.0.1.
            port["WALLCRAWLER_HOST"] = "127.0.0.9"
        with (self._folder / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module], cwd=ROOT, env=self.env | port, stdout=output, stderr=output
            )
        self._processes[name] = process
        self._stack.callback(_end, process)

    def kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes[name].wait()

    def output(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def up(self) -> None:
        """Everything, in the order in which one needs another."""
        self.start("localaws", "localaws")
        eventually(lambda: _answers(f"{self.ecs_url}/_localaws/health"), within=20)
        subprocess.run([sys.executable, "-m", "services.setup"], cwd=ROOT, env=self.env, check=True, timeout=60)
        for name in ("api", "provisioner", "notifier", "gateway"):
            self.start(name, f"services.{name}")
        gateway = f"http://127.0.0.9:{self._ports['gateway']}"
        eventually(lambda: _answers(f"{self.url}/readyz") and _answers(f"{gateway}/readyz"), within=30)

    def create(self, **body: Any) -> dict[str, Any]:
        answer = self.http.post("/v1/sessions", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def retrieve(self, session_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"/v1/sessions/{session_id}").raise_for_status().json())

    def release(self, session_id: str) -> None:
        self.http.post(f"/v1/sessions/{session_id}", json={"status": "REQUEST_RELEASE"}).raise_for_status()

    def tasks(self) -> list[str]:
        """ARNs of the tasks that run."""
        return list(self.ecs.list_tasks(cluster="wallcrawler-browsers", desiredStatus="RUNNING")["taskArns"])

    def waiting(self, queue: str) -> int:
        """Messages that are in the queue, taken and not acknowledged ones included."""
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])

    def settled(self) -> bool:
        """Nothing lives, nothing runs, no message waits and none was given up."""
        living = [one for one in self.http.get("/v1/sessions").json() if one["status"] in {"PENDING", "RUNNING"}]
        queues = [*QUEUES, *(f"{name}-dlq" for name in QUEUES)]
        return not living and not self.tasks() and not any(map(self.waiting, queues))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def deployed(folder: Path, emulator: Emulator) -> Iterator[Deployment]:
    with ExitStack() as stack:
        valkey = Valkey()
        stack.callback(valkey.close)
        deployment = Deployment(folder, emulator, valkey.url, stack)
        deployment.up()
        yield deployment
