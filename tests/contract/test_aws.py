"""What only the engines on AWS's APIs do: a queue as a source, a topic, transactions in a crowd, uploads in parts."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contract.aws_engines import VISIBILITY, Bucket, DynamoStore, bucket
from tests.contract.clouds import ON_AWS, OURS, Cloud, on_aws, on_ministack
from tests.eventually import eventually
from wallcrawler.aws.blobs import PART
from wallcrawler.aws.queue import SqsSource
from wallcrawler.aws.tables import create_tables
from wallcrawler.aws.topic import SnsTopic
from wallcrawler.ports import Add, Put
from wallcrawler.schema import PROJECTS, SESSIONS, TABLES

Name = Callable[[str], str]


@pytest.fixture(params=[on_ministack, *([on_aws] if ON_AWS else [])], ids=["ministack", *(["aws"] if ON_AWS else [])])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    cloud: Cloud = request.param()
    return cloud


@pytest.fixture
def queue(cloud: Cloud, name: Name) -> Iterator[str]:
    """The URL of a queue of the test's own."""
    made = cloud.aws.sqs.create_queue(QueueName=OURS + name("queue"), Attributes={"VisibilityTimeout": VISIBILITY})
    yield made["QueueUrl"]
    cloud.aws.sqs.delete_queue(QueueUrl=made["QueueUrl"])


def for_us(message: Mapping[str, Any]) -> dict[str, Any] | None:
    if message.get("broken"):
        raise ValueError("broken")
    return dict(message) if message.get("ours") else None


@pytest.fixture
def source(cloud: Cloud, queue: str) -> SqsSource:
    return SqsSource(cloud.aws.sqs, queue, translate=for_us)


@pytest.fixture
def send(cloud: Cloud, queue: str) -> Callable[[str], object]:
    return lambda body: cloud.aws.sqs.send_message(QueueUrl=queue, MessageBody=body)


# -- Source -----------------------------------------------------------------------------------------------------------


def test_what_is_sent_is_received_and_gone_when_acknowledged(source: SqsSource, send: Callable[[str], object]) -> None:
    """All of it, in however many deliveries."""
    for number in range(25):
        send(json.dumps({"ours": True, "n": number}))
    received: list[int] = []

    def take() -> bool:
        for delivery in source.receive(1):
            received.append(delivery.body["n"])
            source.ack(delivery)
        return len(received) >= 25

    eventually(take, within=20)
    assert sorted(received) == list(range(25))
    assert list(source.receive(float(VISIBILITY) + 1)) == []


def test_what_is_not_acknowledged_comes_again(source: SqsSource, send: Callable[[str], object]) -> None:
    """After the queue's visibility timeout, and until somebody does."""
    send('{"ours": true, "n": 1}')

    for _ in range(3):
        eventually(lambda: [delivery.body for delivery in source.receive(5)] == [{"ours": True, "n": 1}], within=15)


def test_what_is_not_ours_and_what_nobody_can_read(
    cloud: Cloud, queue: str, source: SqsSource, send: Callable[[str], object]
) -> None:
    """The one is gone at once, the other stays for the dead-letter queue; neither holds up what is ours."""
    for body in ('{"n": 1}', "no JSON", '{"broken": true}', '{"ours": true, "n": 2}'):
        send(body)
    ours: list[dict[str, Any]] = []

    def take() -> bool:
        for delivery in source.receive(1):
            ours.append(delivery.body)
            source.ack(delivery)
        return bool(ours)

    eventually(take, within=20)
    assert ours == [{"ours": True, "n": 2}]
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def left() -> int:
        told: Any = cloud.aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=counts)["Attributes"]  # type: ignore[arg-type]
        return sum(int(told[count]) for count in counts)

    eventually(lambda: left() == 2, within=60)


# -- Topic ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def topic(cloud: Cloud, name: Name) -> Iterator[str]:
    """The ARN of a topic of the test's own."""
    arn = cloud.aws.sns.create_topic(Name=OURS + name("topic"))["TopicArn"]
    yield arn
    cloud.aws.sns.delete_topic(TopicArn=arn)


def test_a_subscriber_gets_what_its_filter_asks_for(cloud: Cloud, queue: str, topic: str) -> None:
    """The body as JSON, and the attributes, by which it may choose."""
    told: Any = cloud.aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": told["QueueArn"],
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            }
        ],
    }
    cloud.aws.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(allow)})
    cloud.aws.sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=told["QueueArn"],
        Attributes={"FilterPolicy": json.dumps({"eventType": ["ended"]})},
    )
    notices = SqsSource(cloud.aws.sqs, queue, translate=dict)

    for event in ("ready", "ended"):
        SnsTopic(cloud.aws.sns, topic).publish(
            {"sessionId": "s-1", "status": "RUNNING", "createdAt": 1.5},
            attributes={"sessionId": "s-1", "eventType": event},
        )

    got: list[dict[str, Any]] = []

    def take() -> bool:
        got.extend(delivery.body for delivery in notices.receive(1))
        return bool(got)

    eventually(take, within=20)
    assert [notice["MessageAttributes"]["eventType"]["Value"] for notice in got] == ["ended"]
    assert json.loads(got[0]["Message"]) == {"sessionId": "s-1", "status": "RUNNING", "createdAt": 1.5}


# -- Tables -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(cloud: Cloud, tmp_path: Path) -> DynamoStore:
    return DynamoStore(tmp_path, cloud=lambda: cloud, shared="" if cloud.emulator else OURS)


def test_fifty_creates_at_once_all_come_through(store: DynamoStore, name: Name) -> None:
    """Each a transaction of a session, its project's count and its history: nobody is told to come back later."""
    store.tables.write(Put(PROJECTS, {"projectId": name("p"), "version": 1, "active": 0, "concurrency": 50}))

    def create(number: int) -> None:
        session = {"sessionId": name(str(number)), "version": 1, "status": "CREATING", "projectId": name("p")}
        store.tables.write(
            Put(SESSIONS, session | {"createdAt": 1.5, "expiresAt": 4_000_000_000}, version=0),
            Add(PROJECTS, name("p"), {"active": 1, "version": 1}, below=("active", "concurrency")),
        )

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(create, range(50)))

    project = store.tables.get(PROJECTS, name("p"))
    assert project is not None
    assert (project["active"], project["version"]) == (50, 51)


def test_tables_may_be_made_again(cloud: Cloud, store: DynamoStore, name: Name) -> None:
    """What is in them stays, and they are as the schema has them."""
    prefix = store._prefix
    store.tables.write(Put(PROJECTS, {"projectId": name("p"), "version": 1}))

    create_tables(cloud.aws.dynamodb, prefix)

    assert store.tables.get(PROJECTS, name("p")) == {"projectId": name("p"), "version": 1}
    for table in TABLES:
        made = cloud.aws.dynamodb.describe_table(TableName=prefix + table.name)["Table"]
        assert [index["IndexName"] for index in made.get("GlobalSecondaryIndexes", [])] == [
            index.name for index in table.indexes
        ]
        ttl = cloud.aws.dynamodb.describe_time_to_live(TableName=prefix + table.name)["TimeToLiveDescription"]
        assert ttl.get("AttributeName") == table.ttl
        assert ("StreamSpecification" in made) == (table is SESSIONS)


# -- Blobs ------------------------------------------------------------------------------------------------------------


class Interrupted(io.RawIOBase):
    """A long body that ends after some parts: the connection that it came over is lost."""

    def __init__(self, parts: int) -> None:
        self._left = parts

    def read(self, size: int = -1) -> bytes:
        if self._left == 0:
            raise ConnectionResetError("the connection was lost")
        self._left -= 1
        return os.urandom(size)


def test_a_long_body_comes_over_in_parts(cloud: Cloud, tmp_path: Path, name: Name) -> None:
    """Byte for byte, hashed on the way."""
    blobs = Bucket(tmp_path, cloud=lambda: cloud).blobs
    body = os.urandom(2 * PART + 12_345)

    digest = blobs.put(name("long"), io.BytesIO(body))

    with blobs.open(name("long")) as stored:
        assert stored.read() == body
    assert digest == hashlib.sha256(body).hexdigest()


def test_nothing_is_left_of_a_long_body_that_broke_off(cloud: Cloud, tmp_path: Path, name: Name) -> None:
    """Parts that nobody puts together are paid for."""
    blobs = Bucket(tmp_path, cloud=lambda: cloud).blobs
    body: Any = Interrupted(3)

    with pytest.raises(ConnectionResetError):
        blobs.put(name("long"), body)

    uploads = cloud.aws.s3.list_multipart_uploads(Bucket=bucket(cloud)).get("Uploads", [])
    assert [upload for upload in uploads if upload["Key"].endswith(name("long"))] == []
    assert list(blobs.names(name("long"))) == []
