"""What stopping workers leaves behind in their process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from wallcrawler.worker import stop_all


class StopsLikeCelery:
    """Sets the process's default timeout while it stops, and restores what it had found."""

    def __init__(self, together: threading.Barrier, first: bool, left: threading.Event) -> None:
        self._together, self._first, self._left = together, first, left

    def stop(self) -> None:
        found = socket.getdefaulttimeout() if self._first else 5.0
        self._together.wait(5)
        if not self._first:
            self._left.wait(5)
        socket.setdefaulttimeout(found)
        self._left.set()


@pytest.fixture(autouse=True)
def _default() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    yield
    socket.setdefaulttimeout(before)


def test_sockets_wait_as_long_as_before() -> None:
    """Also those that are opened after two workers have stopped at once: one of them restores the other's timeout."""
    together, left = threading.Barrier(2), threading.Event()
    workers: Any = [StopsLikeCelery(together, first, left) for first in (True, False)]

    stop_all(workers)

    assert socket.getdefaulttimeout() is None
