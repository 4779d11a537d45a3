"""All routes of one gateway: who is connected to whom, until either goes or the process does."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Final

from services.gateway import door, meters
from services.gateway.directory import Directory
from services.gateway.door import Refusal
from services.gateway.pulse import PING
from wallcrawler import log as logs
from wallcrawler.errors import NotFound, TryLater
from wallcrawler.lifecycle import Reason, close_frame
from wallcrawler.session import Session
from wallcrawler.tokens import Verifier
from wallcrawler.wire.frames import close
from wallcrawler.wire.http import ask
from wallcrawler.wire.splice import Splice

log = logs.get()

#: Seconds for the record of a session to say why its browser went without a word.
ENDING_WITHIN: Final = 2.0

#: Seconds for a guest to say that it is alive.
PROBE_WITHIN: Final = 1.0

#: Seconds that clients have, when the gateway goes, to take the last that is said to them; between looks whether their
#: browser has finished a sentence meanwhile.
GOODBYE_WITHIN: Final = 2.0
LOOK_EVERY: Final = 0.02

#: Codes of RFC 6455, section 7.4.1: the gateway goes, and the browser went and nobody knows why.
GOING_AWAY: Final = close(1001, "going away")
UNEXPLAINED: Final = close(1011, "the browser went away")

#: Routes that are looked at without a pause; thousands of pings at once would hold up everybody's round trips.
AT_ONCE: Final = 100


class Route(Splice):
    """One client's way to its guest. It keeps itself: what happens to it is told to its gateway."""

    def __init__(self, gateway: Gateway, client: asyncio.Transport, session: Session, *, wants_socket: bool) -> None:
        super().__init__(client, self, drives=wants_socket)
        self.session = session
        self.open = False
        self._gateway = gateway
        self._began = time.monotonic()
        self._apology: asyncio.Task[None] | None = None
        self._metered = (0, 0)
        self._seen_before = 0

    def answered(self, *, upgraded: bool) -> None:
        if upgraded:
            super().answered(upgraded=True)
        elif self.drives:
            # A guest that refuses may be another session's, at an address that had been this one's.
            self._gateway.directory.forget(self.session.id)
        # Else an answer like any other: the guest says the rest of it, and closes.

    def chrome_gone(self) -> None:
        if self.chrome.seen == 0 and not self.client.transport.is_closing():
            self._apology = asyncio.create_task(self._apologise())
        else:
            super().chrome_gone()

    async def _apologise(self) -> None:
        refusal = await self._gateway.unanswered(self.session)
        meters.REFUSALS.labels(refusal.status).inc()
        log.info("gate.refused", session_id=self.session.id, status=refusal.status, why=refusal.message)
        self.client.transport.write(door.refusal_bytes(refusal))
        self.client.transport.close()

    def joined(self, splice: Splice) -> None:
        self.open = True
        log.info("gateway.opened", session_id=self.session.id)

    def left(self, splice: Splice) -> None:
        self.meter()
        self._gateway.ended(self)
        if self.open:
            self.open = False
            seconds, carried = round(time.monotonic() - self._began, 1), self.client.seen + self.chrome.seen
            log.info("gateway.closed", session_id=self.session.id, seconds=seconds, bytes=carried)

    async def why(self, splice: Splice) -> bytes | None:
        return await self._gateway.farewell(self.session)

    def meter(self) -> None:
        """Count what was carried since the last call."""
        to_browser, to_client = self._metered
        self._metered = self.client.seen, self.chrome.seen
        meters.BYTES.labels("to_browser").inc(self.client.seen - to_browser)
        meters.BYTES.labels("to_client").inc(self.chrome.seen - to_client)

    def beat(self) -> None:
        """Ping a client that neither heard nor said anything since the last beat."""
        seen = self.client.seen + self.chrome.seen
        silent = seen == self._seen_before and not self.client.transport.get_write_buffer_size()
        if silent and self.between_frames:
            self.insert(PING)
            meters.PINGS.inc()
        self._seen_before = seen


class Gateway:
    """What a process of it knows: where sessions are, whose tokens are good, and its open routes."""

    def __init__(self, directory: Directory, verifier: Verifier) -> None:
        self.directory = directory
        self.verifier = verifier
        self.draining = False
        self._routes: set[Route] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def begun(self, route: Route) -> None:
        self._routes.add(route)
        self._empty.clear()

    def ended(self, route: Route) -> None:
        self._routes.discard(route)
        if not self._routes:
            self._empty.set()

    async def find(self, session_id: str) -> Session | Refusal:
        """A session that can be connected to, or why it can't."""
        try:
            session = await self.directory.find(session_id)
        except NotFound as unknown:
            return Refusal(404, str(unknown))
        except TryLater as busy:
            return Refusal(503, f"{busy}; ask again in a moment", after=max(1, round(busy.after)))
        return door.refusal(session) or session

    async def unanswered(self, session: Session) -> Refusal:
        """What to tell a client whose guest can't be reached, or went before it had said a word."""
        reason = await self._ending(session)
        return door.ended(reason) if reason else Refusal(502, "the browser does not answer")

    async def farewell(self, session: Session) -> bytes | None:
        """The close frame for a client whose guest went without one; None where it only closed this one socket."""
        if await _serves(session):
            return None
        reason = await self._ending(session)
        meters.LOST_GUESTS.labels(Reason.of(reason) if reason else "nothing").inc()
        log.warning("gateway.guest_lost", session_id=session.id, reason=reason)
        return close(*close_frame(reason)) if reason else UNEXPLAINED

    async def _ending(self, session: Session) -> str | None:
        try:
            return await self.directory.ending(session.id, within=ENDING_WITHIN)
        except (NotFound, TryLater) as unknown:
            log.warning("gateway.ending_unknown", session_id=session.id, why=str(unknown))
            return None

    async def beat(self, every: float) -> None:
        """Keep idle connections alive. Never returns."""
        while True:
            await asyncio.sleep(every)
            for count, route in enumerate(list(self._routes), start=1):
                route.beat()
                if count % AT_ONCE == 0:
                    await asyncio.sleep(0)

    def meter(self) -> None:
        """Bring the numbers up to date: they are counted where somebody looks, and not with every chunk."""
        meters.OPEN_SOCKETS.set(sum(route.open for route in self._routes))
        for route in self._routes:
            route.meter()

    async def drain(self, seconds: float) -> None:
        """Take no more clients, and leave those that are here so many seconds; then tell them to go elsewhere."""
        self.draining = True
        log.info("gateway.draining", routes=len(self._routes), seconds=seconds)
        await self._emptied(seconds)
        until = time.monotonic() + GOODBYE_WITHIN
        while self._routes and time.monotonic() < until:
            for route in [route for route in self._routes if route.between_frames or not route.open]:
                route.finish(GOING_AWAY)
            await self._emptied(LOOK_EVERY)
        for route in list(self._routes):
            route.client.transport.abort()

    async def _emptied(self, within: float) -> None:
        """Returns when there is no route left, or the time is up."""
        waiting = asyncio.create_task(self._empty.wait())
        await asyncio.wait({waiting}, timeout=within)
        waiting.cancel()


async def _serves(session: Session) -> bool:
    """The session's guest is there, and not about to end."""
    try:
        answer = await ask(f"http://{session.address}/health", within=PROBE_WITHIN)
        return bool(json.loads(answer.body)["phase"] == "serving")
    except (OSError, ValueError, KeyError, TypeError):
        return False
