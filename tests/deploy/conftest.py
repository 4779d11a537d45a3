"""An emulator of AWS for these tests: moto's server, and the aws command line, in a virtual environment of their own.

moto brings a botocore of its own. MOTO_BIN names a folder with both; otherwise they are looked for in `.venv-moto` in
the repository's root. CI makes that the first time; elsewhere tests that need it are skipped until somebody does:

    python3 -m venv .venv-moto && .venv-moto/bin/pip install 'moto[server,cloudformation]>=5.2' awscli
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.deploy.templates import AWS
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]

#: What the emulator runs with, wherever it is called from; none of it opens anything.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}

PACKAGES = ("moto[server,cloudformation]>=5.2", "awscli>=1.40")

#: One for all clients: reading botocore's models takes half a second.
SESSION = boto3.session.Session()


def emulator_bin() -> Path:
    """The folder of `moto_server` and `aws`. Skips the test, loudly, where they are not; CI installs them instead."""
    given = os.environ.get("MOTO_BIN")
    folder = Path(given or ROOT / ".venv-moto" / "bin")
    if os.environ.get("CI") and not given:
        install(folder.parent)
    for command in ("moto_server", "aws"):
        if not (folder / command).exists():
            report = pytest.fail if os.environ.get("CI") else pytest.skip
            report(f"NO {command.upper()} IN {folder}: tests/deploy/conftest.py says how to get it")
    return folder


def install(venv: Path) -> None:
    """Make the virtual environment, once, whoever comes first."""
    with venv.with_suffix(".lock").open("w") as lock:
        # pytest-xdist's workers come at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (venv / "bin" / "aws").exists():
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            subprocess.run([venv / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)
        Path(lock.name).unlink(missing_ok=True)


class Emulator:
    """A running moto, and how tests and the deploy script speak to it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    @cache  # noqa: B019 - one emulator lives as long as the tests
    def client(self, service: str) -> Any:
        return self.new_client(service)

    def new_client(self, service: Any) -> Any:
        return SESSION.client(
            service,
            endpoint_url=self.url,
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def deploy(self, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run deploy/aws/deploy against it; `path` is looked in for commands before the emulator's own folder."""
        folders = [str(path)] if path else []
        env = CREDENTIALS | {
            "AWS_ENDPOINT_URL": self.url,
            "PATH": os.pathsep.join([*folders, str(self.folder), "/usr/bin", "/bin"]),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, str(AWS / "deploy"), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)

    def create(self, stack: str, body: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The stack as it then is."""
        clouds = self.client("cloudformation")
        given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
        clouds.create_stack(StackName=stack, TemplateBody=body, Parameters=given, Capabilities=["CAPABILITY_NAMED_IAM"])
        (made,) = clouds.describe_stacks(StackName=stack)["Stacks"]
        return dict(made)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder = emulator_bin()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("w") as out:
        command = [str(folder / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, env=os.environ | CREDENTIALS, stdout=out, stderr=out)
        try:
            eventually(lambda: listens(port) or server.poll() is not None, within=30)
            assert server.poll() is None, log.read_text()
            yield Emulator(f"http://127.0.0.1:{port}", folder)
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def recording_aws(emulator: Emulator, tmp_path: Path) -> Path:
    """A folder with an `aws` that writes down how it was called, in `calls` beside it, and then does as it was told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "aws"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{folder}/calls"\nexec "{emulator.folder}/aws" "$@"\n')
    script.chmod(0o755)
    assert shutil.which("aws", path=str(folder)) == str(script)
    return folder
