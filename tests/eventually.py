"""Waiting for what other threads and processes do, with a deadline that is loud."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable

#: Seconds between looks.
LOOK_EVERY = 0.02


def eventually(holds: Callable[[], object], *, within: float = 5.0) -> None:
    """Return as soon as `holds()` is true. Raises AssertionError, with its source, after `within` seconds."""
    until = time.monotonic() + within
    while not holds():
        if time.monotonic() > until:
            raise AssertionError(f"not within {within:g} s: {inspect.getsource(holds).strip()}")
        time.sleep(LOOK_EVERY)  # the one wait of all tests, so that none of them has its own
