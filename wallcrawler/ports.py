"""What the kernel asks of its surroundings.

Each promise is numbered, `tests/contract` proves it against every adapter, and callers rely on nothing else. The
promises of `Tables` are those of DynamoDB, so that no engine has to pretend.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, Any, Protocol

#: What is stored: JSON values under the names of the table's schema.
Item = dict[str, Any]


# -- Tables -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Index:
    """A second way into a table. Eventually consistent: never count capacity from one."""

    name: str
    partition: str
    sort: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table's schema. `name` is without the deployment's prefix."""

    name: str
    partition: str
    sort: str | None = None
    indexes: tuple[Index, ...] = ()
    #: The field with the epoch second after which the engine may delete the item, at its leisure.
    ttl: str | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Write the whole item, if the stored one has `version` (0: if there is none; None: whatever is there)."""

    table: Table
    item: Item
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Add:
    """Add to numbers of an existing item, if for `below=(a, b)` its `a` is smaller than its `b` beforehand."""

    table: Table
    key: str
    amounts: Mapping[str, float]
    below: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the item, whatever it is; one that is not there is no error."""

    table: Table
    key: str
    sort: str | int | None = None


Write = Put | Add | Delete


@dataclass(frozen=True, slots=True)
class Page:
    """Items in order, and where to go on; `cursor` is None at the end."""

    items: list[Item]
    cursor: str | None = None


class Tables(Protocol):
    """Keyed items.

    1. `get` sees every write that was acknowledged before it.
    2. `write` does all of its writes or none. It raises Conflict with the index of the first condition that failed, and
       TryLater where the store is busy.
    3. `query` pages through one partition of a table or index, in the order of the sort key.
    4. Every acknowledged change of an item of the sessions table comes out of `changes` at least once, also after a
       restart. An engine may repeat and reorder them: who hears of one reads the item.
    """

    def get(self, table: Table, key: str, sort: str | int | None = None) -> Item | None: ...

    def write(self, *writes: Write) -> None: ...

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
        """The partition `value`; with `up_to` only items whose sort key is at most that. Raises ValueError for a
        cursor that did not come from a page of the same query."""
        ...

    def scan(self, table: Table, *, limit: int = 100, cursor: str | None = None) -> Page: ...

    def ping(self) -> None:
        """Raises TryLater where the store does not answer."""
        ...


# -- Feeds ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of a source. `handle` is the source's own."""

    body: dict[str, Any]
    handle: Any = None


class Source(Protocol):
    """A feed that a pump moves into Celery.

    1. `receive` returns as soon as there is something, and after `wait` seconds with nothing.
    2. What was received and not acknowledged comes again; also twice, also in another order.
    """

    def receive(self, wait: float) -> Sequence[Delivery]: ...

    def ack(self, delivery: Delivery) -> None: ...

    def hold(self, deliveries: Sequence[Delivery]) -> None:
        """They are still being worked on, and should not come again yet. Best effort: raises nothing."""
        ...


# -- Fleet ------------------------------------------------------------------------------------------------------------


class TaskStatus(StrEnum):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class Task:
    """One browser's task, as the fleet sees it. `version` grows with every change of it."""

    id: str
    session_id: str
    status: TaskStatus
    version: int
    #: `host:port` where the guest listens, once known.
    address: str | None = None
    exit_code: int | None = None
    #: Why it stopped, where the fleet knows: a short word, and a sentence.
    stop_code: str | None = None
    stopped_reason: str | None = None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """What a task needs to be told. The token is a secret: it goes into the task's environment and nowhere else."""

    session_id: str
    guest_token: str = field(repr=False)


class Fleet(Protocol):
    """Where browsers run.

    1. `run` is idempotent by session id: however often it is called, also at once, the session gets one task, and every
       call returns it, even after it stopped. It raises LaunchFailed with a reason that stands, or TryLater.
    2. `stop` must be idempotent. It asks, and returns what is now so; None where the fleet knows no task of the
       session. A task that was asked to stop and does not is ended by force.
    3. `tasks` lists every task that is not stopped.
    4. Every change of a task comes out of `events` at least once, in any order, as a body that `read` understands. One
       can be lost with the process that watched, which is why `tasks` exists. A body holds no secret.
    """

    def run(self, launch: Launch) -> Task: ...

    def stop(self, session_id: str, *, task: str | None, reason: str) -> Task | None: ...

    def tasks(self) -> list[Task]: ...

    def events(self) -> Source: ...

    def read(self, body: Mapping[str, Any]) -> Task | None:
        """The task that an event tells of, its address looked up; None where it is none of ours. Raises TryLater, and
        ValueError for a body that is no event."""
        ...

    def close(self) -> None:
        """End what this process started, and nothing that others did. `run` may not be called any more."""
        ...


# -- Wake, notices, jobs ----------------------------------------------------------------------------------------------


class Ringing(Protocol):
    """One caller who waits for one session."""

    def wait(self, seconds: float) -> bool:
        """True when the bell rang since the last call, or may have: a wake is a hint, the record is the truth."""
        ...


class Bell(Protocol):
    """Wakes whoever waits for a session, in whatever process.

    1. A ring after `listen` was entered wakes its Ringing, unless the server is away meanwhile.
    2. When a lost connection is back, everybody is woken to look for himself.
    3. `listen` and `ring` carry nothing but the session's id.
    """

    def ring(self, session_id: str) -> None:
        """Raises TryLater where the server does not answer."""
        ...

    def listen(self, session_id: str) -> AbstractContextManager[Ringing]:
        """Never raises: without a server the caller waits in vain, and re-reads."""
        ...

    def ping(self) -> None:
        """Raises TryLater where the server does not answer."""
        ...


class Topic(Protocol):
    """Tells the outside of sessions that became ready or ended, at least once each."""

    def publish(self, body: Mapping[str, Any], *, attributes: Mapping[str, str]) -> None: ...


class Jobs(Protocol):
    """Work for the provisioner. A job may be lost (`sweep` finds it) or repeated (every job is idempotent)."""

    def provision(self, session_id: str) -> None:
        """Raises TryLater where the queue does not answer."""
        ...

    def release(self, session_id: str) -> None:
        """Raises TryLater where the queue does not answer."""
        ...

    def ping(self) -> None:
        """Raises TryLater where the queue does not answer."""
        ...


class Blobs(Protocol):
    """Named byte strings.

    1. `put` is all or nothing: a reader sees the old bytes or the new. It returns the sha256, in hex. With `once`, it
       raises Conflict where there are bytes already.
    2. `open` and `size` raise NotFound. `delete` of what is not there is not an error.
    3. `url` is signed, for one name and one method, and stops working after `seconds`. One to PUT with `once` takes
       requests with the header `If-None-Match: *` alone, and answers 412 where there are bytes already.
    """

    def put(self, name: str, body: IO[bytes], *, once: bool = False) -> str: ...

    def open(self, name: str) -> IO[bytes]: ...

    def size(self, name: str) -> int:
        """Bytes."""
        ...

    def delete(self, name: str) -> None: ...

    def names(self, prefix: str) -> Iterator[str]: ...

    def url(self, name: str, *, method: str, seconds: float, once: bool = False) -> str: ...


class Clock(Protocol):
    def now(self) -> float:
        """Epoch seconds."""
        ...
