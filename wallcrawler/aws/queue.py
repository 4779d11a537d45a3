"""An SQS queue as a Source.

At least once and in any order, as standard queues are: what is not acknowledged within the queue's visibility timeout
comes again. That is harmless, because every consumer is idempotent. What a message can be ordered by saves most of the
work: of one thing, nothing that is as old as what was acknowledged before, or older, is handed out.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from wallcrawler import log as logs
from wallcrawler.aws.errors import put_off
from wallcrawler.errors import TryLater
from wallcrawler.ports import Delivery

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

log = logs.get()

#: What SQS gives and takes in one call.
BATCH: Final = 10
#: Seconds of SQS's longest poll.
LONGEST_WAIT: Final = 20
#: Seconds of a wait that is not worth a poll of a whole second: it is only a look.
LOOK: Final = 0.1
#: Unreadable messages that are remembered, so that each is told of once and not whenever it comes again.
REMEMBERED: Final = 1000
#: Seconds for which a held message stays with its receiver.
HELD: Final = 10

#: From a message's JSON to a body, or None for what is not for us. Raises ValueError for what it can't read.
Translate = Callable[[Mapping[str, Any]], dict[str, Any] | None]

#: From a body to what it tells of, and a number that grows with what is new about it.
Order = Callable[[Mapping[str, Any]], tuple[str, int]]


class SqsSource:
    """The Source port on a queue. A message that can't be read stays, until the queue gives it to its DLQ."""

    def __init__(self, client: SQSClient, queue_url: str, *, translate: Translate, order: Order | None = None) -> None:
        self._client = client
        self._url = queue_url
        self._translate = translate
        self._order = order
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._told: deque[str] = deque(maxlen=REMEMBERED)

    def receive(self, wait: float) -> Sequence[Delivery]:
        """Waits whole seconds, which is what SQS counts in. Raises TryLater, whatever is wrong with the queue."""
        with put_off("SQS"):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=min(math.ceil(max(0.0, wait - LOOK)), LONGEST_WAIT),
            )
        deliveries: list[Delivery] = []
        foreign: list[str] = []
        for message in answer.get("Messages", ()):
            try:
                body = self._read(message["Body"])
            except ValueError as unreadable:
                self._tell(message, unreadable)
                continue
            if body is None or self._is_old(body):
                foreign.append(message["ReceiptHandle"])
            else:
                deliveries.append(Delivery(body, handle=message["ReceiptHandle"]))
        self._discard(foreign)
        return deliveries

    def _read(self, text: str) -> dict[str, Any] | None:
        try:
            message = json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(message, dict):
            raise ValueError("not an object")
        return self._translate(message)

    def _is_old(self, body: Mapping[str, Any]) -> bool:
        if self._order is None:
            return False
        thing, number = self._order(body)
        return number <= self._newest.get(thing, -1)

    def _tell(self, message: MessageTypeDef, unreadable: ValueError) -> None:
        """Neither the message nor the error's text: they may hold what a log must not."""
        if message["MessageId"] not in self._told:
            self._told.append(message["MessageId"])
            log.error("queue.unreadable", queue=self._name, message=message["MessageId"], why=type(unreadable).__name__)

    @property
    def _name(self) -> str:
        return self._url.rpartition("/")[2]

    def _discard(self, handles: Sequence[str]) -> None:
        if not handles:
            return
        entries: Any = [{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(handles)]
        # What is for us was received with them and must not wait: these come again and are discarded then.
        with suppress(TryLater), put_off("SQS"):
            self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def ack(self, delivery: Delivery) -> None:
        """Raises TryLater, and then the message comes again."""
        with put_off("SQS"):
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=delivery.handle)
        if self._order is not None:
            thing, number = self._order(delivery.body)
            self._newest[thing] = max(number, self._newest.pop(thing, -1))
            if len(self._newest) > REMEMBERED:
                self._newest.popitem(last=False)

    def hold(self, deliveries: Sequence[Delivery]) -> None:
        """Keep them from others for another while."""
        entries: Any = [
            {"Id": str(place), "ReceiptHandle": delivery.handle, "VisibilityTimeout": HELD}
            for place, delivery in enumerate(deliveries)
        ]
        # Where it fails they come again, which they may.
        with suppress(TryLater), put_off("SQS"):
            self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
