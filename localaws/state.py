"""What localaws remembers, in one SQLite file: clusters, definitions, tasks, client tokens, and events not yet sent.

Work that belongs together is done inside `transaction()`: it is kept as a whole or not at all. The file holds the
environment of tasks, secrets among it, and is its owner's alone.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from localaws.definitions import Definition
from localaws.tags import Tags
from localaws.tasks import DESCRIBABLE, Task

#: Seconds for which a client token stands for the tasks that it has started.
TOKEN_LIFE: Final = 86_400.0

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS clusters (name TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS definitions (
  family TEXT NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (family, revision));
CREATE TABLE IF NOT EXISTS tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, cluster TEXT NOT NULL, family TEXT NOT NULL,
  started_by TEXT, launch_type TEXT NOT NULL, desired TEXT NOT NULL, eni TEXT, stopped_at REAL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS tasks_by_start ON tasks (cluster, started_by);
CREATE INDEX IF NOT EXISTS tasks_by_end ON tasks (stopped_at);
CREATE TABLE IF NOT EXISTS tokens (
  token TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, tasks TEXT NOT NULL, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, body TEXT NOT NULL, due REAL NOT NULL,
  held INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    name: str
    tags: Tags = field(default_factory=dict)
    settings: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Token:
    """A client token that has been used, and for what."""

    fingerprint: str
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks a list is to have; None asks for any."""

    desired: str
    family: str | None = None
    started_by: str | None = None
    launch_type: str | None = None


_CLUSTERS: Final = TypeAdapter(Cluster)
_DEFINITIONS: Final = TypeAdapter(Definition)
_TASKS: Final = TypeAdapter(Task)


class State:
    """The file. Safe for all threads of one process; `events` are the outbox's own."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.RLock()
        self._depth = 0
        self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; one thread at a time. May be nested: the outermost one counts."""
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._db.execute("BEGIN IMMEDIATE")
                yield
                if self._depth == 1:
                    self._db.execute("COMMIT")
            except BaseException:
                if self._depth == 1:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def put_cluster(self, cluster: Cluster) -> None:
        self.rows("REPLACE INTO clusters VALUES (?, ?)", cluster.name, _CLUSTERS.dump_json(cluster).decode())

    def cluster(self, name: str) -> Cluster | None:
        found = self.rows("SELECT body FROM clusters WHERE name = ?", name)
        return _CLUSTERS.validate_json(found[0][0]) if found else None

    def clusters(self) -> list[Cluster]:
        return [_CLUSTERS.validate_json(body) for (body,) in self.rows("SELECT body FROM clusters ORDER BY name")]

    def put_definition(self, definition: Definition) -> None:
        body = _DEFINITIONS.dump_json(definition).decode()
        self.rows("REPLACE INTO definitions VALUES (?, ?, ?)", definition.family, definition.revision, body)

    def definition(self, family: str, revision: int | None) -> Definition | None:
        """That revision, or the newest that is active."""
        revisions = self.definitions(family)
        if revision is None:
            return next((one for one in reversed(revisions) if one.active), None)
        return next((one for one in revisions if one.revision == revision), None)

    def definitions(self, family: str | None = None) -> list[Definition]:
        """In the order of family and revision."""
        found = self.rows(
            "SELECT body FROM definitions WHERE ?1 IS NULL OR family = ?1 ORDER BY family, revision", family
        )
        return [_DEFINITIONS.validate_json(body) for (body,) in found]

    def put_task(self, task: Task) -> None:
        eni = task.interface and task.interface.address and task.interface.eni_id
        self.rows(
            "INSERT INTO tasks (id, cluster, family, started_by, launch_type, desired, eni, stopped_at, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " desired = excluded.desired, eni = excluded.eni, stopped_at = excluded.stopped_at, body = excluded.body",
            task.id,
            task.cluster,
            task.family,
            task.started_by,
            task.launch_type,
            str(task.desired_status),
            eni,
            task.stopped_at,
            _TASKS.dump_json(task).decode(),
        )

    def task(self, task_id: str) -> Task | None:
        found = self.rows("SELECT body FROM tasks WHERE id = ?", task_id)
        return _TASKS.validate_json(found[0][0]) if found else None

    def live_tasks(self) -> list[Task]:
        """All that are not STOPPED, oldest first."""
        found = self.rows("SELECT body FROM tasks WHERE stopped_at IS NULL ORDER BY seq")
        return [_TASKS.validate_json(body) for (body,) in found]

    def count_live(self) -> int:
        return int(self.rows("SELECT count(*) FROM tasks WHERE stopped_at IS NULL")[0][0])

    def task_page(self, cluster: str, *, after: int, limit: int, now: float, wanted: Wanted) -> list[tuple[int, str]]:
        """`(place, id)` of a cluster's tasks that can be described, oldest first, from after a place on."""
        return self.rows(
            "SELECT seq, id FROM tasks WHERE cluster = ?1 AND seq > ?2 AND (stopped_at IS NULL OR stopped_at >= ?3)"
            " AND desired = ?4 AND (?5 IS NULL OR family = ?5) AND (?7 IS NULL OR started_by = ?7)"
            " AND (?8 IS NULL OR launch_type = ?8) ORDER BY seq LIMIT ?6",
            cluster,
            after,
            now - DESCRIBABLE,
            wanted.desired,
            wanted.family,
            limit,
            wanted.started_by,
            wanted.launch_type,
        )

    def put_token(self, token: str, fingerprint: str, tasks: Sequence[str], at: float) -> None:
        self.rows("REPLACE INTO tokens VALUES (?, ?, ?, ?)", token, fingerprint, ",".join(tasks), at)

    def token(self, token: str, now: float) -> Token | None:
        found = self.rows(
            "SELECT fingerprint, tasks FROM tokens WHERE token = ? AND created_at >= ?", token, now - TOKEN_LIFE
        )
        return Token(found[0][0], tuple(found[0][1].split(","))) if found else None

    def purge(self, now: float) -> list[str]:
        """Forget what nobody can ask for any more; returns the ids of the tasks among it."""
        with self.transaction():
            # A token answers with its tasks for a day: they are kept as long, though no longer described.
            gone = [id for (id,) in self.rows("SELECT id FROM tasks WHERE stopped_at < ?", now - TOKEN_LIFE)]
            self.rows("DELETE FROM tasks WHERE stopped_at < ?", now - TOKEN_LIFE)
            self.rows("DELETE FROM tokens WHERE created_at < ?", now - TOKEN_LIFE)
        return gone
