"""Unit tests are fast because nothing leaves the process: what opens a socket to a network fails here."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.characters import HandClock
from wallcrawler.catalog import Catalog
from wallcrawler.links import Links
from wallcrawler.local.tables import SqliteTables
from wallcrawler.project import Project
from wallcrawler.sessions import Sessions
from wallcrawler.tokens import Signer


class SocketOpened(AssertionError):
    """A unit test went to the network."""


class LocalSocket(socket.socket):
    """Sockets between our own threads and nothing else: asyncio needs a pair of them."""

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        if fileno is None and family != socket.AF_UNIX:
            raise SocketOpened(
                "a unit test opened a network socket; ask for the fixture `loopback`, or use a character"
            )
        super().__init__(family, type, proto, fileno)


@pytest.fixture
def loopback() -> None:
    """For the few units whose job is a socket: the test may use some on 127.0.0.1."""


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "loopback" not in request.fixturenames:
        monkeypatch.setattr(socket, "socket", LocalSocket)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[SqliteTables]:
    tables = SqliteTables(tmp_path / "wallcrawler.db")
    yield tables
    tables.close()


@pytest.fixture
def sessions(tables: SqliteTables, clock: HandClock) -> Sessions:
    return Sessions(tables, clock)


@pytest.fixture
def catalog(tables: SqliteTables, clock: HandClock) -> Catalog:
    return Catalog(tables, clock)


@pytest.fixture
def project(catalog: Catalog) -> Project:
    """The project of all sessions that tests/unit/records.py makes; three of them at once."""
    return catalog.add_project("tests", concurrency=3, default_timeout=3600, id="project-1")


@pytest.fixture
def signer() -> Signer:
    return Signer.generate()


@pytest.fixture
def links(signer: Signer) -> Links:
    return Links(signer)
