from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compose.stack import Stack, need_docker, running


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One stack for all of these tests: starting it costs more than they do."""
    need_docker()
    with running() as stack:
        yield stack
