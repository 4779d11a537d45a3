"""All contexts, and the archives that they are made of.

An archive is never written over: whoever persists reserves a number, uploads under it, and has it committed. Only the
commit moves the head, and only from where the session began; otherwise the version is kept beside it, and somebody
chooses. So an upload that broke off, or that is no archive, leaves the head as it is.

A blob is never without a record: the record of a reserved version is there before its blob, and a version that goes is
marked first, then its blob is deleted, then its record. A process that dies in between leaves a record that the next
reservation, commit or `tidy` finds; the other order would leave blobs that nobody knows of, and logins are in them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from wallcrawler import log as logs
from wallcrawler.context import DELETED, Committed, Context, Stage, Version, name_key
from wallcrawler.errors import Conflict, NotFound, TryLater, WallcrawlerError
from wallcrawler.ports import Blobs, Clock, Delete, Put, Tables, Write
from wallcrawler.schema import BY_PROJECT, CONTEXT_VERSIONS, CONTEXTS
from wallcrawler.uploadkey import UploadKey
from wallcrawler.wire import archive

log = logs.get()

#: How often a lost race is run again.
RACES: Final = 20

#: The item with the key of uploads; no context has this id.
UPLOAD_KEY: Final = "upload-key"

#: Seconds for which a signed URL to an archive is good, either way.
URL_SECONDS: Final = 600.0
#: Seconds after which a version that was reserved and never committed is dropped: no URL to it works any more.
ABANDONED: Final = 3 * URL_SECONDS

#: Versions that one session may reserve. It persists once, and tries it a few times.
OF_A_SESSION: Final = 10


class NameTaken(WallcrawlerError):
    """The project has an active context of this name."""


class Spent(WallcrawlerError):
    """The session has persisted its context, or tried it too often."""


class BadUpload(WallcrawlerError):
    """What was uploaded is not what was said, or no archive. The text says what is wrong."""


class Contexts:
    """The repository of contexts. Safe to use from many threads and processes.

    `limit` is bytes of the largest archive, `keep` how many versions of a context are kept.
    """

    def __init__(self, tables: Tables, blobs: Blobs, clock: Clock, *, limit: int, keep: int) -> None:
        self._tables = tables
        self._blobs = blobs
        self._clock = clock
        self.limit = limit
        self._keep = keep

    # -- Contexts -----------------------------------------------------------------------------------------------------

    def create(self, project_id: str, name: str | None = None) -> Context:
        """Raises NameTaken."""
        now = self._clock.now()
        context = Context(str(uuid.uuid4()), project_id, now, now, name=name)
        writes: list[Write] = [Put(CONTEXTS, context.as_item(), version=0)]
        if name is not None:
            reserved = {"contextId": name_key(project_id, name), "version": 1, "of": context.id}
            writes.append(Put(CONTEXTS, reserved, version=0))
        try:
            self._tables.write(*writes)
        except Conflict:
            raise NameTaken(f"there is an active context named {name!r}") from None
        log.info("context.created", context_id=context.id)
        return context

    def get(self, context_id: str, *, project_id: str) -> Context:
        """Raises NotFound, also for one of another project and one that was deleted."""
        context = self._find(context_id)
        if context is None or context.project_id != project_id or context.deleted:
            raise NotFound(f"there is no context {context_id}")
        return context

    def _find(self, context_id: str) -> Context | None:
        item = self._tables.get(CONTEXTS, context_id)
        # The items that reserve names are in the same table.
        return Context.from_item(item) if item is not None and "ownedBy" in item else None

    def delete(self, context_id: str, *, project_id: str) -> None:
        """It is gone at once; then its archives. Raises NotFound. Again, it goes on with what broke off."""
        for _ in range(RACES):
            seen = self._find(context_id)
            if seen is None or seen.project_id != project_id:
                raise NotFound(f"there is no context {context_id}")
            gone = replace(seen, deleted=True, version=seen.version + 1, updated_at=self._clock.now())
            writes: list[Write] = [Put(CONTEXTS, gone.as_item(), version=seen.version)]
            if seen.name is not None and not seen.deleted:
                writes.append(Delete(CONTEXTS, name_key(project_id, seen.name)))
            if self._won(*writes):
                log.info("context.deleted", context_id=context_id)
                self._bury(gone)
                self.tidy()
                return
        raise _contended(context_id)

    def tidy(self) -> int:
        """Go on with deletions that broke off, or waited for uploads; returns how many contexts that finished."""
        items = list(self._pages(CONTEXTS, DELETED, index=BY_PROJECT))
        return sum(self._bury(Context.from_item(item)) for item in items)

    def _bury(self, context: Context) -> bool:
        """Delete the blobs of a deleted context, and its record when no upload can come any more."""
        left = [version for version in self._versions(context.id) if not self._drop(version, context)]
        for name in list(self._blobs.names(context.folder)):
            self._blobs.delete(name)
        if left:
            return False
        self._tables.write(Delete(CONTEXTS, context.id))
        return True

    def upload_key(self) -> UploadKey:
        """What uploads may be encrypted with; made when it is first asked for, and the same from then on."""
        while (item := self._tables.get(CONTEXTS, UPLOAD_KEY)) is None:
            new = {"contextId": UPLOAD_KEY, "version": 1, "pem": UploadKey.new().decode()}
            self._won(Put(CONTEXTS, new, version=0))
        return UploadKey(item["pem"].encode())

    # -- Versions -----------------------------------------------------------------------------------------------------

    def versions(self, context: Context) -> list[Version]:
        """Those that are kept, newest first."""
        return [version for version in self._versions(context.id) if version.stage is Stage.KEPT]

    def head(self, context: Context) -> Version | None:
        """What the next session begins with. Raises NotFound where it is gone from the records."""
        return None if context.head is None else self._kept(context, context.head)

    def _kept(self, context: Context, number: int) -> Version:
        item = self._tables.get(CONTEXT_VERSIONS, context.id, number)
        if item is None or (version := Version.from_item(item)).stage is not Stage.KEPT:
            raise NotFound(f"there is no version {number} of context {context.id}")
        return version

    def rollback(self, context_id: str, number: int, *, project_id: str) -> Context:
        """Have the next session begin with this version. Raises NotFound."""
        for _ in range(RACES):
            seen = self.get(context_id, project_id=project_id)
            chosen = self._kept(seen, number)
            moved = replace(seen, head=number, version=seen.version + 1, updated_at=self._clock.now())
            touched = replace(chosen, version=chosen.version + 1)
            # Both on condition: a version that is being dropped meanwhile must not become head.
            if self._won(
                Put(CONTEXTS, moved.as_item(), version=seen.version),
                Put(CONTEXT_VERSIONS, touched.as_item(), version=chosen.version),
            ):
                log.info("context.rolled_back", context_id=context_id, number=number, was=seen.head)
                return moved
        raise _contended(context_id)

    def reserve(self, context_id: str, *, project_id: str, session_id: str | None = None) -> Version:
        """A number for a new archive, whose blob may come from now on. Raises NotFound, and Spent for a session."""
        for _ in range(RACES):
            seen = self.get(context_id, project_id=project_id)
            if session_id is not None:
                self._check_spent(context_id, session_id)
            given = replace(seen, last=seen.last + 1, version=seen.version + 1)
            version = Version(context_id, given.last, self._clock.now(), Stage.RESERVED, session_id=session_id)
            if self._won(
                Put(CONTEXTS, given.as_item(), version=seen.version),
                Put(CONTEXT_VERSIONS, version.as_item(), version=0),
            ):
                self._prune(given)
                return version
        raise _contended(context_id)

    def _check_spent(self, context_id: str, session_id: str) -> None:
        mine = [version for version in self._versions(context_id) if version.session_id == session_id]
        if any(version.stage is Stage.KEPT for version in mine):
            raise Spent(f"session {session_id} has persisted context {context_id}")
        if len(mine) >= OF_A_SESSION:
            raise Spent(f"session {session_id} has reserved {OF_A_SESSION} versions of context {context_id}")

    def commit(
        self,
        context_id: str,
        number: int,
        *,
        project_id: str,
        size: int | None = None,
        sha256: str | None = None,
        based_on: int | None,
        session_id: str | None = None,
    ) -> Committed:
        """Check the archive that was uploaded under a number that this session reserved, keep it, and move the head to
        it where that still is `based_on`. May be repeated.

        Raises BadUpload where the blob is missing, is no archive, or is not of this size and hash (None: whatever they
        are), and NotFound where the context or the reservation is gone. Then the blob is gone too.
        """
        blob = Context(context_id, project_id, 0, 0).blob(number)
        stored = self._reservation(context_id, number, session_id)
        if stored.stage is Stage.KEPT:
            return Committed(self.get(context_id, project_id=project_id), stored, first=False)
        try:
            self.get(context_id, project_id=project_id)
            found = self._checked(blob)
            if (size, sha256) not in {(None, None), (found.size, found.sha256)}:
                raise BadUpload(f"{found.size} bytes of it came, and not the {size} that were sent")
            return self._commit(stored, project_id, found, based_on)
        except (NotFound, BadUpload):
            item = self._tables.get(CONTEXT_VERSIONS, context_id, number)
            if item is None or Version.from_item(item).stage is not Stage.KEPT:
                # The reservation stays until no URL to it works any more: what is uploaded later has to be found, too.
                self._blobs.delete(blob)
            raise

    def _reservation(self, context_id: str, number: int, session_id: str | None) -> Version:
        item = self._tables.get(CONTEXT_VERSIONS, context_id, number)
        stored = Version.from_item(item) if item is not None else None
        if stored is None or stored.stage is Stage.DROPPED or stored.session_id != session_id:
            raise NotFound(f"version {number} of context {context_id} is not reserved")
        return stored

    def _checked(self, blob: str) -> archive.Archive:
        try:
            with self._blobs.open(blob) as body:
                return archive.check(body, limit=self.limit)
        except NotFound:
            raise BadUpload("nothing was uploaded") from None
        except archive.BadArchive as bad:
            raise BadUpload(str(bad)) from None

    def _commit(self, reserved: Version, project_id: str, found: archive.Archive, based_on: int | None) -> Committed:
        for _ in range(RACES):
            seen = self.get(reserved.context_id, project_id=project_id)
            stored = self._reservation(reserved.context_id, reserved.number, reserved.session_id)
            if stored.stage is Stage.KEPT:
                return Committed(seen, stored, first=False)
            first = seen.head == based_on
            kept = replace(
                stored,
                stage=Stage.KEPT,
                version=stored.version + 1,
                created_at=self._clock.now(),
                size=found.size,
                sha256=found.sha256,
                based_on=based_on,
                conflicted=not first,
            )
            head = kept.number if first else seen.head
            moved = replace(seen, head=head, version=seen.version + 1, updated_at=self._clock.now())
            if self._won(
                Put(CONTEXTS, moved.as_item(), version=seen.version),
                Put(CONTEXT_VERSIONS, kept.as_item(), version=stored.version),
            ):
                log.info("context.persisted", context_id=seen.id, number=kept.number, size=kept.size, head=moved.head)
                self._prune(moved)
                return Committed(moved, kept)
        raise _contended(reserved.context_id)

    def abandon(self, context_id: str, number: int, *, project_id: str) -> None:
        """Give up a version that nobody has a URL to, unless it was committed."""
        item = self._tables.get(CONTEXT_VERSIONS, context_id, number)
        if item is not None and (stored := Version.from_item(item)).stage is not Stage.KEPT:
            self._drop(stored, Context(context_id, project_id, 0, 0), now=True)

    def _prune(self, context: Context) -> None:
        """Drop what is beyond the versions to keep, was abandoned, or was half dropped. The head always stays."""
        kept = 0
        for version in self._versions(context.id):
            if version.stage is Stage.KEPT:
                kept += 1
                if version.number == context.head or kept <= self._keep:
                    continue
            self._drop(version, context)

    def _drop(self, version: Version, context: Context, *, now: bool = False) -> bool:
        """Delete a version, its blob first; False where it stays: an upload may come, or somebody else moved it."""
        waits = version.stage is Stage.RESERVED and self._clock.now() < version.created_at + ABANDONED
        if waits and not now:
            return False
        dropped = replace(version, stage=Stage.DROPPED, version=version.version + 1)
        if not self._won(Put(CONTEXT_VERSIONS, dropped.as_item(), version=version.version)):
            return False
        self._blobs.delete(context.blob(version.number))
        self._tables.write(Delete(CONTEXT_VERSIONS, context.id, version.number))
        log.info("context.version_dropped", context_id=context.id, number=version.number, was=version.stage)
        return True

    def _versions(self, context_id: str) -> Iterator[Version]:
        items = list(self._pages(CONTEXT_VERSIONS, context_id, newest_first=True))
        return (Version.from_item(item) for item in items)

    def _won(self, *writes: Write) -> bool:
        try:
            self._tables.write(*writes)
        except Conflict:
            return False
        return True

    def _pages(self, table: Any, value: str, **how: Any) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            page = self._tables.query(table, value, cursor=cursor, **how)
            yield from page.items
            if (cursor := page.cursor) is None:
                return


def _contended(context_id: str) -> TryLater:
    return TryLater(f"context {context_id} is being written by many at once", after=1)
