"""Faults that a test or a demonstration switches on, while localaws runs.

Each is something that the real AWS does: events that come twice, late, in another order or not at all; no capacity;
throttling; tasks that take long to start.
"""

from __future__ import annotations

import threading
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """Which faults are on. As it stands, none is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duplicate: Annotated[int, Field(ge=0, le=100, description="Further copies of each event.")] = 0
    delay: Annotated[float, Field(ge=0, le=900, description="Seconds by which events come late.")] = 0.0
    reorder: Annotated[bool, Field(description="Each event of a task waits, 2 s at most, for the next.")] = False
    drop: Annotated[tuple[str, ...], Field(description="Events with these values of lastStatus never come.")] = ()
    run_task_failure: Annotated[
        str | None, Field(description="The reason that RunTask gives in failures[] instead of starting a task.")
    ] = None
    throttle: Annotated[int, Field(ge=0, description="This many calls are refused, then no more.")] = 0
    slow_start: Annotated[float, Field(ge=0, le=900, description="Seconds that a task stays PENDING.")] = 0.0


class FaultSwitches:
    """The faults that are on now, for all threads."""

    def __init__(self) -> None:
        self._faults = Faults()
        self._lock = threading.Lock()

    @property
    def now(self) -> Faults:
        return self._faults

    def switch(self, **changes: Any) -> Faults:
        """Change those named, leave the others. Raises pydantic's ValidationError and changes nothing."""
        with self._lock:
            self._faults = Faults.model_validate(self._faults.model_dump() | changes)
            return self._faults

    def clear(self) -> Faults:
        with self._lock:
            self._faults = Faults()
            return self._faults

    def take_throttle(self) -> bool:
        """Whether this call is one of those to refuse."""
        with self._lock:
            left = self._faults.throttle
            if left:
                self._faults = self._faults.model_copy(update={"throttle": left - 1})
            return left > 0
