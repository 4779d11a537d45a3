"""The small parts that decide and do nothing: batches, shards, addresses, what an engine is asked for."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localaws.containers import ContainerSpec
from localaws.drivers.options import options, repository_and_tag
from localaws.network import LoopbackAddresses
from localaws.pipe.records import body
from localaws.pipe.shards import Shard, readable
from localaws.queue import BATCH_BYTES, BATCH_ENTRIES, batches
from localaws.wire import numbered

SIZES = st.lists(st.integers(min_value=1, max_value=BATCH_BYTES), max_size=40)


@given(SIZES)
def test_batches_are_what_one_call_can_carry(sizes: list[int]) -> None:
    """All bodies, in their order, in batches within SQS's two limits."""
    bodies = ["x" * size for size in sizes]

    cut = list(batches(bodies))

    assert [one for batch in cut for one in batch] == bodies
    assert all(1 <= len(batch) <= BATCH_ENTRIES for batch in cut)
    assert all(sum(map(len, batch)) <= BATCH_BYTES for batch in cut)


def test_a_body_over_the_limit_does_not_take_others_with_it() -> None:
    """SQS will refuse it, and it alone."""
    cut = list(batches(["a", "x" * (BATCH_BYTES + 1), "b"]))

    assert [len(batch) for batch in cut] == [1, 1, 1]


def test_a_record_of_the_tables_ttl_says_who_deleted() -> None:
    """With the times and bytes that JSON can't carry written as EventBridge writes them."""
    record: dict[str, Any] = {
        "eventID": "e",
        "eventName": "REMOVE",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "userIdentity": {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"},
        "dynamodb": {
            "ApproximateCreationDateTime": datetime(2026, 1, 1, tzinfo=UTC),
            "OldImage": {"b": {"B": b"\x01"}, "s": {"BS": [b"\x02", b"\x03"]}},
            "SequenceNumber": "1",
        },
    }

    event = json.loads(body(record, stream_arn="arn"))

    assert event["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert event["dynamodb"]["ApproximateCreationDateTime"] == 1767225600
    assert event["dynamodb"]["OldImage"] == {"b": {"B": "AQ=="}, "s": {"BS": ["Ag==", "Aw=="]}}


@pytest.mark.parametrize(
    ("finished", "expected"),
    [
        (set(), ["a", "orphan"]),
        ({"a"}, ["b", "c", "orphan"]),
        ({"a", "b", "orphan"}, ["c", "d"]),
    ],
)
def test_a_shard_may_be_read_when_its_parent_is_finished_or_forgotten(finished: set[str], expected: list[str]) -> None:
    """And never again once it is finished itself."""
    shards = [
        Shard("d", "b", closed=False),
        Shard("a", None, closed=True),
        Shard("b", "a", closed=True),
        Shard("c", "a", closed=False),
        Shard("orphan", "trimmed away", closed=False),
    ]

    assert sorted(shard.id for shard in readable(shards, finished)) == expected


def test_each_task_has_an_address_of_its_own_until_it_gives_it_back() -> None:
    """In 127.0.0.0/8, but not where other programs listen."""
    addresses = LoopbackAddresses(random.Random(1))

    taken = {name: addresses.take(name) for name in map(str, range(200))}
    again = addresses.take("7")

    assert len({address.ip for address in taken.values()}) == 200
    assert again == taken["7"]
    for address in taken.values():
        first, second, _, last = (int(part) for part in address.ip.split("."))
        assert (first, second > 0, 0 < last < 255) == (127, True, True)
        assert address.mac.startswith("02:42:7f:")


def test_an_address_that_is_taken_is_not_drawn_again() -> None:
    """Even where chance would have it."""

    class Twice(random.Random):
        """Draws every number twice."""

        def __init__(self) -> None:
            super().__init__()
            self.drawn = 0

        def randint(self, low: int, high: int) -> int:
            self.drawn += 1
            return low + (self.drawn - 1) // 6 % (high - low)

    addresses = LoopbackAddresses(Twice())

    assert addresses.take("a").ip != addresses.take("b").ip


def test_an_engine_is_asked_only_for_what_the_definition_says() -> None:
    """A bare definition leaves everything else to the engine."""
    bare = ContainerSpec(
        name="main",
        image="i",
        essential=True,
        entry_point=None,
        command=None,
        environment={},
        stop_timeout=30.0,
        cpu=0,
        memory=None,
        definition={},
    )

    assert options(bare, seccomp=None).keys() == {"read_only", "log_config"}
    assert options(bare, seccomp="{}")["security_opt"] == ["seccomp={}"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("debian", ("debian", "latest")),
        ("debian:bookworm", ("debian", "bookworm")),
        ("registry:5000/debian", ("registry:5000/debian", "latest")),
        ("registry:5000/debian:bookworm", ("registry:5000/debian", "bookworm")),
        ("debian@sha256:0", ("debian", "sha256:0")),
    ],
)
def test_an_image_is_pulled_by_one_tag(image: str, expected: tuple[str, str]) -> None:
    """Without one, the engine would pull them all."""
    assert repository_and_tag(image) == expected


def test_numbered_members_of_a_form_come_in_their_order() -> None:
    """Ten comes after nine, and a name that only begins alike is another's."""
    form = {"Id.10": "k", "Id.9": "j", "Id.1": "a", "Idle.1": "x", "Id.x": "y"}

    assert numbered(form, "Id") == ["a", "j", "k"]
