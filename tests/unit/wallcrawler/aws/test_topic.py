"""SnsTopic: JSON, with attributes that subscriptions can filter by."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from wallcrawler.aws.clients import Clients
from wallcrawler.aws.topic import SnsTopic
from wallcrawler.errors import TryLater

Script = Callable[[Any], Stubber]

ARN = "arn:aws:sns:us-west-2:111122223333:wallcrawler-session-ready"
BODY = {"sessionId": "s-1", "status": "RUNNING", "keepAlive": False, "createdAt": 1.5}


def test_a_notice_is_published_with_its_attributes(aws: Clients, stubbed: Script) -> None:
    """As strings, which is what filter policies match."""
    stubbed(aws.sns).add_response(
        "publish",
        {"MessageId": "m"},
        {
            "TopicArn": ARN,
            "Message": json.dumps(BODY, separators=(",", ":")),
            "MessageAttributes": {
                "sessionId": {"DataType": "String", "StringValue": "s-1"},
                "eventType": {"DataType": "String", "StringValue": "ready"},
            },
        },
    )

    SnsTopic(aws.sns, ARN).publish(BODY, attributes={"sessionId": "s-1", "eventType": "ready"})


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("Throttled", 429),
        ("InternalError", 500),
        ("KMSThrottling", 400),
        ("AuthorizationError", 403),
        ("NotFound", 404),
    ],
)
def test_a_topic_that_is_of_no_use_is_to_be_tried_later(aws: Clients, stubbed: Script, code: str, status: int) -> None:
    """At least once is a promise."""
    stubbed(aws.sns).add_client_error("publish", code, http_status_code=status)

    with pytest.raises(TryLater):
        SnsTopic(aws.sns, ARN).publish(BODY, attributes={"eventType": "ready"})
