"""ministack for tests: real SQS and DynamoDB Streams APIs on a port of this machine.

It pins a botocore of its own, so it lives in a virtual environment of its own: MINISTACK_BIN names a binary, otherwise
`.venv-ministack` is made in the repository's root the first time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).parents[3]

REGION = "us-east-1"

#: One for all clients: reading botocore's models takes half a second.
SESSION = boto3.session.Session()


@dataclass(frozen=True)
class Emulator:
    url: str

    @cache  # noqa: B019 - one emulator lives as long as the tests
    def client(self, service: Any) -> Any:
        return SESSION.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def queue(self, **attributes: str) -> str:
        """The URL of a new queue."""
        return str(
            self.client("sqs").create_queue(QueueName=f"q-{uuid.uuid4().hex}", Attributes=attributes)["QueueUrl"]
        )

    def table(self) -> str:
        """The name of a new table with a stream of new and old images."""
        name = f"t-{uuid.uuid4().hex}"
        self.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        return name

    def take(self, queue: str) -> list[str]:
        """The bodies that are on a queue, which then holds them no more.

        It does not wait: ministack's long poll looks every 0.1 s only.
        """
        sqs = self.client("sqs")
        bodies = []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(message["Body"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return bodies


def binary() -> Path:
    """The emulator's binary, installed first where it is missing."""
    if given := os.environ.get("MINISTACK_BIN"):
        return Path(given)
    venv = ROOT / ".venv-ministack"
    found = venv / "bin" / "ministack"
    with (ROOT / ".venv-ministack.lock").open("w") as lock:
        # pytest-xdist's workers come at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            (venv / ".gitignore").write_text("*\n")
            subprocess.run([venv / "bin" / "pip", "install", "--quiet", "ministack>=1.5"], check=True)
        Path(lock.name).unlink(missing_ok=True)
    return found


@contextmanager
def ministack(folder: Path) -> Iterator[Emulator]:
    """A running emulator, empty, whose output goes to a file in `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "ministack.log").open("wb") as output:
        process = subprocess.Popen(
            [binary()],
            stdout=output,
            stderr=output,
            env={
                "PATH": os.defpath,
                "HOME": str(folder),
                "TMPDIR": str(folder),
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
            },
        )
    try:
        emulator = Emulator(f"http://127.0.0.1:{port}")
        _await(process, emulator.url)
        yield emulator
    finally:
        process.terminate()
        process.wait(10)


def _await(process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_ministack/health", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError) as not_yet:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"ministack did not start: {not_yet}")
            time.sleep(0.02)  # between looks at a process that says by nothing else that it listens
