"""The SNS topic that outsiders subscribe to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wallcrawler.aws.errors import put_off

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SnsTopic:
    """The Topic port on SNS: the body as JSON, the attributes as strings that subscriptions filter by."""

    def __init__(self, client: SNSClient, arn: str) -> None:
        self._client = client
        self._arn = arn

    def publish(self, body: Mapping[str, Any], *, attributes: Mapping[str, str]) -> None:
        """Raises TryLater, whatever is wrong with the topic."""
        with put_off("SNS"):
            self._client.publish(
                TopicArn=self._arn,
                Message=json.dumps(body, separators=(",", ":")),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
