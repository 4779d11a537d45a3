"""Where AWS's APIs are to be had: on ministack, and with WALLCRAWLER_TEST_AWS=1 and credentials on AWS itself."""

from __future__ import annotations

import atexit
import os
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import boto3
import pytest

from tests.integration.localaws.emulator import REGION, Emulator, binary, ministack
from wallcrawler.aws.clients import Clients

#: Whether AWS itself is tested as well. What that makes begins with OURS; it costs some cents.
ON_AWS: Final = os.environ.get("WALLCRAWLER_TEST_AWS") == "1"
OURS: Final = "wallcrawler-test-"


def missing(what: str) -> None:
    # Imported here, because the engines are made of what is in this module.
    from tests.contract import engines

    engines.missing(what)


@dataclass(frozen=True, slots=True)
class Cloud:
    """The services' clients, and one for streams, which only the Pipe reads."""

    aws: Clients
    streams: Any
    account: str
    #: None for AWS itself.
    emulator: Emulator | None = None


@cache
def on_ministack() -> Cloud:
    """One ministack for all tests of this process. Skips where there can't be one, and fails in CI."""
    try:
        binary()
    except (OSError, subprocess.CalledProcessError):
        missing("ministack")
    running = ExitStack()
    atexit.register(running.close)
    folder = running.enter_context(tempfile.TemporaryDirectory(prefix="ministack-", ignore_cleanup_errors=True))
    emulator = running.enter_context(ministack(Path(folder)))
    return Cloud(clients_of(AWS_ENDPOINT_URL=emulator.url), emulator.client("dynamodbstreams"), "0", emulator)


@cache
def on_aws() -> Cloud:
    """Skips without credentials, and fails in CI."""
    session = boto3.session.Session()
    if session.get_credentials() is None or session.region_name is None:
        missing("AWS credentials and AWS_DEFAULT_REGION")
    account = session.client("sts").get_caller_identity()["Account"]
    return Cloud(Clients(), session.client("dynamodbstreams"), account)


def clients_of(**endpoints: str) -> Clients:
    """Clients as every service makes them, led to stand-ins as an operator leads them: by the environment."""
    with pytest.MonkeyPatch.context() as environment:
        for variable, url in endpoints.items():
            environment.setenv(variable, url)
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        clients = Clients(region=REGION)
        # Each is made when it is first asked for, and then knows where it leads.
        made = (clients.dynamodb, clients.ec2, clients.ecs, clients.s3, clients.sns, clients.sqs)
    assert {client.meta.endpoint_url for client in made} == set(endpoints.values())
    return clients
