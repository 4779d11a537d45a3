"""Blobs whose sessions are forgotten."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from tests.characters import HandClock
from tests.eventually import eventually
from tests.unit.records import a_session
from wallcrawler.local.blobs import DirectoryBlobs
from wallcrawler.local.expiry import Expiry
from wallcrawler.local.tables import SqliteTables
from wallcrawler.project import Project
from wallcrawler.session import Session
from wallcrawler.sessions import Sessions


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    return DirectoryBlobs(tmp_path / "blobs", base_url="http://api", secret=b"secret")


def put(blobs: DirectoryBlobs, *names: str) -> None:
    for name in names:
        blobs.put(name, io.BytesIO(b"x"))


def test_blobs_go_with_their_sessions_record(blobs: DirectoryBlobs, sessions: Sessions, project: Project) -> None:
    """Files and logs of a session that is known stay, and so does what belongs to no session."""
    known = sessions.create(a_session())
    stays = [f"downloads/{known.id}/1", f"logs/{known.id}/1.jsonl.zst", "contexts/project-1/forgotten/1.tar.zst"]
    put(blobs, *stays, "downloads/forgotten/1", "downloads/forgotten/2", "logs/forgotten/1.jsonl.zst")

    deleted = Expiry(sessions, blobs).look()

    assert deleted == 3
    assert sorted(blobs.names("")) == sorted(stays)


class StumblesOnce(Sessions):
    """Sessions whose disk is away when it is first asked for."""

    stumbled = False

    def get(self, session_id: str) -> Session:
        if not self.stumbled:
            self.stumbled = True
            raise OSError("the disk is away")
        return super().get(session_id)


def test_it_looks_by_itself(blobs: DirectoryBlobs, tables: SqliteTables, clock: HandClock) -> None:
    """At once, again and again, and not after it was stopped; what fails is done at the next look."""
    put(blobs, "downloads/forgotten/1")
    expiry = Expiry(StumblesOnce(tables, clock), blobs, every=0.01)

    expiry.start()
    eventually(lambda: not list(blobs.names("downloads/")))
    put(blobs, "downloads/forgotten/2")
    eventually(lambda: not list(blobs.names("downloads/")))
    expiry.stop()
    put(blobs, "downloads/forgotten/3")

    assert list(blobs.names("downloads/")) == ["downloads/forgotten/3"]


def test_it_stops_at_once(blobs: DirectoryBlobs, sessions: Sessions) -> None:
    """However long it would wait for the next look."""
    expiry = Expiry(sessions, blobs, every=3600)
    expiry.start()

    began = time.monotonic()
    expiry.stop()

    assert time.monotonic() - began < 5
