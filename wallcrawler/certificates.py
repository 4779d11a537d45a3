"""The repository of certificates. They are public and small: the record holds all of it."""

from __future__ import annotations

import re
import uuid

from wallcrawler import log as logs
from wallcrawler.certificate import Certificate
from wallcrawler.errors import NotFound
from wallcrawler.ports import Clock, Delete, Put, Tables
from wallcrawler.schema import BY_PROJECT, CERTIFICATES

log = logs.get()

#: What may be an id at all. It comes from callers, and no store takes every text for a key.
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


class Certificates:
    """What projects have uploaded. Another project's is not there at all."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    def add(self, project_id: str, pem: str) -> Certificate:
        """Keep what was examined."""
        now = self._clock.now()
        certificate = Certificate(str(uuid.uuid4()), project_id, pem, now, now)
        self._tables.write(Put(CERTIFICATES, certificate.as_item(), version=0))
        log.info("certificate.added", certificate=certificate.id)
        return certificate

    def get(self, project_id: str, certificate_id: str) -> Certificate:
        """Raises NotFound."""
        item = self._tables.get(CERTIFICATES, certificate_id) if _ID.fullmatch(certificate_id) else None
        if item is None or item["projectId"] != project_id:
            raise NotFound(f"there is no certificate {certificate_id[:64]}")
        return Certificate.from_item(item)

    def of_project(self, project_id: str) -> list[Certificate]:
        """All of the project's, newest first."""
        found: list[Certificate] = []
        cursor = None
        while True:
            page = self._tables.query(CERTIFICATES, project_id, index=BY_PROJECT, newest_first=True, cursor=cursor)
            found += map(Certificate.from_item, page.items)
            if (cursor := page.cursor) is None:
                return found

    def delete(self, project_id: str, certificate_id: str) -> None:
        """From now on no session is given it; those that have it go on. Raises NotFound."""
        certificate = self.get(project_id, certificate_id)
        self._tables.write(Delete(CERTIFICATES, certificate.id))
        log.info("certificate.deleted", certificate=certificate.id)
