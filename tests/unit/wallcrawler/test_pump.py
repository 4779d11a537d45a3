"""A pump moves, and acknowledges only what the broker took."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from tests.characters import Broker, Feed, RepeatsAndReorders, SourceAway
from tests.eventually import eventually
from wallcrawler import pump
from wallcrawler.errors import TryLater
from wallcrawler.ports import Delivery, Source

TASK = "wallcrawler.task_changed"


@contextmanager
def running(source: Source, broker: Broker) -> Iterator[Callable[[], None]]:
    """A pump in a thread of its own; calling what is yielded stops it and waits for its end."""
    stopping = threading.Event()
    thread = threading.Thread(target=pump.run, args=(source, broker, TASK, stopping))

    def stop() -> None:
        stopping.set()
        thread.join(5)
        assert not thread.is_alive(), "the pump did not stop"

    thread.start()
    yield stop
    stop()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "TRY_AGAIN_AFTER", 0.01)
    monkeypatch.setattr(pump, "WAIT", 0.01)


class Witness(Feed):
    """A feed that writes down what the broker had taken whenever something is acknowledged."""

    def __init__(self, broker: Broker, *bodies: dict[str, Any]) -> None:
        super().__init__(*bodies)
        self._broker = broker
        self.acknowledged: list[dict[str, Any]] = []
        self.too_early: list[dict[str, Any]] = []

    def ack(self, delivery: Delivery) -> None:
        super().ack(delivery)
        self.acknowledged.append(delivery.body)
        if (TASK, delivery.body) not in self._broker.taken:
            self.too_early.append(delivery.body)


BODIES = [{"n": number} for number in range(5)]


def test_everything_is_moved_in_order_and_then_acknowledged() -> None:
    """One task for each message, with the message as its argument."""
    broker = Broker()
    source = Witness(broker, *BODIES)

    with running(source, broker):
        eventually(lambda: len(source.acknowledged) == 5)

    assert broker.taken == [(TASK, body) for body in BODIES]
    assert source.acknowledged == BODIES
    assert source.too_early == []


def test_nothing_is_acknowledged_while_the_broker_is_away() -> None:
    """The pump holds on to what it has, and asks again."""
    broker = Broker(away=1_000_000)
    source = Witness(broker, *BODIES)

    with running(source, broker) as stop:
        eventually(lambda: broker.refused > 3)
        stop()

    assert broker.taken == []
    assert source.acknowledged == []
    assert source.unacknowledged == BODIES


def test_what_waits_for_the_broker_is_held() -> None:
    """The message that could not be moved, and those that were received with it."""
    broker = Broker(away=1)
    source = Witness(broker, *BODIES[:3])

    with running(source, broker):
        eventually(lambda: len(source.acknowledged) == 3)

    assert source.held == BODIES[:3]


def test_the_broker_comes_back() -> None:
    """Then everything is moved, in its order, once."""
    broker = Broker(away=3)
    source = Witness(broker, *BODIES)

    with running(source, broker):
        eventually(lambda: len(source.acknowledged) == 5)

    assert broker.taken == [(TASK, body) for body in BODIES]
    assert source.too_early == []


def test_a_pump_that_is_stopped_leaves_the_rest_in_the_source() -> None:
    """What it had received and not moved comes again, for whoever pumps next."""
    away, there = Broker(away=1_000_000), Broker()
    source = Witness(there, *BODIES)
    with running(source, away) as stop:
        eventually(lambda: away.refused > 0)
        stop()

    source.repeat()
    with running(source, there):
        eventually(lambda: len(source.acknowledged) == 5)

    assert there.taken == [(TASK, body) for body in BODIES]


def test_a_source_that_is_away_is_asked_again() -> None:
    """And nothing is lost by it."""
    broker = Broker()
    feed = Witness(broker, *BODIES)
    source = SourceAway(feed, times=3)

    with running(source, broker):
        eventually(lambda: len(feed.acknowledged) == 5)

    assert source.left == 0
    assert broker.taken == [(TASK, body) for body in BODIES]


def test_repetitions_are_moved_as_they_come() -> None:
    """A pump does not decide: tasks are repeatable, and know what is stale."""
    broker = Broker()
    feed = Witness(broker, *BODIES[:2])

    with running(RepeatsAndReorders(feed), broker):
        eventually(lambda: len(feed.acknowledged) == 4)

    assert broker.taken == [(TASK, {"n": number}) for number in (1, 0, 0, 1)]


class BusyAtAck(Feed):
    """A source that can't take an acknowledgement just now, once."""

    busy = True

    def ack(self, delivery: Delivery) -> None:
        if self.busy:
            self.busy = False
            raise TryLater("the database is busy", after=0)
        super().ack(delivery)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_source_that_is_busy_when_it_is_acknowledged_does_not_end_the_pump() -> None:
    """What it could not take note of comes again some time. The rest, received in one go with it, may not: it is moved
    now, and so is what comes later."""
    broker = Broker()
    source = BusyAtAck(*BODIES[:3])

    with running(source, broker):
        eventually(lambda: broker.taken == [(TASK, body) for body in BODIES[:3]], within=2)
        source.put(BODIES[3])
        eventually(lambda: (TASK, BODIES[3]) in broker.taken, within=2)


class Breaks(Feed):
    """A source that fails in a way that nobody has foreseen, once."""

    broken = False

    def receive(self, wait: float) -> Sequence[Delivery]:
        if not self.broken:
            self.broken = True
            raise RuntimeError("the disk is on fire")
        return super().receive(wait)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_failure_that_nobody_foresaw_does_not_silence_the_feed() -> None:
    """Without its pump a worker looks well and hears nothing any more."""
    broker = Broker()

    with running(Breaks(*BODIES), broker):
        eventually(lambda: len(broker.taken) == 5, within=2)


def test_a_pump_is_a_step_of_its_worker() -> None:
    """It starts and stops with it, and two pumps of one worker are two steps."""
    broker = Broker()
    source = Witness(broker, *BODIES)
    worker = SimpleNamespace(app=broker)
    step = pump.pumping(source, into=TASK)(worker)

    step.start(worker)
    eventually(lambda: len(source.acknowledged) == 5)
    step.stop(worker)

    assert step.name != pump.pumping(source, into="another")(worker).name
    assert not any(thread.name == f"pump:{TASK}" for thread in threading.enumerate())
