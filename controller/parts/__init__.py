"""What a session has beside its browser: files, a profile, a way out to the net, a record of what happened.

A part is told of four moments, in this order. Between `prepare` and `close` it may answer requests under its own paths.

    prepare   the session is assigned; Chrome starts when every part has prepared, with what they added to its Launch
    begin     Chrome answers; the session is READY when every part has begun
    drain     the session ends: nobody passes any more, Chrome still runs
    close     Chrome is gone; what is to be kept is put away now. Also called where `prepare` or Chrome failed
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.api import Api
from controller.cdp import Connection
from controller.chrome import Endpoint
from wallcrawler.assignment import Assignment, Note
from wallcrawler.wire.caller import Caller, Head

if TYPE_CHECKING:
    from wallcrawler.tokens import Audience


class PartFailed(Exception):
    """The session can't be what was asked for; `reason` is an endedReason, the text what a user can act on."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Launch:
    """Chrome before it starts: parts add to its switches, its environment, and the extensions that it loads."""

    directory: Path
    arguments: list[str]
    environment: dict[str, str]
    #: Unpacked extensions.
    extensions: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Browser:
    """Chrome, running. `observer` is the guest's own connection, beside those of clients; parts share it."""

    endpoint: Endpoint
    observer: Connection


@dataclass(frozen=True, slots=True)
class Request:
    """A request under a part's own path. `path` is what is behind that, from its slash on; `query` holds no token."""

    head: Head
    path: str
    query: str
    audience: Audience | None
    caller: Caller
    #: Done when the session has ended; its result is the endedReason.
    ended: asyncio.Future[str] = field(default_factory=asyncio.Future)
    #: What the caller came with, for addresses that lead it back here.
    token: str = field(default="", repr=False)


Handler = Callable[[Request], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Guest:
    """What a part knows of its guest."""

    assignment: Assignment
    directory: Path
    #: The guest's own port.
    port: int
    api: Api
    #: Puts a line into the session's history; in order, after what was reported before.
    note: Callable[[Note], None]
    #: Where files lie that clients upload, once there are any.
    uploads: Path
    #: `host:port` of what no page may reach: the control plane, as this guest is told of it.
    internal: Sequence[str] = ()
    #: Says how many clients drive the browser through the part, besides those of DevTools' sockets.
    attend: Callable[[int], None] = lambda _: None
    #: To be called from time to time while somebody looks at the session.
    watched: Callable[[], None] = lambda: None


class Part:
    """Base of all parts: one that does nothing at no moment."""

    #: Its key in the assignment's plan.
    name = ""
    #: Whether Chrome has to put its profile away in order at the end, and may not just be killed.
    keeps_profile = False
    #: Set before `drain` and `close` where Chrome ended by itself and badly, or something else went wrong.
    crashed = False

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.plan: Any = guest.assignment.plan.get(self.name)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Who answers requests under which of the gate's own paths, by gate.OWN's names. Where several parts share one,
        the first step behind it is in the name too: `control/uploads`."""
        return {}

    @property
    def proxy_bytes(self) -> int:
        """Bytes that have gone through proxies so far."""
        return 0

    async def prepare(self, launch: Launch) -> None:
        """Raises PartFailed."""

    async def begin(self, browser: Browser) -> None:
        """Raises PartFailed."""

    async def drain(self, browser: Browser) -> None:
        """Raises nothing that a session could not end with."""

    async def close(self) -> None:
        """Raises nothing that a session could not end with."""
