"""A queue of SQS, as the outbox and the pipe use it: hand over bodies, learn which of them it took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from wallcrawler import log as logs

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = logs.get()

#: What SQS takes in one call.
BATCH_ENTRIES: Final = 10
BATCH_BYTES: Final = 262_144


class QueueDown(Exception):
    """The queue did not answer, or is not there. It holds nothing of what was handed over, as far as is known."""


def batches(bodies: Iterable[str]) -> Iterator[list[str]]:
    """The bodies in their order, cut into what one call may carry. A body over the limit is alone in its batch."""
    batch: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode())
        if batch and (len(batch) == BATCH_ENTRIES or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += length
    if batch:
        yield batch


class Queue:
    """A queue by name or URL. Its URL is looked up when first needed, so that it may be made after localaws starts."""

    def __init__(self, sqs: SQSClient, name: str) -> None:
        self._sqs = sqs
        self._name = name
        self._url = name if name.startswith(("http://", "https://")) else None

    def send(self, batch: Sequence[str]) -> set[int]:
        """Hand over one batch; returns the places in it of those that the queue took. Raises QueueDown."""
        try:
            if self._url is None:
                self._url = self._sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
            answer = self._sqs.send_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(place), "MessageBody": body} for place, body in enumerate(batch)],
            )
        except (ClientError, BotoCoreError) as refused:
            raise QueueDown(f"{self._name}: {refused}") from refused
        for failed in answer.get("Failed", ()):
            log.warning("queue.refused_message", queue=self._name, code=failed["Code"], why=failed.get("Message"))
        return {int(taken["Id"]) for taken in answer.get("Successful", ())}
