"""The engines whose promises are tested here. A further one is a further entry; the bodies stay as they are.

Whatever an engine keeps must outlive its being opened again at the same place, and may be shared by tests: these give
everything names of their own. An engine that needs a server which is not there skips, and fails in CI.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import psutil
import pytest
from flask import Flask

from services.api import blobs as blobs_routes
from services.api.answers import Refusal
from tests.contract import aws_engines
from tests.eventually import eventually
from wallcrawler.errors import NotFound, SettingsError
from wallcrawler.local.blobs import DirectoryBlobs
from wallcrawler.local.fleet import ChildFleet
from wallcrawler.local.tables import SqliteTables
from wallcrawler.local.valkey import Valkey
from wallcrawler.ports import Blobs, Fleet, Source, Tables
from wallcrawler.relay import RelayedBlobs


def missing(what: str) -> None:
    """Skip the test, loudly, where a server is not there; fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"CI has no {what}: these tests must run there")
    pytest.skip(f"NO {what.upper()} ON THIS MACHINE")


# -- Tables -----------------------------------------------------------------------------------------------------------


class Store(Protocol):
    """Tables as one process has them open, with their feed of changed sessions."""

    @property
    def tables(self) -> Tables: ...

    @property
    def changes(self) -> Source: ...

    def close(self) -> None: ...


class SqliteStore:
    """A file."""

    def __init__(self, place: Path) -> None:
        self.tables = SqliteTables(place / "wallcrawler.db")
        self.changes = self.tables.changes()

    def close(self) -> None:
        self.tables.close()


#: How each engine is opened at a place. Opened there again, it has what was written.
TABLES: Final[Mapping[str, Callable[[Path], Store]]] = {"sqlite": SqliteStore, **aws_engines.TABLES}


# -- Fleet ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a fleet is opened with: where it may write, which API its guests find, which Chromium, and its patience."""

    place: Path
    api_url: str
    chrome: Path
    grace: float


def children(around: Surroundings) -> Fleet:
    return ChildFleet(
        host="127.0.0.1",
        public_host="127.0.0.1",
        run_dir=around.place,
        environment={
            "WALLCRAWLER_API_URL": around.api_url,
            "WALLCRAWLER_CHROME": str(around.chrome),
            "WALLCRAWLER_LOG_LEVEL": "ERROR",
        },
        grace=around.grace,
    )


FLEETS: Final[Mapping[str, Callable[[Surroundings], Fleet]]] = {"children": children, **aws_engines.FLEETS}


def guest_of(address: str | None) -> psutil.Process:
    """The process that serves at a task's address on this machine, as soon as there is one.

    Just after the launch its socket is still on the way, and held by the nursery, which is a child of ours.
    """
    assert address is not None
    host, _, port = address.rpartition(":")
    found: list[psutil.Process] = []

    def look() -> list[psutil.Process]:
        pids = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr == (host, int(port)) and connection.pid
        }
        found[:] = [process for process in map(psutil.Process, pids) if process.ppid() != os.getpid()]
        return found

    eventually(look)
    assert found[0].pid != os.getpid()
    return found[0]


# -- Blobs ------------------------------------------------------------------------------------------------------------


#: No headers.
NONE: Final[Mapping[str, str]] = {}


class BlobStore(Protocol):
    """Blobs, and a stranger who has nothing but a URL."""

    @property
    def blobs(self) -> Blobs: ...

    def ask(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = NONE) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        ...


class Served:
    """Blobs whose URLs the API serves."""

    BASE = "http://api.test:8080"
    SECRET = b"a secret of this test"

    def __init__(self, blobs: blobs_routes.Served) -> None:
        self.blobs = blobs
        app = Flask("wallcrawler")
        app.register_blueprint(blobs_routes.blueprint(self.blobs))
        app.register_error_handler(Refusal, lambda refusal: (refusal.message, refusal.status))
        app.register_error_handler(NotFound, lambda missing: (str(missing), 404))
        self._client = app.test_client()

    def ask(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = NONE) -> tuple[int, bytes]:
        assert url.startswith(f"{self.BASE}/")
        parts = urlsplit(url)
        answer = self._client.open(
            parts.path,
            query_string=parts.query,
            method=method,
            input_stream=io.BytesIO(body),
            content_length=len(body),
            headers=dict(headers),
        )
        return answer.status_code, answer.data


def directory(place: Path) -> BlobStore:
    """A directory."""
    return Served(DirectoryBlobs(place, base_url=Served.BASE, secret=Served.SECRET))


def relayed(place: Path) -> BlobStore:
    """S3, as browsers reach it that reach nothing but the API."""
    bucket = aws_engines.BLOBS["s3"](place)
    return Served(RelayedBlobs(bucket.blobs, base_url=Served.BASE, secret=Served.SECRET))


BLOBS: Final[Mapping[str, Callable[[Path], BlobStore]]] = {
    "directory": directory,
    "relayed": relayed,
    **aws_engines.BLOBS,
}


# -- A Redis-compatible server ----------------------------------------------------------------------------------------


def valkey() -> Valkey:
    """A server of our own, for bells and jobs."""
    try:
        return Valkey()
    except SettingsError:
        missing("Valkey")
        raise
