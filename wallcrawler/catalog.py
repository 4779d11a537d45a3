"""Projects and API keys."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

from wallcrawler.errors import Conflict, NotFound
from wallcrawler.ports import Clock, Index, Item, Put, Table, Tables
from wallcrawler.project import ApiKey, Project, key_hash, new_key
from wallcrawler.schema import API_KEYS, KEYS_OF_PROJECT, PROJECTS

#: How much of a key is kept to tell it from others: its prefix and six characters.
HINT = 9


class Catalog:
    """The repository of what sessions belong to."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    def add_project(self, name: str, *, concurrency: int, default_timeout: int, id: str | None = None) -> Project:
        """Raises Conflict where the id is taken."""
        now = self._clock.now()
        project = Project(
            id=id or str(uuid.uuid4()),
            name=name,
            owner_id="local",
            default_timeout=default_timeout,
            concurrency=concurrency,
            created_at=now,
            updated_at=now,
        )
        self._tables.write(Put(PROJECTS, project.as_item(), version=0))
        return project

    def project(self, project_id: str) -> Project:
        """Raises NotFound."""
        item = self._tables.get(PROJECTS, project_id)
        if item is None:
            raise NotFound(f"there is no project {project_id}")
        return Project.from_item(item)

    def projects(self) -> Iterator[Project]:
        return (Project.from_item(item) for item in self._all(PROJECTS))

    def set_concurrency(self, project_id: str, concurrency: int) -> Project:
        """Raises NotFound."""
        return self._rewrite(project_id, concurrency=concurrency)

    def recount(self, seen: Project, active: int) -> bool:
        """Correct the count of live sessions, unless the project changed since it was seen."""
        counted = replace(seen, active=active, version=seen.version + 1, updated_at=self._clock.now())
        try:
            self._tables.write(Put(PROJECTS, counted.as_item(), version=seen.version))
        except Conflict:
            return False
        return True

    def _rewrite(self, project_id: str, *, concurrency: int) -> Project:
        while True:
            seen = self.project(project_id)
            new = replace(seen, concurrency=concurrency, version=seen.version + 1, updated_at=self._clock.now())
            try:
                self._tables.write(Put(PROJECTS, new.as_item(), version=seen.version))
            except Conflict:
                continue
            return new

    def add_key(self, project_id: str, *, name: str, key: str | None = None) -> tuple[str, ApiKey]:
        """A new key of the project, or the given one, and its record. The key itself is stored nowhere.

        A given key that is this project's already is kept as it is; one of another project raises Conflict.
        """
        secret = key or new_key()
        record = ApiKey(key_hash(secret), project_id, name, secret[:HINT], self._clock.now())
        try:
            self._tables.write(Put(API_KEYS, record.as_item(), version=0))
        except Conflict:
            stored = self._tables.get(API_KEYS, record.hash)
            if stored is None or stored["projectId"] != project_id or stored.get("revokedAt"):
                raise
            return secret, ApiKey.from_item(stored)
        return secret, record

    def owner_of(self, key: str) -> ApiKey:
        """The record of a key that a caller sent. Raises NotFound for one that is unknown or revoked."""
        item = self._tables.get(API_KEYS, key_hash(key))
        if item is None or item.get("revokedAt"):
            raise NotFound("no such API key")
        return ApiKey.from_item(item)

    def api_keys(self) -> Iterator[ApiKey]:
        return (ApiKey.from_item(item) for item in self._all(API_KEYS))

    def keys_of(self, project_id: str) -> Iterator[ApiKey]:
        return (ApiKey.from_item(item) for item in self._all(API_KEYS, project_id, KEYS_OF_PROJECT))

    def revoke(self, key: ApiKey) -> ApiKey:
        """From now on the key opens nothing. Safe to repeat."""
        while not key.revoked_at:
            revoked = replace(key, revoked_at=self._clock.now(), version=key.version + 1)
            try:
                self._tables.write(Put(API_KEYS, revoked.as_item(), version=key.version))
            except Conflict:
                key = self._key(key.hash)
            else:
                return revoked
        return key

    def _key(self, hash: str) -> ApiKey:
        item = self._tables.get(API_KEYS, hash)
        if item is None:
            raise NotFound("no such API key")
        return ApiKey.from_item(item)

    def _all(self, table: Table, value: str | None = None, index: Index | None = None) -> Iterator[Item]:
        cursor = None
        while True:
            if value is None:
                page = self._tables.scan(table, cursor=cursor)
            else:
                page = self._tables.query(table, value, index=index, cursor=cursor)
            yield from page.items
            if (cursor := page.cursor) is None:
                return
