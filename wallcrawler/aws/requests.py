"""What our writes and tables are in DynamoDB's words. Pure: `prefix` is what tables' names begin with."""

from __future__ import annotations

from typing import Any

from wallcrawler.aws.values import stored, stored_item
from wallcrawler.ports import Add, Delete, Index, Put, Table, Write
from wallcrawler.schema import SESSIONS

Request = dict[str, Any]


def key_of(table: Table, key: str, sort: str | int | None = None) -> Request:
    found = {table.partition: stored(key)}
    return dict(found if table.sort is None or sort is None else found | {table.sort: stored(sort)})


def place_of(table: Table, index: Index | None) -> list[str]:
    """The names that a position in a list is made of: the item's keys, and those of its place in the index."""
    names = [table.partition, table.sort, *((index.partition, index.sort) if index else ())]
    return list(dict.fromkeys(name for name in names if name is not None))


def part(write: Write, prefix: str) -> Request:
    """The write as a part of a transaction."""
    match write:
        case Put():
            return {"Put": put(write, prefix)}
        case Add():
            return {"Update": addition(write, prefix)}
        case Delete():
            return {"Delete": deletion(write, prefix)}


def put(write: Put, prefix: str) -> Request:
    request: Request = {"TableName": prefix + write.table.name, "Item": stored_item(write.item)}
    if write.version is None:
        return request
    if write.version == 0:
        names = {"#key": write.table.partition}
        return request | {"ConditionExpression": "attribute_not_exists(#key)", "ExpressionAttributeNames": names}
    return request | {
        "ConditionExpression": "#version = :version",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": stored(write.version)},
    }


def addition(write: Add, prefix: str) -> Request:
    # ADD alone would make an item where there is none.
    condition, names = "attribute_exists(#key)", {"#key": write.table.partition}
    if write.below:
        condition += " AND #lower < #upper"
        names |= {"#lower": write.below[0], "#upper": write.below[1]}
    names |= {f"#n{place}": name for place, name in enumerate(write.amounts)}
    return {
        "TableName": prefix + write.table.name,
        "Key": key_of(write.table, write.key),
        "UpdateExpression": "ADD " + ", ".join(f"#n{place} :n{place}" for place in range(len(write.amounts))),
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {f":n{place}": stored(by) for place, by in enumerate(write.amounts.values())},
    }


def deletion(write: Delete, prefix: str) -> Request:
    return {"TableName": prefix + write.table.name, "Key": key_of(write.table, write.key, write.sort)}


def definition(table: Table, prefix: str) -> Request:
    """The table as deploy/aws/data.yaml has it, but for what keeps it from being lost. Time to live is another call."""
    partitions = {table.partition, *(index.partition for index in table.indexes)}
    sorts = {sort for sort in (table.sort, *(index.sort for index in table.indexes)) if sort is not None}
    request: Request = {
        "TableName": prefix + table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _schema(table.partition, table.sort),
        "AttributeDefinitions": [
            *({"AttributeName": name, "AttributeType": "S"} for name in sorted(partitions)),
            *({"AttributeName": name, "AttributeType": "N"} for name in sorted(sorts)),
        ],
    }
    if table.indexes:
        request["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _schema(index.partition, index.sort),
                "Projection": {"ProjectionType": "ALL"},
            }
            for index in table.indexes
        ]
    if table is SESSIONS:
        request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    return request


def _schema(partition: str, sort: str | None) -> list[dict[str, str]]:
    keys = [{"AttributeName": partition, "KeyType": "HASH"}]
    return keys + ([{"AttributeName": sort, "KeyType": "RANGE"}] if sort else [])
