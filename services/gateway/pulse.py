"""What keeps an idle connection open, and what ends one whose other end is gone.

Load balancers and address translators cut what is silent for a minute; a machine that loses its power says nothing.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

#: A server's ping without a payload (RFC 6455, section 5.5.2). Chrome takes no notice of the pong that it gets for it.
PING: Final = b"\x89\x00"

#: Seconds between looks for connections that were silent since the last one. The client's pong is no silence: an idle
#: connection is pinged at every second look.
PING_EVERY: Final = 20.0

#: Seconds of silence after which the kernel asks whether the other host lives, between questions, and how many.
PROBES: Final = (30, 10, 3)

#: Seconds that bytes may wait for a host to take them before it counts as dead. A guest is a machine of ours; a client
#: may be held in a debugger, with a window that fills.
GUEST_DEAD_AFTER: Final = 60
CLIENT_DEAD_AFTER: Final = 300


def keep_alive(transport: asyncio.BaseTransport, *, dead_after: int) -> None:
    """Have the kernel end the connection when the host at its other end is gone."""
    sock: socket.socket = transport.get_extra_info("socket")
    idle, every, count = PROBES
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, every)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, dead_after * 1000)
