"""A clock for tests that must not wait for hours."""

from __future__ import annotations

import time


class MovableClock:
    """The system's clock, with a number of seconds added."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead
