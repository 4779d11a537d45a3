"""The ports of this machine on which this process and everything that it started listens."""

from __future__ import annotations

from contextlib import suppress

import psutil


def own_ports() -> frozenset[int]:
    """TCP ports, now. Of a process that is just ending there may be none."""
    me = psutil.Process()
    ports: set[int] = set()
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            listening = (one for one in process.net_connections(kind="tcp") if one.status == psutil.CONN_LISTEN)
            ports.update(one.laddr.port for one in listening)
    return frozenset(ports)
