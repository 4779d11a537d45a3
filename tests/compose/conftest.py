from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compose.stack import Stack, need_docker, running
from tests.eventually import eventually


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One stack for all of these tests: starting it costs more than they do."""
    need_docker()
    with running() as stack:
        yield stack


@pytest.fixture
def peace(stack: Stack) -> Iterator[None]:
    """After every test: all sessions are settled, and no container runs that no record owns."""
    yield
    stack.faults()
    for session in stack.http.get("/v1/sessions").json():
        if session["status"] in {"PENDING", "RUNNING"}:
            stack.release(session["id"])
    eventually(stack.settled, within=60)
