"""Blobs go with their sessions' records. S3 has rules for that; a directory has this."""

from __future__ import annotations

import threading
from typing import Final

from wallcrawler import log as logs
from wallcrawler.errors import NotFound, WallcrawlerError
from wallcrawler.ports import Blobs
from wallcrawler.sessions import Sessions

log = logs.get()

#: Folders with one for each session.
FOLDERS: Final = ("downloads/", "logs/")

#: Seconds between looks; the records themselves are not deleted more often.
EVERY: Final = 3600.0


class Expiry:
    """Looks now and then, on a thread of its own, from `start` to `stop`."""

    def __init__(self, sessions: Sessions, blobs: Blobs, *, every: float = EVERY) -> None:
        self._sessions = sessions
        self._blobs = blobs
        self._every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when nothing is being deleted any more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except (WallcrawlerError, OSError) as failed:
                # The next look finds what this one left.
                log.warning("expiry.failed", why=str(failed))
            self._stopping.wait(self._every)

    def look(self) -> int:
        """Delete the blobs of sessions that have no record any more; returns how many."""
        deleted = 0
        for folder in FOLDERS:
            gone: dict[str, bool] = {}
            for name in list(self._blobs.names(folder)):
                session_id = name.removeprefix(folder).partition("/")[0]
                if session_id not in gone:
                    gone[session_id] = self._gone(session_id)
                if gone[session_id] and not self._stopping.is_set():
                    self._blobs.delete(name)
                    deleted += 1
        if deleted:
            log.info("blobs.expired", blobs=deleted)
        return deleted

    def _gone(self, session_id: str) -> bool:
        try:
            self._sessions.get(session_id)
        except NotFound:
            return True
        return False
