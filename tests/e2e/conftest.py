from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browserbase import Browserbase

from tests.eventually import eventually
from tests.platform import Platform, need_chrome, running


@pytest.fixture(autouse=True, scope="session")
def _chrome() -> None:
    need_chrome()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A whole instance with real browsers, shared by a module's tests."""
    with running(tmp_path_factory.mktemp("e2e"), concurrency=20) as platform:
        yield platform


@pytest.fixture
def bb(platform: Platform) -> Iterator[Browserbase]:
    """The unmodified SDK, which refuses every answer that is not exactly of its types."""
    with Browserbase(
        base_url=platform.url, api_key=platform.api_key, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


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
