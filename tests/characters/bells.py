"""Bells and topics: who is told, and in which order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.characters.clocks import HandClock
from wallcrawler.errors import TryLater

#: A piece of a story: what happens while somebody waits.
Act = Callable[[], object]


class _Wait:
    """One wait at a StoryBell: it goes on with the story, and otherwise the time passes."""

    def __init__(self, clock: HandClock, story: deque[Act]) -> None:
        self._clock = clock
        self._story = story

    def wait(self, seconds: float) -> bool:
        if self._story:
            self._story.popleft()()
            return True
        self._clock.forward(seconds)
        return False


class StoryBell:
    """A bell at which waiting takes no time. Each wait tells the next piece of `story` and wakes; when the story is
    told, nobody rings any more and the clock runs for as long as was waited. `happenings` is what it was asked."""

    def __init__(self, clock: HandClock, *story: Act, happenings: list[str] | None = None) -> None:
        self._clock = clock
        self._story = deque(story)
        self.happenings = happenings if happenings is not None else []

    def ring(self, session_id: str) -> None:
        self.happenings.append(f"ring {session_id}")

    @contextmanager
    def listen(self, session_id: str) -> Iterator[_Wait]:
        self.happenings.append(f"listen {session_id}")
        yield _Wait(self._clock, self._story)

    def ping(self) -> None:
        self.happenings.append("ping")


class BellAway(StoryBell):
    """A bell without a server: nobody can ring, and who listens waits in vain."""

    def ring(self, session_id: str) -> None:
        raise TryLater("the bell does not answer", after=1)

    def ping(self) -> None:
        raise TryLater("the bell does not answer", after=1)


class NoticeBoard:
    """A topic that keeps what it was told."""

    def __init__(self, happenings: list[str] | None = None) -> None:
        self.notices: list[tuple[dict[str, Any], dict[str, str]]] = []
        self._happenings = happenings if happenings is not None else []

    def publish(self, body: Mapping[str, Any], *, attributes: Mapping[str, str]) -> None:
        self._happenings.append(f"publish {attributes['eventType']}")
        self.notices.append((dict(body), dict(attributes)))
