"""One session: what is known of it, and how an event changes that. Pure.

The stored item is this record with camel-case names; the API's spelling of a session is not here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from wallcrawler import lifecycle
from wallcrawler.lifecycle import Event, Reason, State

#: Facts that an event may bring; all others are derived here.
FACTS: Final = frozenset({"task", "address", "browser_up_at", "proxy_bytes"})

#: Seconds that `sweep` leaves to the guest's own timers before it acts in their place.
SLACK: Final = 3.0
#: Seconds for which a record that is not over outlives its deadline in the store: whoever deletes by the time to live
#: must not be faster than those who end sessions, however long these were away.
UNSETTLED: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Session:
    """A session's record. Times are epoch seconds, durations seconds."""

    id: str
    project_id: str
    state: State
    version: int
    created_at: float
    updated_at: float
    #: When the session times out, whatever happens.
    ends_at: float
    #: When it has to be READY.
    create_by: float
    #: Seconds after READY within which a client must connect.
    connect_within: float
    #: Seconds that a session survives its last client, unless it is kept alive.
    linger: float
    #: Seconds for which the record is kept after the end.
    retention: float
    region: str
    viewport: tuple[int, int]
    keep_alive: bool = False
    user_metadata: Mapping[str, Any] = field(default_factory=dict)
    #: The caller's browserSettings as they came, for what later parts read of them.
    browser_settings: Mapping[str, Any] = field(default_factory=dict)
    #: The context whose profile the browser has, where there is one.
    context_id: str | None = None
    task: str | None = None
    #: `host:port` of the guest.
    address: str | None = None
    browser_up_at: float | None = None
    ready_at: float | None = None
    attached_at: float | None = None
    detached_at: float | None = None
    #: When somebody was last seen to look at it, before the first client came.
    watched_at: float | None = None
    ended_at: float | None = None
    ended_reason: str | None = None
    proxy_bytes: int = 0
    #: The digest of what its create asked for, where that had an Idempotency-Key.
    asked: str | None = None
    #: The trace of its create, as W3C Trace Context writes it, where there is one.
    traceparent: str | None = None

    @property
    def over(self) -> bool:
        return self.state in lifecycle.OVER

    @property
    def leaving(self) -> bool:
        return self.state is State.TERMINATING

    @property
    def connectable(self) -> bool:
        return self.state in lifecycle.CONNECTABLE

    @property
    def starting(self) -> bool:
        return self.state in lifecycle.STARTING

    @property
    def deadline(self) -> float:
        """When the record needs attention next; after the end, when it may be deleted."""
        if self.starting:
            return self.create_by
        if self.state is State.READY:
            if self.attached_at is None:
                since = max(self.ready_at or self.created_at, self.watched_at or 0)
                return min(self.ends_at, since + self.connect_within)
            if not self.keep_alive and self.detached_at is not None:
                return min(self.ends_at, self.detached_at + self.linger)
        if self.leaving:
            return self.updated_at
        if self.over:
            return (self.ended_at or self.updated_at) + self.retention
        return self.ends_at

    @property
    def expires_at(self) -> int:
        """Epoch second from which the store may delete the record."""
        return math.ceil(self.deadline + (0 if self.over else UNSETTLED))

    def overdue(self, now: float) -> tuple[Event, Reason] | None:
        """What has to happen because a deadline has passed, the guest's head start included."""
        if self.leaving or self.over or now < self.deadline + (0 if self.starting else SLACK):
            return None
        if self.starting:
            return Event.EXPIRED, Reason.CREATE_DEADLINE
        if self.deadline >= self.ends_at:
            return Event.EXPIRED, Reason.TIMED_OUT
        return Event.ABANDONED, Reason.NEVER_CONNECTED if self.attached_at is None else Reason.DISCONNECTED

    def after(self, event: Event, *, at: float, reason: str | None = None, **facts: Any) -> Session | None:
        """The record after `event`, or None where it is stale: not in the table, or nothing new in it.

        The first reason of an ending stays. Raises ValueError for a fact that no event brings.
        """
        if strange := facts.keys() - FACTS:
            raise ValueError(f"an event brings no {', '.join(sorted(strange))}")
        # A fact is learnt once, but for a count, of which the most that was told is true.
        counted = facts.pop("proxy_bytes", 0)
        learnt = {name: value for name, value in facts.items() if getattr(self, name) is None and value is not None}
        learnt |= {"proxy_bytes": counted} if counted > self.proxy_bytes else {}
        known = {name for name in FACTS if getattr(self, name) is not None} | learnt.keys()
        ended_reason = self.ended_reason or reason
        state = lifecycle.advance(self.state, event, known=known, ended_reason=ended_reason)
        if state is None or (state is self.state and not learnt and event is not Event.WATCHED):
            return None
        moved = replace(self, **learnt, state=state, version=self.version + 1, updated_at=at)
        return replace(moved, **moved._times(event, at, ended_reason))

    def _times(self, event: Event, at: float, ended_reason: str | None) -> dict[str, Any]:
        times: dict[str, Any] = {}
        if self.state is State.READY and self.ready_at is None:
            times["ready_at"] = at
        if event is Event.ATTACHED:
            times |= {"attached_at": at, "detached_at": None}
        if event is Event.DETACHED:
            times["detached_at"] = at
        if event is Event.WATCHED:
            times["watched_at"] = at
        if self.leaving or self.over:
            times["ended_reason"] = str(ended_reason or lifecycle.DEFAULT_REASONS[event])
        if self.over:
            times["ended_at"] = at
        return times

    def as_item(self) -> dict[str, Any]:
        """As stored. `status` and `expiresAt` are the keys of the index that finds what is due first."""
        item = {_ITEM_NAMES[spec.name]: getattr(self, spec.name) for spec in fields(self)}
        item |= {"status": str(self.state), "viewport": list(self.viewport), "expiresAt": self.expires_at}
        return {name: value for name, value in item.items() if value is not None}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Session:
        values = {name: item[stored] for name, stored in _ITEM_NAMES.items() if stored in item}
        width, height = item["viewport"]
        return cls(**values | {"state": State(item["status"]), "viewport": (int(width), int(height))})


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


_ITEM_NAMES: Final = {spec.name: _camel(spec.name) for spec in fields(Session)} | {"id": "sessionId", "state": "status"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a session's history. `sequence` is the version of the record that it made."""

    session_id: str
    sequence: int
    at: float
    event: str
    after: str
    before: str | None = None
    reason: str | None = None
    detail: str | None = None
    #: Epoch second after which the store may delete it.
    expires_at: int | None = None

    def as_item(self) -> dict[str, Any]:
        item = {_camel(spec.name): getattr(self, spec.name) for spec in fields(self)}
        return {name: value for name, value in item.items() if value is not None}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Entry:
        return cls(**{spec.name: item[_camel(spec.name)] for spec in fields(cls) if _camel(spec.name) in item})
