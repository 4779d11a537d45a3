"""What all tests share: how hypothesis looks for counter-examples, and that no test logs into another's stream."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# No deadline for an example, because tests share their machine. In CI always the same examples, so that a change is
# blamed for what it broke and not for its luck; elsewhere new ones each time.
settings.register_profile(
    "wallcrawler",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("wallcrawler")


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A test that sets up logging has a stream that is closed after it; threads of later tests would write there."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
