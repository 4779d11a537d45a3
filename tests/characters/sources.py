"""Sources: feeds of events, and what happens to them on their way."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from wallcrawler.errors import TryLater
from wallcrawler.ports import Delivery, Source


class Feed:
    """A source whose messages a test puts in. What is not acknowledged comes again when `repeat` is called."""

    def __init__(self, *bodies: Mapping[str, Any]) -> None:
        self._waiting: deque[Delivery] = deque()
        self._unacknowledged: dict[int, Delivery] = {}
        self._count = 0
        #: A test puts in what a pump takes out in a thread of its own.
        self._moved = threading.Condition()
        self.held: list[dict[str, Any]] = []
        for body in bodies:
            self.put(body)

    def put(self, body: Mapping[str, Any]) -> None:
        with self._moved:
            self._count += 1
            self._waiting.append(Delivery(dict(body), handle=self._count))
            self._moved.notify_all()

    def receive(self, wait: float) -> Sequence[Delivery]:
        with self._moved:
            self._moved.wait_for(lambda: self._waiting, wait)
            received = list(self._waiting)
            self._waiting.clear()
            self._unacknowledged |= {delivery.handle: delivery for delivery in received}
        return received

    def hold(self, deliveries: Sequence[Delivery]) -> None:
        self.held += [delivery.body for delivery in deliveries]

    def ack(self, delivery: Delivery) -> None:
        with self._moved:
            self._unacknowledged.pop(delivery.handle, None)

    def repeat(self) -> None:
        """What a source does after a while with what nobody acknowledged."""
        with self._moved:
            self._waiting.extend(self._unacknowledged.values())
            self._moved.notify_all()

    @property
    def unacknowledged(self) -> list[dict[str, Any]]:
        return [delivery.body for delivery in self._unacknowledged.values()]


class LosesFirstEvent:
    """A source whose first message is lost, with the process that had taken it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lost = False

    def receive(self, wait: float) -> Sequence[Delivery]:
        received = list(self._source.receive(wait))
        if received and not self._lost:
            self._lost = True
            self._source.ack(received.pop(0))
        return received

    def hold(self, deliveries: Sequence[Delivery]) -> None:
        self._source.hold(deliveries)

    def ack(self, delivery: Delivery) -> None:
        self._source.ack(delivery)


class RepeatsAndReorders:
    """A source that says everything twice, the newest first."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def receive(self, wait: float) -> Sequence[Delivery]:
        received = list(self._source.receive(wait))
        return [*reversed(received), *received]

    def hold(self, deliveries: Sequence[Delivery]) -> None:
        self._source.hold(deliveries)

    def ack(self, delivery: Delivery) -> None:
        self._source.ack(delivery)


class SourceAway:
    """A source that does not answer the first times that it is asked."""

    def __init__(self, source: Source, *, times: int) -> None:
        self._source = source
        self.left = times

    def receive(self, wait: float) -> Sequence[Delivery]:
        if self.left > 0:
            self.left -= 1
            raise TryLater("the source does not answer", after=0)
        return self._source.receive(wait)

    def hold(self, deliveries: Sequence[Delivery]) -> None:
        self._source.hold(deliveries)

    def ack(self, delivery: Delivery) -> None:
        self._source.ack(delivery)
