"""What all tests share: how hypothesis looks for counter-examples."""

from __future__ import annotations

import os

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
