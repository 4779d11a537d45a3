"""The time of day, as an argument."""

from __future__ import annotations

import time


class SystemClock:
    def now(self) -> float:
        return time.time()
