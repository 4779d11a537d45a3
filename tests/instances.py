"""Fixtures of tests with real browsers; a conftest.py imports those that its tests ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browserbase import Browserbase
from playwright.sync_api import Playwright, sync_playwright

from tests.platform import Platform, need_chrome, running


@pytest.fixture(autouse=True, scope="session")
def chrome() -> None:
    """Without one, there is nothing to test."""
    need_chrome()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A whole instance with real browsers, shared by a module's tests."""
    with running(tmp_path_factory.mktemp("instance"), concurrency=20) as platform:
        yield platform


@pytest.fixture
def bb(platform: Platform) -> Iterator[Browserbase]:
    """The unmodified SDK, which refuses every answer that is not exactly of its types."""
    with Browserbase(
        base_url=platform.url, api_key=platform.api_key, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright
