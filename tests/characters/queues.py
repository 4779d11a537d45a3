"""Jobs, and the broker behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import kombu.exceptions

from wallcrawler.errors import TryLater


class JobList:
    """Writes down the jobs that it is given, and does none."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def provision(self, session_id: str) -> None:
        self.asked.append(("provision", session_id))

    def release(self, session_id: str) -> None:
        self.asked.append(("release", session_id))

    def ping(self) -> None:
        """It is always there."""


class QueueAway(JobList):
    """A queue that does not answer the first times that it is asked."""

    def __init__(self, *, times: int) -> None:
        super().__init__()
        self._left = times

    def provision(self, session_id: str) -> None:
        self._answer()
        super().provision(session_id)

    def release(self, session_id: str) -> None:
        self._answer()
        super().release(session_id)

    def ping(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self._left > 0:
            self._left -= 1
            raise TryLater("the queue does not answer", after=1)


class RunsTwice:
    """A queue that gives every job to two workers, one after the other, before it lets go."""

    def __init__(self, *, provision: Callable[[str], object], release: Callable[[str], object]) -> None:
        self._provision = provision
        self._release = release

    def provision(self, session_id: str) -> None:
        for _ in range(2):
            self._provision(session_id)

    def release(self, session_id: str) -> None:
        for _ in range(2):
            self._release(session_id)

    def ping(self) -> None:
        """It is always there."""


class Broker:
    """As much of a Celery app as a pump needs: it takes messages, but not the first `away` times."""

    def __init__(self, *, away: int = 0) -> None:
        self.taken: list[tuple[str, Any]] = []
        self.refused = 0
        self._away = away

    def send_task(self, name: str, args: Sequence[Any]) -> None:
        if self.refused < self._away:
            self.refused += 1
            raise kombu.exceptions.OperationalError("nobody listens")
        self.taken.append((name, *args))
