"""Clocks."""

from __future__ import annotations


class HandClock:
    """Stands still until a test moves its hands."""

    def __init__(self, at: float = 4_000_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def forward(self, seconds: float) -> float:
        self.at += seconds
        return self.at
