from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from services.embedded import Embedded
from tests.integration.guests import ScriptedFleet
from tests.platform import Platform, running


@pytest.fixture
def fleet() -> ScriptedFleet:
    return ScriptedFleet()


@pytest.fixture
def start(tmp_path: Path, fleet: ScriptedFleet) -> Iterator[Callable[..., Platform]]:
    """Starts the platform on the scripted fleet: real API, Celery and Valkey, and no browser."""
    with ExitStack() as stack:

        def start(kind: type[Embedded] = Embedded, **settings: Any) -> Platform:
            defaults = {"concurrency": 50, "sweep_every": 0.5}
            platform = stack.enter_context(running(tmp_path, fleet=fleet, kind=kind, **defaults | settings))
            fleet.api_url = platform.url
            return platform

        yield start


@pytest.fixture
def platform(start: Callable[..., Platform]) -> Platform:
    return start()
