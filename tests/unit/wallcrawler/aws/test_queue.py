"""SqsSource: what it asks of SQS, what it keeps, and what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.stub import Stubber
from structlog.testing import capture_logs

from wallcrawler.aws.clients import Clients
from wallcrawler.aws.queue import SqsSource
from wallcrawler.errors import TryLater
from wallcrawler.ports import Delivery

Script = Callable[[Any], Stubber]

URL = "https://sqs.us-west-2.amazonaws.com/111122223333/wallcrawler-task-events"


def picky(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """Takes what is for us, and can't read what is broken."""
    if message.get("broken"):
        raise ValueError(f"can't read {message}")
    return {"taken": message["n"]} if message.get("ours") else None


def messages(*bodies: Any) -> dict[str, Any]:
    return {
        "Messages": [
            {
                "MessageId": f"m{place}",
                "ReceiptHandle": f"r{place}",
                "Body": body if isinstance(body, str) else json.dumps(body),
            }
            for place, body in enumerate(bodies)
        ]
    }


@pytest.fixture
def script(aws: Clients, stubbed: Script) -> Stubber:
    return stubbed(aws.sqs)


@pytest.fixture
def source(aws: Clients) -> SqsSource:
    return SqsSource(aws.sqs, URL, translate=picky)


# -- receive ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wait", "seconds"), [(0, 0), (0.01, 0), (0.1, 0), (0.5, 1), (1, 1), (1.5, 2), (19.7, 20), (20, 20), (300, 20)]
)
def test_a_wait_is_a_long_poll_of_whole_seconds(script: Stubber, source: SqsSource, wait: float, seconds: int) -> None:
    """Ten messages at a time; SQS waits for twenty seconds at most, and a wait too short for one is only a look."""
    script.add_response("receive_message", {}, {"QueueUrl": URL, "MaxNumberOfMessages": 10, "WaitTimeSeconds": seconds})

    assert list(source.receive(wait)) == []


def test_what_is_for_us_is_translated_and_kept(script: Stubber, source: SqsSource) -> None:
    """It stays in the queue until it is acknowledged."""
    script.add_response("receive_message", messages({"ours": 1, "n": 1}, {"ours": 1, "n": 2}))

    assert list(source.receive(1)) == [Delivery({"taken": 1}, "r0"), Delivery({"taken": 2}, "r1")]


def test_what_is_acknowledged_is_deleted(script: Stubber, source: SqsSource) -> None:
    """By the handle of this receipt."""
    script.add_response("delete_message", {}, {"QueueUrl": URL, "ReceiptHandle": "r0"})

    source.ack(Delivery({}, "r0"))


def test_what_is_not_for_us_is_deleted_at_once(script: Stubber, source: SqsSource) -> None:
    """All of it in one call, and it holds up nothing that is."""
    script.add_response("receive_message", messages({"n": 1}, {"ours": 1, "n": 2}, {"n": 3}))
    script.add_response(
        "delete_message_batch",
        {"Successful": [], "Failed": []},
        {"QueueUrl": URL, "Entries": [{"Id": "0", "ReceiptHandle": "r0"}, {"Id": "1", "ReceiptHandle": "r2"}]},
    )

    assert [delivery.body for delivery in source.receive(1)] == [{"taken": 2}]


def test_what_is_for_us_does_not_wait_for_what_is_not(script: Stubber, source: SqsSource) -> None:
    """A queue that deletes nothing just now delivers the foreign message once more, and ours now."""
    script.add_response("receive_message", messages({"n": 1}, {"ours": 1, "n": 2}))
    script.add_client_error("delete_message_batch", "ServiceUnavailable", http_status_code=503)

    assert [delivery.body for delivery in source.receive(1)] == [{"taken": 2}]


# -- What can't be read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["", "no JSON", "[]", "7", "null", '{"broken": true}', "[" * 100_000])
def test_what_can_not_be_read_is_left_for_the_dlq(script: Stubber, source: SqsSource, body: str) -> None:
    """And does not stand in the way of the others."""
    script.add_response("receive_message", messages(body, {"ours": 1, "n": 2}))

    with capture_logs():
        assert [delivery.body for delivery in source.receive(1)] == [{"taken": 2}]


def test_what_can_not_be_read_is_told_once_by_its_id(script: Stubber, source: SqsSource) -> None:
    """It comes again every few seconds; what it says may be a secret, and is not told."""
    for _ in range(3):
        script.add_response("receive_message", messages({"broken": "token-of-somebody"}, "no JSON: token-of-somebody"))

    with capture_logs() as lines:
        for _ in range(3):
            assert list(source.receive(1)) == []

    assert [(line["event"], line["message"], line["queue"]) for line in lines] == [
        ("queue.unreadable", "m0", "wallcrawler-task-events"),
        ("queue.unreadable", "m1", "wallcrawler-task-events"),
    ]
    assert "token-of-somebody" not in str(lines)


# -- Without an answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ServiceUnavailable", 503),
        ("RequestThrottled", 403),
        ("QueueDoesNotExist", 400),
        ("AccessDeniedException", 400),
    ],
)
def test_a_queue_that_is_of_no_use_is_to_be_tried_later(
    script: Stubber, source: SqsSource, code: str, status: int
) -> None:
    """Away, or not there yet, or not for us yet: a pump can only come back. What was not deleted comes again."""
    script.add_client_error("receive_message", code, http_status_code=status)
    script.add_client_error("delete_message", code, http_status_code=status)

    with pytest.raises(TryLater, match=code):
        source.receive(1)
    with pytest.raises(TryLater, match=code):
        source.ack(Delivery({}, "r0"))


# -- order, hold ------------------------------------------------------------------------------------------------------


def test_what_is_as_old_as_what_was_acknowledged_is_not_handed_out(script: Stubber, aws: Clients) -> None:
    """A task's versions order its events: copies and latecomers go at once, another task's are its own."""

    def told(*versions: tuple[str, int]) -> dict[str, Any]:
        return messages(*({"task": task, "version": version} for task, version in versions))

    source = SqsSource(aws.sqs, URL, translate=dict, order=lambda body: (body["task"], body["version"]))
    script.add_response("receive_message", told(("a", 2)))
    script.add_response("delete_message", {})
    script.add_response("receive_message", told(("a", 2), ("a", 1), ("b", 1), ("a", 3)))
    script.add_response("delete_message_batch", {"Successful": [], "Failed": []})

    with script:
        (first,) = source.receive(0)
        source.ack(first)
        later = source.receive(0)

    assert [delivery.body for delivery in later] == [{"task": "b", "version": 1}, {"task": "a", "version": 3}]


def test_what_was_not_acknowledged_comes_again(script: Stubber, aws: Clients) -> None:
    """Only what a broker has taken makes others old."""
    source = SqsSource(aws.sqs, URL, translate=dict, order=lambda body: (body["task"], body["version"]))
    for _ in range(2):
        script.add_response("receive_message", messages({"task": "a", "version": 2}))

    with script:
        assert [len(source.receive(0)) for _ in range(2)] == [1, 1]


def test_held_messages_stay_for_another_while(script: Stubber, source: SqsSource) -> None:
    """All in one call; a refusal is none, because coming again is allowed."""
    entries = [{"Id": str(place), "ReceiptHandle": f"r{place}", "VisibilityTimeout": 10} for place in range(2)]
    script.add_response(
        "change_message_visibility_batch",
        {"Successful": [], "Failed": []},
        {"QueueUrl": URL, "Entries": entries},
    )
    script.add_client_error("change_message_visibility_batch", "ServiceUnavailable", http_status_code=503)

    with script:
        for _ in range(2):
            source.hold([Delivery({}, handle=f"r{place}") for place in range(2)])

    script.assert_no_pending_responses()
