"""Moves the records of a stream to a queue.

At least once, and in order within a shard: a batch is handed over, what the queue did not take is handed over again,
and only then is the checkpoint moved. Whatever ends the process, the next one goes on after the checkpoint.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from localaws.pipe.checkpoint import Checkpoint
from localaws.pipe.records import body
from localaws.pipe.shards import FINISHED, Shard, readable
from localaws.queue import Queue, QueueDown, batches
from wallcrawler import log as logs

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

log = logs.get()

#: Seconds until what failed is tried again; doubled each time, up to the second number.
BACKOFF: Final = (0.05, 2.0)

#: Seconds without a record after which the stream is asked for new shards, besides whenever one has ended.
DESCRIBE_EVERY: Final = 10.0

#: The same, for a stream of which no shard can be read.
NOTHING_TO_READ: Final = 1.0

#: Seconds without a record after which the pipe looks less often. Longer than a session takes to become ready: a
#: waiter's record comes soon after the one that its session was created with.
REST_AFTER: Final = 60.0


class Pipe:
    """One source, one target. `run` it in a thread."""

    def __init__(
        self,
        streams: DynamoDBStreamsClient,
        dynamodb: DynamoDBClient,
        queue: Queue,
        *,
        source: str,
        checkpoint: Path,
        poll: float,
        rest: float,
        start: str,
    ) -> None:
        self._streams = streams
        self._dynamodb = dynamodb
        self._queue = queue
        self._source = source
        self._checkpoint_file = checkpoint
        self._poll = poll
        self._rest = max(rest, poll)
        self._start: Any = start
        self._closed = threading.Event()
        #: What the health page shows: the stream, how many records were moved, and what is wrong now.
        self.following: str | None = None
        self.moved = 0
        self.trouble: str | None = None

    def close(self) -> None:
        """End `run` after the batch that it is at."""
        self._closed.set()

    def run(self) -> None:
        """Until closed. A source that is not there yet is waited for."""
        pause = BACKOFF[0]
        while not self._closed.is_set():
            before = self.moved
            try:
                self._follow(self._stream_arn())
            except (ClientError, BotoCoreError, QueueDown) as failed:
                self.trouble = str(failed)
                pause = BACKOFF[0] if self.moved > before else min(pause * 2, BACKOFF[1])
                log.warning("pipe.interrupted", why=str(failed), again_in=pause)
                self._closed.wait(pause)

    def _stream_arn(self) -> str:
        if self._source.startswith("arn:"):
            return self._source
        table = self._dynamodb.describe_table(TableName=self._source)["Table"]
        if "LatestStreamArn" not in table:
            raise QueueDown(f"the table {self._source} has no stream")
        return table["LatestStreamArn"]

    def _follow(self, stream_arn: str) -> None:
        """Read a stream until closed, or until it ends or fails."""
        checkpoint = Checkpoint(self._checkpoint_file, stream_arn)
        first = self._start if checkpoint.empty else "TRIM_HORIZON"
        if first == "LATEST":
            for shard in self._shards(stream_arn):
                if shard.closed:
                    checkpoint.reached(shard.id, FINISHED)
        log.info("pipe.follows", stream=stream_arn, start=first)
        reading: dict[str, str] = {}
        idle, described = 0.0, float("-inf")
        while not self._closed.is_set():
            if idle - described >= (DESCRIBE_EVERY if reading else NOTHING_TO_READ):
                self._discover(stream_arn, checkpoint, reading, first)
                # Shards that appear from now on are the children of those read: none of their records is old.
                first = "TRIM_HORIZON"
                described = idle
            open_before = len(reading)
            self.following = stream_arn
            moved = sum(self._read(shard, stream_arn, checkpoint, reading) for shard in list(reading))
            self.trouble = None
            if moved:
                idle = described = 0.0
            if len(reading) < open_before:
                described = float("-inf")
            elif not moved:
                pause = self._poll if idle < REST_AFTER else self._rest
                self._closed.wait(pause)
                idle += pause

    def _shards(self, stream_arn: str) -> list[Shard]:
        shards: list[Shard] = []
        more: dict[str, Any] = {}
        while True:
            page = self._streams.describe_stream(StreamArn=stream_arn, **more)["StreamDescription"]
            shards += [Shard.of(one) for one in page["Shards"]]
            if "LastEvaluatedShardId" not in page:
                return shards
            more = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    def _discover(self, stream_arn: str, checkpoint: Checkpoint, reading: dict[str, str], first: str) -> None:
        """Take up the shards that may be read and are not."""
        for shard in readable(self._shards(stream_arn), checkpoint.finished):
            if shard.id not in reading:
                reading[shard.id] = self._iterator(stream_arn, shard.id, checkpoint, first)

    def _iterator(self, stream_arn: str, shard: str, checkpoint: Checkpoint, first: str) -> str:
        """Where to go on reading a shard."""
        after = checkpoint.after(shard)
        place: dict[str, Any] = (
            {"ShardIteratorType": first}
            if after is None
            else {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        )
        try:
            return self._streams.get_shard_iterator(StreamArn=stream_arn, ShardId=shard, **place)["ShardIterator"]
        except self._streams.exceptions.TrimmedDataAccessException:
            # The checkpoint is older than the oldest record: what was between is lost, and said to be.
            log.warning("pipe.records_lost", shard=shard, after=after)
            checkpoint.forget(shard)
            return self._iterator(stream_arn, shard, checkpoint, "TRIM_HORIZON")

    def _read(self, shard: str, stream_arn: str, checkpoint: Checkpoint, reading: dict[str, str]) -> int:
        """One look at a shard; returns how many records were moved."""
        try:
            answer = self._streams.get_records(ShardIterator=reading[shard])
        except (
            self._streams.exceptions.ExpiredIteratorException,
            self._streams.exceptions.TrimmedDataAccessException,
        ):
            reading[shard] = self._iterator(stream_arn, shard, checkpoint, "TRIM_HORIZON")
            return 1
        records = answer["Records"]
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        done = 0
        for batch in batches(body(record, stream_arn=stream_arn) for record in records):
            self._deliver(batch)
            done += len(batch)
            checkpoint.reached(shard, numbers[done - 1])
            self.moved += len(batch)
        if (following := answer.get("NextShardIterator")) is not None:
            reading[shard] = following
            return done
        del reading[shard]
        checkpoint.reached(shard, FINISHED)
        return done + 1

    def _deliver(self, batch: list[str]) -> None:
        """Return when the queue has taken all of it. Raises QueueDown when closed before that."""
        pause = BACKOFF[0]
        while batch:
            try:
                taken = self._queue.send(batch)
                batch = [one for place, one in enumerate(batch) if place not in taken]
            except QueueDown as down:
                self.trouble = str(down)
                log.warning("pipe.not_delivered", why=str(down), again_in=pause)
            if batch and self._closed.wait(pause):
                raise QueueDown(f"closed with {len(batch)} records not delivered")
            pause = min(pause * 2, BACKOFF[1])
