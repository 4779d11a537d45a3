"""What is kept of a record, for how long, and what puts an end to that sooner."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from services.gateway import directory as directories
from services.gateway.directory import Directory
from tests.characters import HandClock
from tests.unit.records import a_ready_session
from wallcrawler.errors import NotFound, TryLater
from wallcrawler.lifecycle import Event
from wallcrawler.session import Session


class HandBell:
    """A bell that a test rings by hand. `subscribed` are the sessions that somebody listens for, one entry each."""

    def __init__(self) -> None:
        self.subscribed: list[str] = []
        self._rung: set[str] = set()
        #: What happens while somebody waits; the bell is rung then.
        self.meanwhile: list[Callable[[], object]] = []
        self.waits: list[float] = []

    def ring(self, session_id: str) -> None:
        self._rung.add(session_id)

    def ping(self) -> None:
        """It is always there."""

    @contextmanager
    def listen(self, session_id: str) -> Iterator[_Hand]:
        self._rung.discard(session_id)
        self.subscribed.append(session_id)
        try:
            yield _Hand(self, session_id)
        finally:
            self.subscribed.remove(session_id)

    def heard(self, session_id: str) -> bool:
        heard = session_id in self._rung
        self._rung.discard(session_id)
        return heard


class _Hand:
    def __init__(self, bell: HandBell, session_id: str) -> None:
        self._bell = bell
        self._session_id = session_id

    def wait(self, seconds: float) -> bool:
        if seconds and self._bell.meanwhile:
            self._bell.waits.append(seconds)
            self._bell.meanwhile.pop(0)()
            return True
        return self._bell.heard(self._session_id)


class Shelf:
    """Sessions on paper; `reads` are those that were taken out, and `before_read` what happens while one is."""

    def __init__(self, *sessions: Session) -> None:
        self._sessions = {session.id: session for session in sessions}
        self.reads: list[str] = []
        self.away = False
        self.before_read: Callable[[], object] = lambda: None

    def put(self, session: Session) -> None:
        self._sessions[session.id] = session

    def get(self, session_id: str) -> Session:
        self.reads.append(session_id)
        self.before_read()
        if self.away:
            raise TryLater("the store is busy", after=2)
        if session_id not in self._sessions:
            raise NotFound(f"there is no session {session_id}")
        return self._sessions[session_id]


def over(session: Session, reason: str = "released") -> Session:
    ended = session.after(Event.EXITED, at=1, reason=reason)
    assert ended is not None
    return ended


class Desk:
    """A directory with all that it stands on."""

    def __init__(self, *sessions: Session) -> None:
        self.bell, self.shelf, self.clock = HandBell(), Shelf(*sessions), HandClock()
        self.directory = Directory(self.shelf, self.bell, fresh=5, now=self.clock.now)  # type: ignore[arg-type]

    def run(self, story: Callable[[Directory], Awaitable[Any]]) -> Any:
        async def told() -> Any:
            return await story(self.directory)

        try:
            return asyncio.run(told())
        finally:
            self.directory.close()


READY = a_ready_session()


def test_a_session_is_read_once_for_many_who_ask() -> None:
    """One after the other, and at the same time."""
    desk = Desk(READY)

    async def story(directory: Directory) -> list[Session]:
        together = await asyncio.gather(*(directory.find(READY.id) for _ in range(10)))
        return [*together, await directory.find(READY.id)]

    assert desk.run(story) == [READY] * 11
    assert desk.shelf.reads == [READY.id]


def test_it_listens_before_it_reads() -> None:
    """So that no change falls between the two."""
    desk = Desk(READY)
    desk.shelf.before_read = lambda: listening.append(list(desk.bell.subscribed))
    listening: list[list[str]] = []

    desk.run(lambda directory: directory.find(READY.id))

    assert listening == [[READY.id]]


def test_a_ring_ends_what_was_known() -> None:
    """The next who asks learns of the end, and the old subscription is given back."""
    desk = Desk(READY)
    ended = over(READY)

    async def story(directory: Directory) -> tuple[Session, list[str]]:
        await directory.find(READY.id)
        desk.shelf.put(ended)
        desk.bell.ring(READY.id)
        return await directory.find(READY.id), list(desk.bell.subscribed)

    assert desk.run(story) == (ended, [READY.id])


def test_a_ring_is_not_forgotten_when_the_store_is_busy() -> None:
    """What was known is gone with the ring, whether or not anything else can be read."""
    desk = Desk(READY)
    ended = over(READY)

    async def story(directory: Directory) -> Session:
        await directory.find(READY.id)
        desk.shelf.put(ended)
        desk.bell.ring(READY.id)
        desk.shelf.away = True
        with pytest.raises(TryLater):
            await directory.find(READY.id)
        desk.shelf.away = False
        return await directory.find(READY.id)

    assert desk.run(story) == ended


def test_a_ring_during_the_read_is_heard() -> None:
    """What was read then may be old already."""
    desk = Desk(READY)
    desk.shelf.before_read = lambda: desk.bell.ring(READY.id)

    async def story(directory: Directory) -> None:
        await directory.find(READY.id)
        await directory.find(READY.id)

    desk.run(story)

    assert desk.shelf.reads == [READY.id] * 2


@pytest.mark.parametrize(("seconds", "reads"), [(4.9, 1), (5.0, 2)])
def test_without_a_ring_it_is_believed_for_a_few_seconds(seconds: float, reads: int) -> None:
    """The price of a lost ring."""
    desk = Desk(READY)

    async def story(directory: Directory) -> None:
        await directory.find(READY.id)
        desk.clock.forward(seconds)
        await directory.find(READY.id)

    desk.run(story)

    assert len(desk.shelf.reads) == reads


def test_what_is_old_is_not_listened_for() -> None:
    """Whoever asks for one session next gives up the subscriptions of all that are past their time."""
    desk = Desk(READY, a_ready_session("session-2"))

    async def story(directory: Directory) -> list[str]:
        await directory.find("session-1")
        desk.clock.forward(5)
        await directory.find("session-2")
        return list(desk.bell.subscribed)

    assert desk.run(story) == ["session-2"]


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first."""
    monkeypatch.setattr(directories, "KEPT", 2)
    desk = Desk(*(a_ready_session(f"session-{number}") for number in range(4)))

    async def story(directory: Directory) -> list[str]:
        for number in range(4):
            await directory.find(f"session-{number}")
        await directory.find("session-3")
        return sorted(desk.bell.subscribed)

    assert desk.run(story) == ["session-2", "session-3"]


def test_what_is_not_there_is_not_kept() -> None:
    """Neither a session that is unknown nor a store that is busy leaves anything behind."""
    desk = Desk()

    async def story(directory: Directory) -> None:
        with pytest.raises(NotFound):
            await directory.find("nobodys")
        desk.shelf.away = True
        with pytest.raises(TryLater):
            await directory.find("session-1")

    desk.run(story)

    assert desk.bell.subscribed == []


def test_a_client_that_leaves_takes_nothing_along() -> None:
    """The read goes on for the others, and its answer is kept."""
    desk = Desk(READY)

    async def story(directory: Directory) -> Session:
        leaves, stays = (asyncio.create_task(directory.find(READY.id)) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        return await stays

    assert desk.run(story) == READY
    assert desk.shelf.reads == [READY.id]


def test_a_read_that_fails_for_nobody_is_no_defect() -> None:
    """All who asked have left: there is nothing to complain of."""
    desk = Desk()
    complaints: list[dict[str, Any]] = []

    async def story(directory: Directory) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
        leaves = asyncio.create_task(directory.find("nobodys"))
        await asyncio.sleep(0)
        leaves.cancel()
        with pytest.raises(NotFound):
            await directory.find("nobodys-either")
        gc.collect()

    desk.run(story)

    assert complaints == []


def test_close_gives_every_subscription_back() -> None:
    """The bell outlives the directory."""
    desk = Desk(READY)

    desk.run(lambda directory: directory.find(READY.id))

    assert desk.bell.subscribed == []


# -- Waiting for an end -----------------------------------------------------------------------------------------------


def test_an_end_that_is_known_already() -> None:
    """No wait, and not from what was kept, which nobody is given any more."""
    desk = Desk(READY)
    ended = over(READY, "out_of_memory")

    async def story(directory: Directory) -> tuple[str | None, Session]:
        await directory.find(READY.id)
        desk.shelf.put(ended)
        return await directory.ending(READY.id, within=5), await directory.find(READY.id)

    assert desk.run(story) == ("out_of_memory", ended)
    assert desk.bell.waits == []


def test_an_end_is_waited_for() -> None:
    """Through wakes that bring nothing, and not longer than the time between two reads, should a ring be lost."""
    desk = Desk(READY)
    desk.bell.meanwhile = [lambda: None, lambda: desk.shelf.put(over(READY, "task_stopped:137"))]

    reason = desk.run(lambda directory: directory.ending(READY.id, within=5))

    assert reason == "task_stopped:137"
    assert desk.bell.waits == [directories.REREAD_EVERY] * 2
    assert desk.bell.subscribed == []


def test_an_end_that_does_not_come() -> None:
    """Nothing, after one more look."""
    desk = Desk(READY)

    assert desk.run(lambda directory: directory.ending(READY.id, within=0)) is None
    assert desk.shelf.reads == [READY.id]
