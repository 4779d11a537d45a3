"""Streams that do what ministack's never do, and queues that do what SQS's rarely do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localaws.queue import QueueDown
from tests.integration.localaws.emulator import REGION, SESSION

#: The errors that a real client raises.
EXCEPTIONS = SESSION.client("dynamodbstreams", region_name=REGION).exceptions


def record(number: int) -> dict[str, Any]:
    """A stream record as boto3 gives it."""
    return {
        "eventID": f"event-{number}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {"Keys": {"id": {"S": str(number)}}, "SequenceNumber": f"{number:021d}", "SizeBytes": 9},
    }


class SplittingStream:
    """A stream whose shards are given as id -> (parent, records); all but those without children are closed.

    Pages of `page` records, one shard to a page of the description. Iterators are `shard/place`.
    """

    exceptions = EXCEPTIONS

    def __init__(self, shards: dict[str, tuple[str | None, list[int]]], *, page: int = 2) -> None:
        self._shards = shards
        self._parents = {parent for parent, _ in shards.values()}
        self._page = page
        #: Sequence numbers up to this one are gone.
        self.trimmed = 0
        #: Iterators that no longer work.
        self.expired: set[str] = set()
        #: How often records were asked for.
        self.looks = 0

    def describe_stream(self, *, StreamArn: str, ExclusiveStartShardId: str | None = None) -> dict[str, Any]:
        names = list(self._shards)
        place = 0 if ExclusiveStartShardId is None else names.index(ExclusiveStartShardId) + 1
        name = names[place]
        shard = {"ShardId": name, "SequenceNumberRange": {"StartingSequenceNumber": "0"}}
        if (parent := self._shards[name][0]) is not None:
            shard["ParentShardId"] = parent
        if name in self._parents:
            shard["SequenceNumberRange"] = {"StartingSequenceNumber": "0", "EndingSequenceNumber": "9"}
        more = {"LastEvaluatedShardId": name} if place + 1 < len(names) else {}
        return {"StreamDescription": {"StreamArn": StreamArn, "Shards": [shard]} | more}

    def get_shard_iterator(
        self, *, StreamArn: str, ShardId: str, ShardIteratorType: str, SequenceNumber: str = "0"
    ) -> dict[str, str]:
        numbers = self._shards[ShardId][1]
        if ShardIteratorType == "AFTER_SEQUENCE_NUMBER":
            if int(SequenceNumber) < self.trimmed:
                raise EXCEPTIONS.TrimmedDataAccessException({"Error": {"Code": "Trimmed"}}, "GetShardIterator")
            place = sum(number <= int(SequenceNumber) for number in numbers)
        elif ShardIteratorType == "LATEST":
            place = len(numbers)
        else:
            place = sum(number <= self.trimmed for number in numbers)
        return {"ShardIterator": f"{ShardId}/{place}"}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:
        self.looks += 1
        if ShardIterator in self.expired:
            self.expired.discard(ShardIterator)
            raise EXCEPTIONS.ExpiredIteratorException({"Error": {"Code": "Expired"}}, "GetRecords")
        shard, place = ShardIterator.split("/")
        numbers = self._shards[shard][1]
        page = numbers[int(place) : int(place) + self._page]
        following = int(place) + len(page)
        over = shard in self._parents and following == len(numbers)
        more = {} if over else {"NextShardIterator": f"{shard}/{following}"}
        return {"Records": [record(number) for number in page]} | more


class TakesAll:
    """A queue that takes what it is given, and shows it."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send(self, batch: Sequence[str]) -> set[int]:
        self.bodies += batch
        return set(range(len(batch)))


class TakesHalf(TakesAll):
    """A queue that at first takes only every second message of a batch, and is sometimes not there."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def send(self, batch: Sequence[str]) -> set[int]:
        self.calls += 1
        if self.calls % 3 == 0:
            raise QueueDown("not there")
        taken = set(range(0, len(batch), 2))
        self.bodies += [batch[place] for place in sorted(taken)]
        return taken


class DiesAfter(TakesAll):
    """A queue that takes some messages, after which whoever uses it dies before it knows."""

    def __init__(self, messages: int) -> None:
        super().__init__()
        self._left = messages

    def send(self, batch: Sequence[str]) -> set[int]:
        taken = super().send(batch)
        self._left -= len(batch)
        if self._left <= 0:
            raise SystemError("the process dies here")
        return taken
