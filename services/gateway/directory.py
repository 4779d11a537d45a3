"""Where sessions are, as their records say.

What was read is kept for a few seconds, and given up earlier when the bell rings for the session: so that a client
that opens ten sockets costs one read, and nobody is sent to a browser that has gone. Stores are asked on threads of
their own; the event loop never waits for one.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from services.gateway import meters
from wallcrawler.ports import Bell, Ringing
from wallcrawler.session import Session
from wallcrawler.sessions import Sessions

#: Seconds for which a record counts as read just now: what a lost ring can cost.
FRESH: Final = 5.0

#: Records that are kept, each with a subscription of the bell.
KEPT: Final = 20_000

#: Threads that read records, and those that wait for the end of a session whose browser went without a word.
READERS: Final = 16
WAITERS: Final = 32

#: Seconds between reads while the end of a session is waited for; the price of a lost ring.
REREAD_EVERY: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Kept:
    """A record, and whoever listens for its changes since before it was read."""

    session: Session
    ringing: Ringing
    listening: ExitStack
    read_at: float


class Directory:
    """Finds sessions. To be used on one event loop."""

    def __init__(
        self, sessions: Sessions, bell: Bell, *, fresh: float = FRESH, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._sessions = sessions
        self._bell = bell
        self._fresh = fresh
        self._now = now
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._reading: dict[str, asyncio.Task[_Kept]] = {}
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        self._waiters = ThreadPoolExecutor(WAITERS, thread_name_prefix="wait")

    async def find(self, session_id: str) -> Session:
        """The session, as it was at most a moment ago. Raises NotFound, TryLater."""
        self._tidy()
        if kept := self._kept.get(session_id):
            if not kept.ringing.wait(0):
                meters.LOOKUPS.labels("hit").inc()
                return kept.session
            # At once: its ring is heard only once, and the next read may fail.
            self.forget(session_id)
        meters.LOOKUPS.labels("miss").inc()
        # Whoever asks while it is being read waits for the same answer; it is kept even if all of them leave.
        reading = self._reading.get(session_id)
        if reading is None:
            reading = self._reading[session_id] = asyncio.create_task(self._read(session_id))
        return (await asyncio.shield(reading)).session

    async def _read(self, session_id: str) -> _Kept:
        loop = asyncio.get_running_loop()
        try:
            kept = await loop.run_in_executor(self._readers, self._listen_and_read, session_id)
            self.forget(session_id)
            self._kept[session_id] = kept
            return kept
        finally:
            del self._reading[session_id]

    def _listen_and_read(self, session_id: str) -> _Kept:
        """On a thread. In this order: what changes after the read is heard."""
        with ExitStack() as undo:
            ringing = undo.enter_context(self._bell.listen(session_id))
            session = self._sessions.get(session_id)
            return _Kept(session, ringing, undo.pop_all(), self._now())

    def _tidy(self) -> None:
        """Forget what is not fresh any more, and the oldest of too many."""
        old = self._now() - self._fresh
        while self._kept:
            session_id, kept = next(iter(self._kept.items()))
            if kept.read_at > old and len(self._kept) <= KEPT:
                return
            self.forget(session_id)

    def forget(self, session_id: str) -> None:
        """What was read of it turned out to be untrue: read again when it is next asked for."""
        if kept := self._kept.pop(session_id, None):
            kept.listening.close()

    async def ending(self, session_id: str, *, within: float) -> str | None:
        """Why the session ends, once its record says so; None where it does not within so many seconds.

        Raises NotFound, TryLater.
        """
        self.forget(session_id)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._waiters, self._await_ending, session_id, within)

    def _await_ending(self, session_id: str, within: float) -> str | None:
        until = time.monotonic() + within
        with self._bell.listen(session_id) as ringing:
            while (reason := self._sessions.get(session_id).ended_reason) is None:
                left = until - time.monotonic()
                if left <= 0:
                    return None
                ringing.wait(min(REREAD_EVERY, left))
            return reason

    async def ask(self, ping: Callable[[], None]) -> None:
        """Ping a store, on one of the threads. Raises TryLater."""
        await asyncio.get_running_loop().run_in_executor(self._readers, ping)

    def close(self) -> None:
        """Stop listening. Who still waits for an answer gets none."""
        for session_id in list(self._kept):
            self.forget(session_id)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._waiters.shutdown(wait=False, cancel_futures=True)
