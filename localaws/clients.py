"""boto3 clients for the emulator at `LOCALAWS_ENDPOINT_URL`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from localaws.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_sqs import SQSClient

#: The callers try again by themselves, for as long as it takes; the client need not.
_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}, tcp_keepalive=True)


@cache
def _session() -> boto3.session.Session:
    """One for all: what it has read of botocore's models is not read again."""
    return boto3.session.Session()


def _client(settings: Settings, service: Any) -> Any:
    return _session().client(
        service,
        region_name=settings.region,
        endpoint_url=settings.endpoint_url,
        aws_access_key_id=settings.access_key_id.get_secret_value(),
        aws_secret_access_key=settings.secret_access_key.get_secret_value(),
        config=_CONFIG,
    )


def sqs(settings: Settings) -> SQSClient:
    client: SQSClient = _client(settings, "sqs")
    return client


def dynamodb(settings: Settings) -> DynamoDBClient:
    client: DynamoDBClient = _client(settings, "dynamodb")
    return client


def streams(settings: Settings) -> DynamoDBStreamsClient:
    client: DynamoDBStreamsClient = _client(settings, "dynamodbstreams")
    return client
