"""The tables of data.yaml are those of wallcrawler/schema.py, and kept as the design promises."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.templates import Template
from wallcrawler.ports import Table
from wallcrawler.schema import SESSION_PLANS, SESSIONS, TABLES
from wallcrawler.settings import Settings

#: Tables that the design names, for parts of it that the code may not have yet.
DESIGNED = {"pool"}

STORED = {
    properties["TableName"].removeprefix("wallcrawler-"): properties
    for properties in Template("data").resources("AWS::DynamoDB::Table").values()
}


def keys(schema: list[dict[str, str]]) -> dict[str, str]:
    return {key["KeyType"]: key["AttributeName"] for key in schema}


def types(stored: dict[str, Any]) -> dict[str, str]:
    return {one["AttributeName"]: one["AttributeType"] for one in stored["AttributeDefinitions"]}


def test_there_are_the_tables_of_the_schema_and_of_the_design() -> None:
    """No table is missing, and none is forgotten."""
    names = {table.name for table in TABLES}

    assert STORED.keys() == names | DESIGNED


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_keys_and_indexes_agree_with_the_schema(table: Table) -> None:
    """The same partition and sort keys under the same names, and whole items in every index."""
    stored = STORED[table.name]

    expected = {"HASH": table.partition} | ({"RANGE": table.sort} if table.sort else {})
    assert keys(stored["KeySchema"]) == expected
    indexes = {index["IndexName"]: index for index in stored.get("GlobalSecondaryIndexes", [])}
    assert {name: keys(index["KeySchema"]) for name, index in indexes.items()} == {
        index.name: {"HASH": index.partition, "RANGE": index.sort} for index in table.indexes
    }
    # Repositories make their records of what an index answers.
    assert all(index["Projection"] == {"ProjectionType": "ALL"} for index in indexes.values())


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_sort_keys_are_numbers_and_partition_keys_are_strings(table: Table) -> None:
    """A sequence, a time and a deadline sort as numbers; ids, states and hashes are strings."""
    stored = types(STORED[table.name])

    for partition in {table.partition, *(index.partition for index in table.indexes)}:
        assert stored.pop(partition) == "S"
    for sort in {table.sort, *(index.sort for index in table.indexes)} - {None}:
        assert stored.pop(str(sort)) == "N"
    assert stored == {}, "DynamoDB refuses an attribute that no key has"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_ttl_is_on_where_the_schema_has_one(table: Table) -> None:
    """On the schema's field, and on no other table."""
    ttl = STORED[table.name].get("TimeToLiveSpecification")

    assert ttl == ({"AttributeName": table.ttl, "Enabled": True} if table.ttl else None)


def test_only_sessions_have_a_stream_of_both_images() -> None:
    """The notifier compares the old record with the new one."""
    streams = {
        name: stored["StreamSpecification"] for name, stored in STORED.items() if "StreamSpecification" in stored
    }

    assert streams == {SESSIONS.name: {"StreamViewType": "NEW_AND_OLD_IMAGES"}}


@pytest.mark.parametrize("name", STORED)
def test_every_table_can_be_restored_is_encrypted_and_costs_nothing_at_rest(name: str) -> None:
    """Point-in-time recovery, but of what holds passwords; encryption, payment by request, no deletion by accident."""
    stored = STORED[name]
    restorable = name != SESSION_PLANS.name

    assert stored["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": restorable}
    assert stored["SSESpecification"] == {"SSEEnabled": True}
    assert stored["BillingMode"] == "PAY_PER_REQUEST"
    assert stored["DeletionProtectionEnabled"] is True


def test_the_bucket_is_private_encrypted_and_speaks_tls_alone() -> None:
    """Nothing in it can become public, and nothing crosses a wire in the clear."""
    template = Template("data")
    (bucket,) = template.resources("AWS::S3::Bucket").values()
    ((_, policy),) = template.resources("AWS::S3::BucketPolicy").items()

    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == ["${Bucket.Arn}", "${Bucket.Arn}/*"]


def test_files_of_sessions_expire_and_contexts_and_extensions_do_not() -> None:
    """A login that somebody keeps is not a file of one session; nor is an extension, which the next one may load."""
    (bucket,) = Template("data").resources("AWS::S3::Bucket").values()

    expiring = {
        rule["Prefix"]: rule["ExpirationInDays"]
        for rule in bucket["LifecycleConfiguration"]["Rules"]
        if "Prefix" in rule
    }

    assert expiring == {"downloads/": 30, "logs/": 30}


def test_records_are_kept_at_least_as_long_as_files() -> None:
    """A file whose session nobody can look up any more is of no use."""
    (bucket,) = Template("data").resources("AWS::S3::Bucket").values()
    (days,) = {rule["ExpirationInDays"] for rule in bucket["LifecycleConfiguration"]["Rules"] if "Prefix" in rule}

    assert Settings.model_fields["retention"].default >= days * 86_400
