"""Tables in one SQLite file: a real, durable database for one machine.

Each table keeps its items as JSON; indexes are SQLite indexes over expressions. WAL mode lets readers go on while one
writes. Changes of sessions are written to an outbox in the same transaction, so that none is lost with the process.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wallcrawler.errors import Conflict, TryLater
from wallcrawler.messages import SessionChanged
from wallcrawler.ports import Add, Delete, Delivery, Index, Item, Page, Put, Table, Write
from wallcrawler.schema import SESSIONS, TABLES

#: The file's name in an instance's home.
DATABASE = "wallcrawler.db"

#: Milliseconds that a write waits for another process's write.
BUSY_TIMEOUT_MS = 5000

#: Seconds after which a feed looks by itself: writes of other processes (the command line) ring no bell here.
LOOK_EVERY = 1.0


#: Seconds between looks for items whose time to live is over; the first write of a process looks as well.
PURGE_EVERY = 3600.0


class SqliteTables:
    """The Tables port on a file. Safe to use from many threads; other processes may open the same file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        # One writer at a time is SQLite's rule; queueing here is fair, its busy handler is not.
        self._writing = threading.Lock()
        self._changed = threading.Condition()
        self._purge_at = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._writing, self._transaction() as db:
            for table in TABLES:
                _create(db, table)
            db.execute("CREATE TABLE IF NOT EXISTS changes (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)")

    def _db(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            db = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
            )
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            self._local.db = db
            self._opened.append(db)
        return db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._db()
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as busy:
            raise TryLater(f"the database is busy: {busy}", after=1) from None
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def get(self, table: Table, key: str, sort: str | int | None = None) -> Item | None:
        if isinstance(sort, int) and abs(sort) >= 1 << 63:
            # SQLite has no such number, and so no such item.
            return None
        row = (
            self._db()
            .execute(
                f"SELECT item FROM {_sql(table)} WHERE pk = ? AND sk = ?",  # noqa: S608 - names come from the schema
                (key, "" if sort is None else sort),
            )
            .fetchone()
        )
        return json.loads(row[0]) if row else None

    def write(self, *writes: Write) -> None:
        with self._writing, self._transaction() as db:
            changed = [_apply(db, index, write) for index, write in enumerate(writes)]
        if time.monotonic() > self._purge_at:
            self._purge_at = time.monotonic() + PURGE_EVERY
            self.purge()
        if any(changed):
            with self._changed:
                self._changed.notify_all()

    def query(
        self,
        table: Table,
        value: str,
        *,
        index: Index | None = None,
        up_to: float | None = None,
        newest_first: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        partition = f"json_extract(item, '$.{index.partition}')" if index else "pk"
        sort = f"json_extract(item, '$.{index.sort}')" if index else "sk"
        where = f"{partition} = ?"
        values: list[Any] = [value]
        if up_to is not None:
            where, values = f"{where} AND {sort} <= ?", [*values, up_to]
        origin = [table.name, index.name if index else "", value, newest_first]
        return self._page(table, where, values, (sort, "pk"), origin, limit=limit, cursor=cursor, down=newest_first)

    def scan(self, table: Table, *, limit: int = 100, cursor: str | None = None) -> Page:
        return self._page(table, "1 = ?", [1], ("pk", "sk"), [table.name], limit=limit, cursor=cursor)

    def _page(
        self,
        table: Table,
        where: str,
        values: list[Any],
        by: tuple[str, str],
        origin: list[Any],
        *,
        limit: int,
        cursor: str | None,
        down: bool = False,
    ) -> Page:
        """Items in the order of two columns, unique together. A cursor is the last one's, and says where it is from."""
        order = "DESC" if down else "ASC"
        if cursor is not None:
            where = f"{where} AND ({by[0]}, {by[1]}) {'<' if down else '>'} (?, ?)"
            values = [*values, *_position(cursor, origin)]
        rows = (
            self._db()
            .execute(
                f"SELECT item, {by[0]}, {by[1]} FROM {_sql(table)} WHERE {where} "  # noqa: S608 - names come from the schema
                f"ORDER BY {by[0]} {order}, {by[1]} {order} LIMIT ?",
                [*values, limit + 1],
            )
            .fetchall()
        )
        items = [json.loads(row[0]) for row in rows[:limit]]
        return Page(items, json.dumps([origin, *rows[limit - 1][1:]]) if len(rows) > limit else None)

    def ping(self) -> None:
        try:
            self._db().execute("SELECT 1").fetchone()
        except sqlite3.Error as broken:
            raise TryLater(f"the database does not answer: {broken}", after=1) from None

    def changes(self) -> SqliteChanges:
        """The feed of changed sessions. One reader."""
        return SqliteChanges(self)

    def purge(self, *, now: float | None = None) -> int:
        """Delete what is past its table's time to live; returns how many items that were."""
        now = time.time() if now is None else now
        deleted = 0
        with self._writing, self._transaction() as db:
            for table in TABLES:
                if table.ttl and table is not SESSIONS:
                    gone = db.execute(
                        f"DELETE FROM {_sql(table)} WHERE json_extract(item, '$.{table.ttl}') < ?",  # noqa: S608
                        (now,),
                    )
                    deleted += gone.rowcount
            # A live session's expiresAt is its deadline: only those that are over may go.
            gone = db.execute(
                f"DELETE FROM {_sql(SESSIONS)} WHERE json_extract(item, '$.expiresAt') < ? "  # noqa: S608
                "AND json_extract(item, '$.endedAt') IS NOT NULL",
                (now,),
            )
        return deleted + gone.rowcount

    def close(self) -> None:
        """Close every connection and fold the log into the file. No thread may use the tables any more."""
        for db in self._opened:
            db.close()
        self._opened.clear()
        self._local = threading.local()


class SqliteChanges:
    """The outbox of changed sessions, as a Source."""

    def __init__(self, tables: SqliteTables) -> None:
        self._tables = tables
        self._handed_out = 0

    def receive(self, wait: float) -> Sequence[Delivery]:
        until = time.monotonic() + wait
        while True:
            # Looked at while the bell is held, so that nothing is written and rung between the look and the wait.
            with self._tables._changed:
                rows = self._look()
                left = until - time.monotonic()
                if rows or left <= 0:
                    break
                self._tables._changed.wait(min(left, LOOK_EVERY))
        if rows:
            self._handed_out = rows[-1][0]
        return [Delivery(json.loads(body), handle=id) for id, body in rows]

    def _look(self) -> list[tuple[int, str]]:
        return (
            self._tables._db()
            .execute("SELECT id, body FROM changes WHERE id > ? ORDER BY id LIMIT 100", (self._handed_out,))
            .fetchall()
        )

    def hold(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to do: what was handed out is handed out again by the next process alone."""

    def ack(self, delivery: Delivery) -> None:
        with self._tables._writing, self._tables._transaction() as db:
            db.execute("DELETE FROM changes WHERE id = ?", (delivery.handle,))


def _sql(table: Table) -> str:
    return f'"{table.name}"'


def _create(db: sqlite3.Connection, table: Table) -> None:
    db.execute(
        f"CREATE TABLE IF NOT EXISTS {_sql(table)} (pk TEXT NOT NULL, sk NOT NULL DEFAULT '', item TEXT NOT NULL, "
        "PRIMARY KEY (pk, sk)) WITHOUT ROWID"
    )
    for index in table.indexes:
        db.execute(
            f'CREATE INDEX IF NOT EXISTS "{table.name}/{index.name}" ON {_sql(table)} '
            f"(json_extract(item, '$.{index.partition}'), json_extract(item, '$.{index.sort}'), pk)"
        )


def _apply(db: sqlite3.Connection, index: int, write: Write) -> bool:
    """Do one write; true if it is one that the feed tells of. Raises Conflict."""
    table = write.table
    if isinstance(write, Delete):
        sort = "" if write.sort is None else write.sort
        db.execute(f"DELETE FROM {_sql(table)} WHERE pk = ? AND sk = ?", (write.key, sort))  # noqa: S608
        return False
    key = (
        (write.item[table.partition], write.item[table.sort] if table.sort else "")
        if isinstance(write, Put)
        else (write.key, "")
    )
    row = db.execute(f"SELECT item FROM {_sql(table)} WHERE pk = ? AND sk = ?", key).fetchone()  # noqa: S608
    old: Item | None = json.loads(row[0]) if row else None
    new = _put(index, write, old) if isinstance(write, Put) else _added(index, write, old)
    db.execute(
        f"INSERT OR REPLACE INTO {_sql(table)} (pk, sk, item) VALUES (?, ?, ?)",  # noqa: S608
        (*key, json.dumps(new, separators=(",", ":"))),
    )
    if table is not SESSIONS:
        return False
    db.execute("INSERT INTO changes (body) VALUES (?)", (json.dumps(SessionChanged.of_images(old, new).as_wire()),))
    return True


def _put(index: int, write: Put, old: Item | None) -> Item:
    stored = old.get("version") if old else 0
    if write.version is not None and stored != write.version:
        raise Conflict(index, f"{write.table.name}: version {stored} is stored, {write.version} was expected")
    return write.item


def _added(index: int, write: Add, old: Item | None) -> Item:
    if old is None:
        raise Conflict(index, f"{write.table.name}: there is no {write.key}")
    if write.below and not old[write.below[0]] < old[write.below[1]]:
        raise Conflict(index, f"{write.table.name}: {write.below[0]} has reached {write.below[1]}")
    return old | {name: old[name] + amount for name, amount in write.amounts.items()}


def _position(cursor: str, origin: list[Any]) -> list[Any]:
    """Raises ValueError for a cursor that is not of this origin."""
    try:
        found, *position = json.loads(cursor)
    except (ValueError, TypeError):
        found, position = None, []
    if found != origin or len(position) != 2 or not all(isinstance(part, str | int | float) for part in position):
        raise ValueError("the cursor is not one of this list")
    return list(position)
