from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.eventually import eventually
from tests.instances import bb, chrome, platform, playwright
from tests.platform import Platform

__all__ = ["bb", "chrome", "platform", "playwright"]


@pytest.fixture
def create(platform: Platform) -> Iterator[Callable[..., dict[str, Any]]]:
    """Creates sessions that stay, and that are released and gone after the test."""
    created: list[str] = []

    def create(**body: Any) -> dict[str, Any]:
        session = platform.create(**body, keepAlive=True)
        created.append(session["id"])
        return session

    yield create
    for session_id in created:
        platform.release(session_id)
    eventually(lambda: all(platform.ended(session_id) for session_id in created), within=20)
