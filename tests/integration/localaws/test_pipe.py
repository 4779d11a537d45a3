"""The pipe: what it promises about each record, whatever happens to it, the stream or the queue."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from localaws.pipe.checkpoint import Checkpoint
from localaws.pipe.pipe import Pipe
from localaws.pipe.shards import FINISHED
from localaws.queue import Queue
from tests.eventually import eventually
from tests.integration.localaws.emulator import Emulator
from tests.integration.localaws.stand import standing
from tests.integration.localaws.streams import DiesAfter, SplittingStream, TakesAll, TakesHalf

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1"


def pipe(
    streams: Any, queue: Any, folder: Path, *, source: str = ARN, dynamodb: Any = None, start: str = "TRIM_HORIZON"
) -> Pipe:
    return Pipe(
        streams,
        dynamodb,
        queue,
        source=source,
        checkpoint=folder / "pipe.json",
        poll=0.01,
        rest=0.01,
        start=start,
    )


@contextmanager
def flowing(pipe: Pipe) -> Iterator[Pipe]:
    """The pipe, running in a thread."""
    thread = threading.Thread(target=pipe.run)
    thread.start()
    try:
        yield pipe
    finally:
        pipe.close()
        thread.join(10)
        assert not thread.is_alive()


def numbers(queue: TakesAll) -> list[int]:
    return [int(json.loads(body)["dynamodb"]["SequenceNumber"]) for body in queue.bodies]


def write(emulator: Emulator, table: str, *ids: object) -> None:
    dynamodb = emulator.client("dynamodb")
    for id in ids:
        dynamodb.put_item(TableName=table, Item={"id": {"S": str(id)}, "bytes": {"B": b"\x00\xff"}, "n": {"N": "1"}})


def written(bodies: list[str]) -> list[str]:
    return [json.loads(body)["dynamodb"]["Keys"]["id"]["S"] for body in bodies]


def test_each_change_of_an_item_is_a_message(emulator: Emulator, tmp_path: Path) -> None:
    """In the shape and order that EventBridge delivers, with both images in DynamoDB's types."""
    table, queue = emulator.table(), emulator.queue()
    dynamodb = emulator.client("dynamodb")
    with standing(tmp_path, endpoint_url=emulator.url, pipe_source=table, pipe_queue=queue) as stand:
        write(emulator, table, "a")
        dynamodb.update_item(
            TableName=table,
            Key={"id": {"S": "a"}},
            UpdateExpression="SET n = :two",
            ExpressionAttributeValues={":two": {"N": "2"}},
        )
        dynamodb.delete_item(TableName=table, Key={"id": {"S": "a"}})

        bodies: list[str] = []
        eventually(lambda: len(_take(emulator, queue, bodies)) >= 3)
        health = stand.http.get("/_localaws/health").json()["pipe"]

    inserted, modified, removed = [json.loads(body) for body in bodies]
    assert [event["eventName"] for event in (inserted, modified, removed)] == ["INSERT", "MODIFY", "REMOVE"]
    arn = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    for event in (inserted, modified, removed):
        assert (event["eventSource"], event["awsRegion"], event["eventSourceARN"]) == ("aws:dynamodb", "us-east-1", arn)
        assert event["dynamodb"]["Keys"] == {"id": {"S": "a"}}
        assert event["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
        assert isinstance(event["dynamodb"]["ApproximateCreationDateTime"], int | float)
    assert inserted["dynamodb"]["NewImage"] == {"id": {"S": "a"}, "bytes": {"B": "AP8="}, "n": {"N": "1"}}
    assert "OldImage" not in inserted["dynamodb"]
    assert (modified["dynamodb"]["OldImage"]["n"], modified["dynamodb"]["NewImage"]["n"]) == ({"N": "1"}, {"N": "2"})
    assert "NewImage" not in removed["dynamodb"]
    assert health == {"following": arn, "moved": 3, "trouble": None}


def test_records_come_in_the_order_of_writing(emulator: Emulator, tmp_path: Path) -> None:
    """More than one batch, more than one page."""
    table, queue = emulator.table(), emulator.queue()
    taken: list[str] = []
    with standing(tmp_path, endpoint_url=emulator.url, pipe_source=table, pipe_queue=queue):
        write(emulator, table, *range(60))
        eventually(lambda: len(_take(emulator, queue, taken)) == 60, within=10)

    assert written(taken) == [str(number) for number in range(60)]


def test_a_restarted_pipe_goes_on_where_it_stopped(emulator: Emulator, tmp_path: Path) -> None:
    """What was written meanwhile comes, what had come comes no second time."""
    table, queue = emulator.table(), emulator.queue()
    taken: list[str] = []
    settings = {"endpoint_url": emulator.url, "pipe_source": table, "pipe_queue": queue}
    with standing(tmp_path, **settings):
        write(emulator, table, 1, 2)
        eventually(lambda: len(_take(emulator, queue, taken)) == 2)
    write(emulator, table, 3, 4)

    with standing(tmp_path, **settings):
        write(emulator, table, 5)
        eventually(lambda: len(_take(emulator, queue, taken)) >= 5)

    assert written(taken) == ["1", "2", "3", "4", "5"]


def test_a_table_and_a_queue_that_come_late_are_waited_for(emulator: Emulator, tmp_path: Path) -> None:
    """Whatever is started first."""
    name = f"late-{abs(hash(str(tmp_path)))}"
    dynamodb, sqs = emulator.client("dynamodb"), emulator.client("sqs")
    taken: list[str] = []
    with standing(tmp_path, endpoint_url=emulator.url, pipe_source=name, pipe_queue=name) as stand:
        eventually(lambda: stand.http.get("/_localaws/health").json()["pipe"]["trouble"] is not None)
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        write(emulator, name, 1)
        eventually(lambda: "NonExistent" in (stand.http.get("/_localaws/health").json()["pipe"]["trouble"] or ""))
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]

        eventually(lambda: len(_take(emulator, queue, taken)) == 1, within=10)
        eventually(lambda: stand.http.get("/_localaws/health").json()["pipe"]["trouble"] is None)


def test_a_table_that_is_made_anew_is_followed_anew(emulator: Emulator, tmp_path: Path) -> None:
    """Its new stream has nothing to do with the old one's checkpoint."""
    table, queue = emulator.table(), emulator.queue()
    dynamodb = emulator.client("dynamodb")
    taken: list[str] = []
    settings = {"endpoint_url": emulator.url, "pipe_source": table, "pipe_queue": queue}
    with standing(tmp_path, **settings):
        write(emulator, table, "old")
        eventually(lambda: len(_take(emulator, queue, taken)) == 1)
    description = dynamodb.describe_table(TableName=table)["Table"]
    dynamodb.delete_table(TableName=table)
    dynamodb.create_table(
        TableName=table,
        KeySchema=description["KeySchema"],
        AttributeDefinitions=description["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=description["StreamSpecification"],
    )
    write(emulator, table, "new")

    with standing(tmp_path, **settings):
        eventually(lambda: len(_take(emulator, queue, taken)) == 2)

    assert written(taken) == ["old", "new"]


def test_a_pipe_from_the_latest_leaves_out_what_was_before(emulator: Emulator, tmp_path: Path) -> None:
    """But nothing of what comes after, even while it is not running."""
    table, queue = emulator.table(), emulator.queue()
    streams, dynamodb = emulator.client("dynamodbstreams"), emulator.client("dynamodb")
    target = Queue(emulator.client("sqs"), queue)
    taken: list[str] = []
    write(emulator, table, "before")
    with flowing(pipe(streams, target, tmp_path, source=table, dynamodb=dynamodb, start="LATEST")) as first:
        eventually(lambda: first.following)
        write(emulator, table, "after")
        eventually(lambda: len(_take(emulator, queue, taken)) == 1)
    write(emulator, table, "later")

    with flowing(pipe(streams, target, tmp_path, source=table, dynamodb=dynamodb, start="LATEST")):
        eventually(lambda: len(_take(emulator, queue, taken)) == 2)

    assert written(taken) == ["after", "later"]


def test_a_child_shard_waits_for_its_parent(tmp_path: Path) -> None:
    """A shard was split in two: their records come after all of the parent's, and each shard's in its order."""
    stream = SplittingStream(
        {"left": ("root", [10, 12, 14]), "root": (None, [1, 2, 3, 4, 5]), "right": ("root", [11, 13])}
    )
    queue = TakesAll()
    with flowing(pipe(stream, queue, tmp_path)):
        eventually(lambda: len(queue.bodies) >= 10)

    moved = numbers(queue)
    assert moved[:5] == [1, 2, 3, 4, 5]
    assert [number for number in moved if number in {10, 12, 14}] == [10, 12, 14]
    assert [number for number in moved if number in {11, 13}] == [11, 13]
    assert Checkpoint(tmp_path / "pipe.json", ARN).finished == {"root"}


def test_a_shard_that_was_read_to_its_end_is_not_read_again(tmp_path: Path) -> None:
    """Even by a pipe that is started anew, and although its records are still there."""
    stream = SplittingStream({"root": (None, [1, 2, 3]), "child": ("root", [4])})
    queue = TakesAll()
    with flowing(pipe(stream, queue, tmp_path)):
        eventually(lambda: len(queue.bodies) == 4)
    checkpoint = Checkpoint(tmp_path / "pipe.json", ARN)

    seen = stream.looks
    with flowing(pipe(stream, queue, tmp_path)):
        eventually(lambda: stream.looks > seen + 3)

    assert (checkpoint.after("root"), checkpoint.after("child")) == (FINISHED, f"{4:021d}")
    assert numbers(queue) == [1, 2, 3, 4]


def test_what_a_queue_did_not_take_is_sent_again(tmp_path: Path) -> None:
    """Every record arrives, although half of each batch is refused and the queue is away now and then."""
    stream = SplittingStream({"only": (None, list(range(1, 24)))}, page=10)
    queue = TakesHalf()
    with flowing(pipe(stream, queue, tmp_path)):
        eventually(lambda: len(queue.bodies) >= 23, within=20)

    assert sorted(numbers(queue)) == list(range(1, 24))
    # No record of a page overtakes one of the page before.
    pages = [(number - 1) // 10 for number in numbers(queue)]
    assert pages == sorted(pages)


def test_a_pipe_that_dies_between_sending_and_its_checkpoint_sends_again(tmp_path: Path) -> None:
    """At least once: the second copy has the same eventID, by which a consumer can tell."""
    stream = SplittingStream({"only": (None, list(range(1, 31)))}, page=30)
    dying = DiesAfter(20)
    with pytest.raises(SystemError):
        pipe(stream, dying, tmp_path).run()

    second = TakesAll()
    with flowing(pipe(stream, second, tmp_path)):
        eventually(lambda: len(second.bodies) >= 20)

    assert numbers(dying) == list(range(1, 21))
    assert numbers(second) == list(range(11, 31))
    ids = {json.loads(body)["eventID"] for body in dying.bodies + second.bodies}
    assert len(ids) == 30


def test_a_checkpoint_older_than_the_stream_goes_on_with_the_oldest_record(tmp_path: Path) -> None:
    """Records live for a day; a pipe that was away for longer has lost some, and goes on."""
    stream = SplittingStream({"only": (None, [1, 2, 3, 4, 5])})
    Checkpoint(tmp_path / "pipe.json", ARN).reached("only", f"{1:021d}")
    stream.trimmed = 3
    queue = TakesAll()

    with flowing(pipe(stream, queue, tmp_path)):
        eventually(lambda: len(queue.bodies) == 2)

    assert numbers(queue) == [4, 5]


def test_a_checkpoint_is_of_one_stream(tmp_path: Path) -> None:
    """Sequence numbers of another mean nothing."""
    Checkpoint(tmp_path / "pipe.json", ARN).reached("only", "1")

    assert Checkpoint(tmp_path / "pipe.json", ARN).after("only") == "1"
    assert Checkpoint(tmp_path / "pipe.json", f"{ARN}-made-anew").empty


def test_an_iterator_that_has_expired_is_got_again(tmp_path: Path) -> None:
    """After the last record that was taken, so that none is left out or doubled."""
    stream = SplittingStream({"only": (None, [1, 2, 3, 4, 5])})
    stream.expired = {"only/2", "only/4"}
    queue = TakesAll()

    with flowing(pipe(stream, queue, tmp_path)):
        eventually(lambda: len(queue.bodies) == 5)

    assert numbers(queue) == [1, 2, 3, 4, 5]


def _take(emulator: Emulator, queue: str, taken: list[str]) -> list[str]:
    """All that was ever on the queue, with what is there now."""
    taken += emulator.take(queue)
    return taken
