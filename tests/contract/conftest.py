from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract import aws_engines, engines
from tests.contract.engines import TABLES, Store
from wallcrawler.local.valkey import Valkey
from wallcrawler.ports import Tables


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.name in aws_engines.GAPS:
            item.add_marker(aws_engines.GAPS[item.name])


@pytest.fixture(params=list(TABLES.values()), ids=list(TABLES))
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tables]:
    """Each engine's, one after the other."""
    store: Store = request.param(tmp_path)
    yield store.tables
    store.close()


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """A real server, for all tests that leave it alone."""
    server = engines.valkey()
    yield server
    server.close()


@pytest.fixture
def nowhere() -> str:
    """The URL of a server that is not there. Its password must show up nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"redis://:hunter2@127.0.0.1:{port}/0"


@pytest.fixture
def name() -> Callable[[str], str]:
    """Makes names that no other test has: stores may be shared."""
    own = secrets.token_hex(4)
    return lambda word: f"{word}-{own}"
