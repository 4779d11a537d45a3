from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platform import Platform, need_chrome, running


@pytest.fixture(autouse=True, scope="session")
def _chrome() -> None:
    need_chrome()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A whole instance with real browsers and room for ten of them."""
    with running(tmp_path_factory.mktemp("chaos"), concurrency=10) as platform:
        yield platform
