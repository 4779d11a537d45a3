"""The repository of extensions: a record in a table, and the zip as a blob."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import IO

from wallcrawler import log as logs
from wallcrawler.errors import NotFound
from wallcrawler.extension import Extension
from wallcrawler.ports import Blobs, Clock, Delete, Put, Tables
from wallcrawler.schema import EXTENSIONS

log = logs.get()

#: What may be an id at all. It comes from callers, and no store takes every text for a key.
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


class Extensions:
    """What projects have uploaded. Another project's is not there at all."""

    def __init__(self, tables: Tables, blobs: Blobs, clock: Clock) -> None:
        self._tables = tables
        self._blobs = blobs
        self._clock = clock

    def add(self, project_id: str, *, file_name: str, name: str, size: int, body: IO[bytes]) -> Extension:
        """Keep an archive that was examined. Where this raises, nothing is kept."""
        now = self._clock.now()
        extension = Extension(
            id=str(uuid.uuid4()),
            project_id=project_id,
            file_name=file_name,
            name=name,
            size=size,
            sha256="",
            created_at=now,
            updated_at=now,
        )
        # The blob first: a record promises that there is one.
        extension = replace(extension, sha256=self._blobs.put(extension.blob, body))
        try:
            self._tables.write(Put(EXTENSIONS, extension.as_item(), version=0))
        except BaseException:
            self._blobs.delete(extension.blob)
            raise
        log.info("extension.added", extension=extension.id, size=size)
        return extension

    def get(self, project_id: str, extension_id: str) -> Extension:
        """Raises NotFound."""
        item = self._tables.get(EXTENSIONS, extension_id) if _ID.fullmatch(extension_id) else None
        if item is None or item["projectId"] != project_id:
            raise NotFound(f"there is no extension {extension_id[:64]}")
        return Extension.from_item(item)

    def delete(self, project_id: str, extension_id: str) -> None:
        """From now on no session gets it; those that have it keep their copies. Raises NotFound."""
        extension = self.get(project_id, extension_id)
        self._tables.write(Delete(EXTENSIONS, extension.id))
        # Between the two a blob may be left that no record leads to, and never the other way round.
        self._blobs.delete(extension.blob)
        log.info("extension.deleted", extension=extension.id)

    def url(self, extension: Extension, *, seconds: float) -> str:
        """Where the zip can be read for so many seconds. A secret."""
        return self._blobs.url(extension.blob, method="GET", seconds=seconds)
