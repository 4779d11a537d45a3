"""All sessions, behind one door.

`advance` is the only way in which a session's record changes: it asks the table of the lifecycle, writes on condition
that nobody was faster, and writes the history and the project's count in the same transaction. There is no save().
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from wallcrawler import log as logs
from wallcrawler import metrics, trace
from wallcrawler.errors import ConcurrencyReached, Conflict, NotFound, TryLater
from wallcrawler.lifecycle import Event, Reason, State
from wallcrawler.ports import Add, Clock, Delete, Page, Put, Tables, Write
from wallcrawler.schema import BY_DEADLINE, BY_PROJECT, PROJECTS, SESSION_EVENTS, SESSION_PLANS, SESSIONS
from wallcrawler.session import Entry, Session

log = logs.get()

#: How often a lost race is run again; every loss means that somebody else moved the session forward.
RACES = 20

#: Records that one page of a filtered list is made from at most, and how many of them are read at once.
READ_AT_MOST = 10_000
READ_AT_ONCE = 500


class Sessions:
    """The repository of sessions. Safe to use from many threads and processes."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    def create(self, session: Session, *, detail: str | None = None, plan: Mapping[str, Any] | None = None) -> Session:
        """Store a new session and count it, in one transaction; `detail` goes into its history, and `plan` is what its
        guest is told to do, by the name of the part that does it. A plan may hold secrets; it goes with the session.

        A session of this id that is there already is returned as it is, so that a create can be repeated. Raises
        ConcurrencyReached where the project is full, NotFound where there is no such project, TryLater.
        """
        first = Entry(session.id, session.version, session.created_at, "CREATED", session.state, detail=detail)
        writes: list[Write] = [
            Put(SESSIONS, session.as_item(), version=0),
            Add(PROJECTS, session.project_id, {"active": 1, "version": 1}, below=("active", "concurrency")),
            Put(SESSION_EVENTS, self._kept(first, session)),
        ]
        if plan:
            kept_until = math.ceil(session.ends_at + session.retention)
            writes.append(
                Put(SESSION_PLANS, {"sessionId": session.id, "plan": json.dumps(plan), "expiresAt": kept_until})
            )
        for _ in range(RACES):
            try:
                self._tables.write(*writes)
            except Conflict as conflict:
                if conflict.index == 0:
                    return self.get(session.id)
                self._refuse_if_full(session.project_id)
                continue
            log.info("session.created", timeout=round(session.ends_at - session.created_at), region=session.region)
            return session
        raise TryLater("the project's count is being written by many at once", after=1)

    def _refuse_if_full(self, project_id: str) -> None:
        project = self._tables.get(PROJECTS, project_id)
        if project is None:
            raise NotFound(f"there is no project {project_id}")
        if project["active"] >= project["concurrency"]:
            raise ConcurrencyReached(int(project["concurrency"]))

    def plan(self, session_id: str) -> dict[str, Any]:
        """What the session's guest is told to do, by the name of the part that does it; nothing after its end."""
        item = self._tables.get(SESSION_PLANS, session_id)
        return dict(json.loads(item["plan"])) if item else {}

    def note(self, session_id: str, happened: str, *, detail: str | None = None) -> Session:
        """Put a line into the session's history that is no event of its lifecycle. Raises NotFound, TryLater."""
        for _ in range(RACES):
            seen = self.get(session_id)
            now = self._clock.now()
            noted = replace(seen, version=seen.version + 1)
            entry = Entry(session_id, noted.version, now, happened, seen.state, detail=detail)
            with suppress(Conflict):
                self._tables.write(
                    Put(SESSIONS, noted.as_item(), version=seen.version),
                    Put(SESSION_EVENTS, self._kept(entry, noted)),
                )
                log.info("session.noted", happened=happened, detail=detail)
                return noted
        raise _contended(session_id)

    def get(self, session_id: str) -> Session:
        """What is now true. Raises NotFound."""
        item = self._tables.get(SESSIONS, session_id)
        if item is None:
            raise NotFound(f"there is no session {session_id}")
        return Session.from_item(item)

    def advance(
        self,
        session_id: str,
        event: Event,
        *,
        reason: str | None = None,
        detail: str | None = None,
        when: Callable[[Session], bool] | None = None,
        **facts: Any,
    ) -> Session:
        """Let `event` happen to the session, and return what is now true.

        A stale event changes nothing, and that is no error: callers look at the record. With `when`, the event only
        happens to a record of which that is true: a deadline that was seen to pass may be met meanwhile. Raises
        NotFound, TryLater, and ValueError for a reason whose word is not in the lifecycle.
        """
        if reason is not None:
            Reason.of(reason)
        for _ in range(RACES):
            seen = self.get(session_id)
            now = self._clock.now()
            moved = seen.after(event, at=now, reason=reason, **facts) if when is None or when(seen) else None
            if moved is None:
                metrics.STALE_EVENTS.labels(event).inc()
                log.debug("session.stale_event", happened=event, state=seen.state)
                return seen
            entry = Entry(session_id, moved.version, now, event, moved.state, seen.state, moved.ended_reason, detail)
            with suppress(Conflict):
                with trace.span("advance", parent=seen.traceparent, happened=event, state=moved.state):
                    self._write(seen, moved, entry)
                _tell(seen, moved, event, detail)
                return moved
        raise _contended(session_id)

    def _write(self, seen: Session, moved: Session, entry: Entry) -> None:
        writes: list[Write] = [
            Put(SESSIONS, moved.as_item(), version=seen.version),
            Put(SESSION_EVENTS, self._kept(entry, moved)),
        ]
        if moved.over:
            used = moved.updated_at - (moved.ready_at or moved.updated_at)
            amounts = {"active": -1, "version": 1, "browserSeconds": used, "proxyBytes": moved.proxy_bytes}
            writes.append(Add(PROJECTS, moved.project_id, amounts))
            # Nobody has to do it any more, and it may hold passwords.
            writes.append(Delete(SESSION_PLANS, moved.id))
        self._tables.write(*writes)

    def _kept(self, entry: Entry, session: Session) -> dict[str, Any]:
        """History outlives its session's longest life by the retention."""
        return entry.as_item() | {"expiresAt": math.ceil(session.ends_at + session.retention)}

    def history(self, session_id: str) -> list[Entry]:
        """Everything that happened to the session, oldest first."""
        return [Entry.from_item(item) for item in self._pages(SESSION_EVENTS, session_id)]

    def of_project(self, project_id: str, *, newest_first: bool = True) -> Iterator[Session]:
        pages = self._pages(SESSIONS, project_id, index=BY_PROJECT, newest_first=newest_first)
        return (Session.from_item(item) for item in pages)

    def page(
        self,
        project_id: str,
        *,
        limit: int,
        cursor: str | None = None,
        wanted: Callable[[Session], bool] | None = None,
    ) -> tuple[list[Session], str | None]:
        """Up to `limit` of the project's sessions that are wanted, newest first, and where to go on; None at the end.

        Reads READ_AT_MOST records, and ends with fewer sessions than `limit` where these hold no more. Raises
        ValueError for a cursor that is not one of this list.
        """
        found: list[Session] = []
        size = limit if wanted is None else READ_AT_ONCE
        for _ in range(max(1, READ_AT_MOST // size)):
            page = self._newest(project_id, size, cursor)
            for place, item in enumerate(page.items, 1):
                session = Session.from_item(item)
                if wanted is None or wanted(session):
                    found.append(session)
                if len(found) == limit:
                    whole = place == len(page.items)
                    return found, page.cursor if whole else self._cursor_after(session, project_id, place, cursor)
            cursor = page.cursor
            if cursor is None:
                break
        return found, cursor

    def _cursor_after(self, session: Session, project_id: str, place: int, cursor: str | None) -> str | None:
        """The cursor of a page that ends with `session`; a table gives one only at the end of what it read."""
        for newer in range(RACES):
            # Sessions may have come before it since it was read.
            page = self._newest(project_id, place + newer, cursor)
            if page.items and page.items[-1]["sessionId"] == session.id:
                return page.cursor
        raise _contended(session.id)

    def _newest(self, project_id: str, limit: int, cursor: str | None) -> Page:
        return self._tables.query(SESSIONS, project_id, index=BY_PROJECT, newest_first=True, limit=limit, cursor=cursor)

    def in_state(self, state: State) -> Iterator[Session]:
        """Sessions in this state, most urgent first."""
        return (Session.from_item(item) for item in self._pages(SESSIONS, state, index=BY_DEADLINE))

    def _pages(self, table: Any, value: str, **how: Any) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            page = self._tables.query(table, value, cursor=cursor, **how)
            yield from page.items
            if (cursor := page.cursor) is None:
                return


def _contended(session_id: str) -> TryLater:
    return TryLater(f"session {session_id} is being written by many at once", after=random.uniform(0.1, 0.5))  # noqa: S311


def _tell(seen: Session, moved: Session, event: Event, detail: str | None) -> None:
    """One line for each transition, and its time in the metrics."""
    if moved.state is seen.state:
        log.debug("session.learnt", happened=event, task=moved.task, address=moved.address)
        return
    metrics.STATE_SECONDS.labels(seen.state).observe(max(0.0, moved.updated_at - seen.updated_at))
    facts = {"happened": event, "before": seen.state, "state": moved.state, "task": moved.task}
    with logs.about(session_id=moved.id, project_id=moved.project_id):
        if moved.over:
            metrics.ENDINGS.labels(Reason.of(moved.ended_reason or "")).inc()
            log.info("session.ended", **facts, reason=moved.ended_reason, detail=detail)
        elif moved.leaving:
            log.info("session.leaving", **facts, reason=moved.ended_reason, detail=detail)
        elif moved.state is State.READY and seen.ready_at is None:
            log.info("session.ready", **facts, seconds=round(moved.updated_at - moved.created_at, 3))
        else:
            log.info("session.moved", **facts)
