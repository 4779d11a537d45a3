"""Tables in DynamoDB.

Reads by key are consistent. A write of more than one item is a transaction; where others' transactions on the same
items are in the way, as on the count of a busy project, it is tried again here for some seconds. The feed of changes is
not here: the table's stream goes to a queue by a Pipe, and `queue` and `events` read that.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from wallcrawler.aws import requests
from wallcrawler.aws.cursors import cursor as cursor_to
from wallcrawler.aws.cursors import position
from wallcrawler.aws.errors import code_of, put_off, soon, translated
from wallcrawler.aws.values import Typed, loaded_item, stored
from wallcrawler.errors import Conflict, TryLater
from wallcrawler.ports import Add, Delete, Index, Item, Page, Put, Table, Write
from wallcrawler.schema import SESSIONS, TABLES

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: Seconds at most between tries of a write that others' writes are in the way of: fifty who write to one item at once
#: all come through. Their sum, about five seconds, is what a caller waits before he is told to come back.
BACKOFF: Final = (0.025, 0.05, 0.1, 0.2, 0.4, *(0.5,) * 9)

#: Reasons of a cancelled transaction that say nothing about the items, only about the moment.
CONTENDED: Final = frozenset({"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"})

#: The key that `ping` looks for: no session's.
NOBODY: Final = "-"


class DynamoTables:
    """The Tables port on DynamoDB; tables' names begin with `prefix`. Safe to use from many threads."""

    def __init__(
        self,
        client: DynamoDBClient,
        prefix: str,
        *,
        pause: Callable[[float], object] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._pause = pause or threading.Event().wait
        self._draw = draw

    def get(self, table: Table, key: str, sort: str | int | None = None) -> Item | None:
        with translated("DynamoDB"):
            answer = self._client.get_item(
                TableName=self._prefix + table.name, Key=requests.key_of(table, key, sort), ConsistentRead=True
            )
        return loaded_item(answer["Item"]) if "Item" in answer else None

    def write(self, *writes: Write) -> None:
        # An addition is a transaction also when it is alone: sent again by botocore, it is not done again.
        alone = len(writes) == 1 and not isinstance(writes[0], Add)
        for delay in BACKOFF:
            with suppress(_Contended), translated("DynamoDB"):
                if alone:
                    self._write_one(writes[0])
                else:
                    self._write_all(writes)
                return
            self._pause(delay * self._draw())
        raise TryLater(f"{writes[0].table.name}: many write to the same item at once", after=soon())

    def _write_one(self, write: Write) -> None:
        """Raises Conflict, _Contended."""
        try:
            if isinstance(write, Put):
                request = requests.put(write, self._prefix)
                self._client.put_item(**request, ReturnValuesOnConditionCheckFailure="ALL_OLD")
            elif isinstance(write, Delete):
                self._client.delete_item(**requests.deletion(write, self._prefix))
        except ClientError as failed:
            code = code_of(failed)
            if code == "TransactionConflictException":
                raise _Contended from None
            if code != "ConditionalCheckFailedException":
                raise
            if isinstance(write, Put) and not _done_before(failed, write.item):
                raise _conflict(0, write) from None

    def _write_all(self, writes: Sequence[Write]) -> None:
        """Raises Conflict, _Contended."""
        try:
            self._client.transact_write_items(TransactItems=[self._part(write) for write in writes])
        except ClientError as failed:
            reasons = [reason.get("Code") for reason in failed.response.get("CancellationReasons", ())]
            for index, reason in enumerate(reasons):
                if reason == "ConditionalCheckFailed":
                    raise _conflict(index, writes[index]) from None
            if CONTENDED & set(reasons):
                raise _Contended from None
            raise

    def _part(self, write: Write) -> Any:
        return requests.part(write, self._prefix)

    def query(
        self,
        table: Table,
        value: str,
        *,
        index: Index | None = None,
        up_to: float | None = None,
        newest_first: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        partition, sort = (index.partition, index.sort) if index else (table.partition, table.sort)
        condition, names, values = "#key = :key", {"#key": partition}, {":key": stored(value)}
        if up_to is not None:
            condition += " AND #sort <= :most"
            names["#sort"] = str(sort)
            values[":most"] = stored(up_to)
        how: dict[str, Any] = {"IndexName": index.name} if index else {"ConsistentRead": True}
        ask = partial(
            self._client.query,
            TableName=self._prefix + table.name,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=not newest_first,
            **how,
        )
        question = (table.name, index and index.name, value, up_to, newest_first)
        return self._page(ask, question, place=requests.place_of(table, index), limit=limit, cursor=cursor)

    def scan(self, table: Table, *, limit: int = 100, cursor: str | None = None) -> Page:
        ask = partial(self._client.scan, TableName=self._prefix + table.name, ConsistentRead=True)
        return self._page(ask, (table.name,), place=requests.place_of(table, None), limit=limit, cursor=cursor)

    def _page(
        self,
        ask: Callable[..., Any],
        question: tuple[Any, ...],
        *,
        place: Sequence[str],
        limit: int,
        cursor: str | None,
    ) -> Page:
        """One item more than is wanted is asked for: DynamoDB says that there is more also where nothing comes."""
        start = None if cursor is None else position(cursor, *question)
        found: list[Mapping[str, Typed]] = []
        while len(found) <= limit:
            # An answer ends at a megabyte as well.
            answer = _asked(ask, limit + 1 - len(found), start)
            found += answer["Items"]
            start = answer.get("LastEvaluatedKey")
            if start is None:
                break
        items = [loaded_item(item) for item in found[:limit]]
        if len(found) <= limit:
            return Page(items)
        last = found[limit - 1]
        return Page(items, cursor_to({name: last[name] for name in place}, *question))

    def ping(self) -> None:
        with put_off("DynamoDB"):
            self._client.get_item(TableName=self._prefix + SESSIONS.name, Key=requests.key_of(SESSIONS, NOBODY))


class _Contended(Exception):
    """Others' transactions are in the way."""


def _conflict(index: int, write: Write) -> Conflict:
    return Conflict(index, f"{write.table.name}: the stored item is not as the write expected")


def _done_before(failed: ClientError, item: Item) -> bool:
    """Whether the condition failed because an earlier try of the same call was done and its answer lost."""
    again = failed.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
    there = failed.response.get("Item")
    return again and isinstance(there, dict) and loaded_item(there) == item


def _asked(ask: Callable[..., Any], limit: int, start: Mapping[str, Typed] | None) -> Any:
    """Raises ValueError for a start that DynamoDB does not take."""
    if start is None:
        with translated("DynamoDB"):
            return ask(Limit=limit)
    with translated("DynamoDB"):
        try:
            return ask(Limit=limit, ExclusiveStartKey=start)
        except ClientError as failed:
            if code_of(failed) == "ValidationException":
                raise ValueError("the cursor is not one of this list") from None
            raise


def create_tables(client: DynamoDBClient, prefix: str) -> None:
    """Make the tables that are not there, for stand-ins and tests: a deployment's are made by deploy/aws.

    Raises botocore's errors.
    """
    for table in TABLES:
        name = prefix + table.name
        try:
            client.create_table(**requests.definition(table, prefix))
        except client.exceptions.ResourceInUseException:
            continue
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
        if table.ttl:
            ttl: Any = {"Enabled": True, "AttributeName": table.ttl}
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=ttl)
