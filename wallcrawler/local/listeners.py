"""The ports of this machine on which this process and everything that it started listens."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import lru_cache
from typing import Final

import psutil

#: Seconds for which an answer holds: all processes have to be looked at for one.
FRESH: Final = 1.0


def own_ports() -> frozenset[int]:
    """TCP ports, as of at most FRESH seconds ago. Of a process that is just ending there may be none."""
    return _ports(int(time.monotonic() / FRESH))


@lru_cache(maxsize=1)
def _ports(_moment: int) -> frozenset[int]:
    me = psutil.Process()
    ports: set[int] = set()
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            listening = (one for one in process.net_connections(kind="tcp") if one.status == psutil.CONN_LISTEN)
            ports.update(one.laddr.port for one in listening)
    return frozenset(ports)
