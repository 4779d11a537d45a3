"""The repository of what sessions downloaded.

A record is there before its bytes are, and goes after they went: bytes without a record are only those that a guest put
late, and they go with their session.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from wallcrawler.download import PREFIX, Download, blob_name, mime_type_of
from wallcrawler.errors import Conflict, NotFound, TryLater, WallcrawlerError
from wallcrawler.filename import stamped
from wallcrawler.ports import Blobs, Clock, Delete, Put, Tables
from wallcrawler.schema import DOWNLOADS
from wallcrawler.session import Session

#: Downloads of one session that may come in the same millisecond.
RACES = 50


class NotAsSaid(Exception):
    """What came of a file is not what its guest had said."""


class TooMuch(WallcrawlerError):
    """The session's downloads have reached a limit, which the text names."""


@dataclass(frozen=True, slots=True)
class Room:
    """What is kept of one session: bytes of one download and of all together, and how many."""

    limit: int
    total: int
    count: int


class Downloads:
    """All downloads of all sessions. Safe to use from many threads and processes."""

    def __init__(self, tables: Tables, blobs: Blobs, clock: Clock) -> None:
        self._tables = tables
        self._blobs = blobs
        self._clock = clock

    def expect(self, session: Session, *, name: str, size: int, room: Room) -> Download:
        """A record for a file that is about to arrive. Raises TooMuch, TryLater."""
        if size > room.limit:
            raise TooMuch(f"a download is kept up to {room.limit} bytes, and this one has {size}")
        known = list(self._all(session.id))
        if len(known) >= room.count:
            raise TooMuch(f"{room.count} downloads of a session are kept, and it has them")
        if (taken := sum(download.size for download in known)) + size > room.total:
            raise TooMuch(f"{room.total} bytes of a session's downloads are kept, and it has {taken}")
        now = self._clock.now()
        for number in range(int(now * 1000), int(now * 1000) + RACES):
            download = Download(
                session_id=session.id,
                number=number,
                name=stamped(name, number),
                mime_type=mime_type_of(name),
                size=size,
                created_at=now,
                expires_at=math.ceil(session.ends_at + session.retention),
            )
            with suppress(Conflict):
                self._tables.write(Put(DOWNLOADS, download.as_item(), version=0))
                return download
        raise TryLater(f"too many downloads of session {session.id} come at once", after=1)

    def keep(self, session_id: str, number: int, *, size: int, sha256: str) -> Download:
        """The file's bytes are there: from now on it is shown. Safe to repeat.

        Raises NotFound where it was deleted meanwhile, or its bytes never came, and NotAsSaid where they are not as
        many as were announced; what is there of it is deleted then.
        """
        seen = self._find(session_id, number)
        if seen is not None and seen.kept:
            return seen
        if seen is not None:
            # Who says it is a guest, next to hostile pages; limits hold for what is there.
            stored = self._blobs.size(seen.blob)
            if not stored == size == seen.size:
                self.delete(seen)
                raise NotAsSaid(f"{stored} bytes came, and {size} of {seen.size} were said")
            arrived = seen.arrived(size=size, sha256=sha256)
            try:
                self._tables.write(Put(DOWNLOADS, arrived.as_item(), version=seen.version))
            except Conflict:
                return self.keep(session_id, number, size=size, sha256=sha256)
            return arrived
        self._blobs.delete(blob_name(session_id, number))
        raise NotFound(f"there is no download {session_id}.{number}")

    def give_up(self, session_id: str, number: int) -> None:
        """The file does not arrive. One that is kept stays."""
        seen = self._find(session_id, number)
        if seen is not None and not seen.kept:
            self.delete(seen)

    def get(self, session_id: str, number: int) -> Download:
        """Raises NotFound."""
        found = self._find(session_id, number)
        if found is None or not found.kept:
            raise NotFound(f"there is no download {session_id}.{number}")
        return found

    def of_session(self, session_id: str) -> Iterator[Download]:
        """What is kept, in the order in which it was completed."""
        return (download for download in self._all(session_id) if download.kept)

    def delete(self, download: Download) -> None:
        """The bytes first: without them a record can be deleted again, without it nobody would find them."""
        self._blobs.delete(download.blob)
        self._tables.write(Delete(DOWNLOADS, download.session_id, download.number))

    def delete_all(self, session_id: str) -> None:
        """Also what is arriving."""
        for download in list(self._all(session_id)):
            self.delete(download)
        for name in list(self._blobs.names(f"{PREFIX}{session_id}/")):
            self._blobs.delete(name)

    def _find(self, session_id: str, number: int) -> Download | None:
        item = self._tables.get(DOWNLOADS, session_id, number)
        return Download.from_item(item) if item else None

    def _all(self, session_id: str) -> Iterator[Download]:
        cursor = None
        while True:
            page = self._tables.query(DOWNLOADS, session_id, cursor=cursor)
            yield from map(Download.from_item, page.items)
            if (cursor := page.cursor) is None:
                return
