"""DynamoTables: what a contract can't show, because no stand-in is ever crowded, busy or half answered."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from tests.unit.wallcrawler.aws.crowds import BusyDynamo, CrowdedDynamo, cancelled
from wallcrawler.aws.clients import Clients
from wallcrawler.aws.errors import Refused
from wallcrawler.aws.tables import BACKOFF, DynamoTables
from wallcrawler.aws.values import stored_item
from wallcrawler.errors import Conflict, TryLater
from wallcrawler.ports import Add, Delete, Put, Write
from wallcrawler.schema import API_KEYS, BY_PROJECT, PROJECTS, SESSIONS

Script = Callable[[Any], Stubber]

PROJECT = {"projectId": "p", "version": 1, "active": 0}
ENTER = Add(PROJECTS, "p", {"active": 1}, below=("active", "concurrency"))


def tables(client: Any, pauses: list[float] | None = None) -> DynamoTables:
    """Without waiting; how long it would have waited at most goes to `pauses`."""
    return DynamoTables(client, "wc-", pause=([] if pauses is None else pauses).append, draw=lambda: 1.0)


def single(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "PutItem")


# -- Crowds -----------------------------------------------------------------------------------------------------------


def test_fifty_who_write_to_one_item_at_once_all_come_through() -> None:
    """The count of a busy project, with fifty creates in the same moment."""
    dynamo = CrowdedDynamo(seconds=0.005)
    crowded: Any = dynamo
    crowd = DynamoTables(crowded, "wc-")

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda _: crowd.write(ENTER), range(50)))

    assert dynamo.written == 50
    assert dynamo.refused > 0


@pytest.mark.parametrize(
    ("write", "busy"),
    [
        ((ENTER,), cancelled("TransactionConflict")),
        ((ENTER, ENTER), cancelled("None", "TransactionConflict")),
        ((ENTER, ENTER), cancelled("ProvisionedThroughputExceeded", "None")),
        ((ENTER, ENTER), cancelled("None", "ThrottlingError")),
        ((Put(PROJECTS, PROJECT, version=0),), single("TransactionConflictException")),
        ((Delete(PROJECTS, "p"),), single("TransactionConflictException")),
    ],
)
def test_a_write_that_others_are_in_the_way_of_is_tried_again(write: tuple[Write, ...], busy: ClientError) -> None:
    """After pauses that grow, and no longer than the caller can wait."""
    dynamo, pauses = BusyDynamo(busy, busy, busy), list[float]()

    tables(dynamo, pauses).write(*write)

    assert dynamo.calls == 4
    assert pauses == list(BACKOFF[:3])
    assert sum(BACKOFF) < 6


def test_pauses_are_drawn_so_that_a_crowd_scatters() -> None:
    """From nothing up to the whole of it."""
    draws = iter([0.0, 0.5, 1.0])
    pauses: list[float] = []
    client: Any = BusyDynamo(*(cancelled("TransactionConflict") for _ in range(3)))

    DynamoTables(client, "wc-", pause=pauses.append, draw=lambda: next(draws)).write(ENTER)

    assert pauses == [0, BACKOFF[1] / 2, BACKOFF[2]]


def test_a_crowd_that_stays_is_to_be_tried_later() -> None:
    """TryLater, which names the table and says how long."""
    dynamo = BusyDynamo(*(cancelled("TransactionConflict") for _ in range(100)))

    with pytest.raises(TryLater, match="projects") as later:
        tables(dynamo).write(ENTER)

    assert dynamo.calls == len(BACKOFF)
    assert later.value.after > 0


def test_a_condition_that_failed_is_a_conflict_also_in_a_crowd() -> None:
    """It was looked at, and trying again would find the same."""
    dynamo = BusyDynamo(cancelled("TransactionConflict", "None", "ConditionalCheckFailed", "ConditionalCheckFailed"))

    with pytest.raises(Conflict) as conflict:
        tables(dynamo).write(ENTER, ENTER, ENTER, ENTER)

    assert conflict.value.index == 2
    assert dynamo.calls == 1


def test_a_transaction_that_is_wrong_is_refused() -> None:
    """At once: it will never be right."""
    dynamo = BusyDynamo(cancelled("None", "ValidationError"))

    with pytest.raises(Refused):
        tables(dynamo).write(ENTER, ENTER)

    assert dynamo.calls == 1


# -- Answers that were lost -------------------------------------------------------------------------------------------


def test_an_addition_is_never_done_twice(aws: Clients, stubbed: Script) -> None:
    """Also alone it is a transaction: botocore sends it again with the same token, and DynamoDB knows it."""
    stubbed(aws.dynamodb).add_response("transact_write_items", {}, {"TransactItems": [{"Update": ANY}]})
    asked: list[dict[str, Any]] = []

    def look(params: dict[str, Any], **_: Any) -> None:
        asked.append(params)

    aws.dynamodb.meta.events.register_last("before-parameter-build.dynamodb.TransactWriteItems", look)
    tables(aws.dynamodb).write(ENTER)
    aws.dynamodb.meta.events.unregister("before-parameter-build.dynamodb.TransactWriteItems", look)

    assert len(asked[0]["ClientRequestToken"]) == 36


@pytest.mark.parametrize(
    ("retries", "found", "done"),
    [
        # Somebody else's, or the same one written twice on purpose: the first try was the only one.
        (0, PROJECT, False),
        # Our own first try, whose answer never came.
        (1, PROJECT, True),
        # Somebody else was faster than the first try.
        (1, PROJECT | {"active": 7}, False),
    ],
)
def test_a_put_whose_answer_was_lost_is_no_conflict(
    aws: Clients, stubbed: Script, retries: int, found: dict[str, Any], done: bool
) -> None:
    """botocore sends it again, and what that finds is what it has written itself."""
    stubbed(aws.dynamodb).add_client_error(
        "put_item",
        "ConditionalCheckFailedException",
        response_meta={"RetryAttempts": retries},
        modeled_fields={"Item": stored_item(found)},
        expected_params={
            "TableName": "wc-projects",
            "Item": ANY,
            "ConditionExpression": ANY,
            "ExpressionAttributeNames": ANY,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )

    if done:
        tables(aws.dynamodb).write(Put(PROJECTS, PROJECT, version=0))
    else:
        with pytest.raises(Conflict):
            tables(aws.dynamodb).write(Put(PROJECTS, PROJECT, version=0))


# -- Lists ------------------------------------------------------------------------------------------------------------


def session(number: int) -> dict[str, Any]:
    return {"sessionId": f"s{number}", "projectId": "p", "createdAt": number}


def test_a_page_is_filled_over_answers_that_end_early(aws: Clients, stubbed: Script) -> None:
    """DynamoDB answers with a megabyte at most, however many items that are."""
    script = stubbed(aws.dynamodb)
    key = stored_item(session(2))
    common = {
        "TableName": "wc-sessions",
        "IndexName": BY_PROJECT.name,
        "KeyConditionExpression": "#key = :key",
        "ExpressionAttributeNames": {"#key": "projectId"},
        "ExpressionAttributeValues": {":key": {"S": "p"}},
        "ScanIndexForward": True,
    }
    script.add_response(
        "query",
        {"Items": [stored_item(session(number)) for number in (1, 2)], "LastEvaluatedKey": key},
        common | {"Limit": 4},
    )
    script.add_response(
        "query",
        {"Items": [stored_item(session(number)) for number in (3, 4)], "LastEvaluatedKey": stored_item(session(4))},
        common | {"Limit": 2, "ExclusiveStartKey": key},
    )

    page = tables(aws.dynamodb).query(SESSIONS, "p", index=BY_PROJECT, limit=3)

    assert page.items == [session(1), session(2), session(3)]
    assert page.cursor is not None


def test_the_last_page_has_no_cursor_whatever_dynamodb_says(aws: Clients, stubbed: Script) -> None:
    """It names a last key also where nothing comes behind it."""
    script = stubbed(aws.dynamodb)
    last = stored_item(session(2))
    script.add_response("query", {"Items": [stored_item(session(1)), last], "LastEvaluatedKey": last})
    script.add_response("query", {"Items": []})

    page = tables(aws.dynamodb).query(SESSIONS, "p", index=BY_PROJECT, limit=2)

    assert page.items == [session(1), session(2)]
    assert page.cursor is None


def test_a_cursor_that_dynamodb_refuses_is_a_wrong_one(aws: Clients, stubbed: Script) -> None:
    """As it is for every other text that is no cursor."""
    script = stubbed(aws.dynamodb)
    script.add_response("query", {"Items": [stored_item(session(number)) for number in (1, 2)]})
    script.add_client_error("query", "ValidationException", "The provided starting key is outside query boundaries")
    cursor = tables(aws.dynamodb).query(SESSIONS, "p", index=BY_PROJECT, limit=1).cursor

    with pytest.raises(ValueError, match="not one of this list"):
        tables(aws.dynamodb).query(SESSIONS, "p", index=BY_PROJECT, limit=1, cursor=cursor)


def test_main_keys_are_read_consistently(aws: Clients, stubbed: Script) -> None:
    """Where DynamoDB can: not by an index."""
    script = stubbed(aws.dynamodb)
    script.add_response("get_item", {}, {"TableName": "wc-api-keys", "Key": ANY, "ConsistentRead": True})
    script.add_response("scan", {"Items": []}, {"TableName": "wc-projects", "ConsistentRead": True, "Limit": 101})

    assert tables(aws.dynamodb).get(API_KEYS, "hash") is None
    assert tables(aws.dynamodb).scan(PROJECTS).items == []


# -- Without an answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", ["ResourceNotFoundException", "AccessDeniedException", "InternalServerError", "ThrottlingException"]
)
def test_a_store_that_is_of_no_use_does_not_answer_the_ping(aws: Clients, stubbed: Script, code: str) -> None:
    """Whoever asks is told what it is; a table may still be on its way."""
    stubbed(aws.dynamodb).add_client_error("get_item", code)

    with pytest.raises(TryLater, match=code):
        tables(aws.dynamodb).ping()


def test_a_throttled_store_is_to_be_tried_later(aws: Clients, stubbed: Script) -> None:
    """Whatever was wanted of it."""
    script = stubbed(aws.dynamodb)
    for operation in ("get_item", "put_item", "transact_write_items", "query"):
        script.add_client_error(operation, "ProvisionedThroughputExceededException")
    store = tables(aws.dynamodb)

    for act in (
        lambda: store.get(PROJECTS, "p"),
        lambda: store.write(Put(PROJECTS, PROJECT)),
        lambda: store.write(ENTER),
        lambda: store.query(SESSIONS, "p", index=BY_PROJECT),
    ):
        with pytest.raises(TryLater):
            act()
