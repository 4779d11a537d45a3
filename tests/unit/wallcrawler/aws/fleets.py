"""A fleet on clients whose answers are written down, and events as it gets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.stub import Stubber

from tests.characters.sources import Feed
from tests.unit.wallcrawler.aws.tellings import TOKEN, an_event
from wallcrawler.aws.clients import Clients
from wallcrawler.aws.events import trimmed
from wallcrawler.aws.fleet import EcsFleet
from wallcrawler.ports import Launch

Script = Callable[[Any], Stubber]

CLUSTER, FAMILY = "wallcrawler-browsers", "wallcrawler-browser"
LAUNCH = Launch("s-1", guest_token=TOKEN)


def fleet_of(aws: Clients, **settings: Any) -> EcsFleet:
    common: dict[str, Any] = {
        "cluster": CLUSTER,
        "task_definition": FAMILY,
        "container": "browser",
        "subnets": ["subnet-1", "subnet-2"],
        "security_groups": ["sg-1"],
        "environment": {"WALLCRAWLER_API_URL": "https://api.example.com"},
        "source": Feed(),
    }
    return EcsFleet(aws.ecs, aws.ec2, **common | settings)


def body_of(**fields: Any) -> dict[str, Any]:
    body = trimmed(an_event(**fields), cluster=CLUSTER, family=FAMILY)
    assert body is not None
    return body
