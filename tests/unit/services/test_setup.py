"""Waiting for what stands in for AWS, whose containers start beside the set-up's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from services import setup
from wallcrawler.aws.clients import Clients
from wallcrawler.errors import SettingsError

SILENT = EndpointConnectionError(endpoint_url="http://ministack:4566")
FORBIDDEN = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not you"}}, "ListClusters")


def stand_ins(*of_ecs: Exception) -> tuple[Clients, list[str]]:
    """Clients of which ECS fails like this, one time each, and what was asked of them."""
    asked, failures = [], list(of_ecs)

    def list_tables(**_: Any) -> dict[str, Any]:
        asked.append("DynamoDB")
        return {}

    def list_clusters(**_: Any) -> dict[str, Any]:
        asked.append("ECS")
        if failures:
            raise failures.pop(0)
        return {}

    dynamodb, ecs = SimpleNamespace(list_tables=list_tables), SimpleNamespace(list_clusters=list_clusters)
    return cast(Clients, SimpleNamespace(dynamodb=dynamodb, ecs=ecs)), asked


def test_it_goes_on_when_both_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "LOOKED_EVERY", 0)
    aws, asked = stand_ins(SILENT, SILENT)

    setup.wait_for(aws)

    assert asked == ["DynamoDB", "ECS"] * 3


def test_one_that_stays_silent_is_named_with_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "LOOKED_EVERY", 0)
    monkeypatch.setattr(setup, "STARTED_WITHIN", 0)
    aws, _ = stand_ins(*[SILENT] * 1000)

    with pytest.raises(SettingsError, match=r"AWS_ENDPOINT_URL.*ECS"):
        setup.wait_for(aws)


def test_one_that_refuses_is_not_waited_for() -> None:
    """It has started, and would refuse for ever."""
    aws, asked = stand_ins(FORBIDDEN)

    with pytest.raises(Exception, match="AccessDenied"):
        setup.wait_for(aws)

    assert asked == ["DynamoDB", "ECS"]
