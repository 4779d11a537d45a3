from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.stub import Stubber

from wallcrawler.aws.clients import Clients

#: What makes boto3 look elsewhere than at AWS, or for other credentials.
AMBIENT = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_DYNAMODB")


@pytest.fixture(scope="session")
def aws() -> Clients:
    """The real clients, whose models check what they are asked; nothing they are asked for leaves the process."""
    with pytest.MonkeyPatch.context() as environment:
        for variable in AMBIENT:
            environment.delenv(variable, raising=False)
        environment.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-access-key")
        clients = Clients(region="us-west-2")
        _ = (clients.dynamodb, clients.ec2, clients.ecs, clients.s3, clients.sns, clients.sqs)
    return clients


@pytest.fixture
def stubbed() -> Iterator[Callable[[Any], Stubber]]:
    """Makes a script of a client's calls, in their order; what was not called at the end fails the test."""
    with ExitStack() as active:
        scripts: list[Stubber] = []

        def script(client: Any) -> Stubber:
            scripts.append(active.enter_context(Stubber(client)))
            return scripts[-1]

        yield script
        for one in scripts:
            one.assert_no_pending_responses()
