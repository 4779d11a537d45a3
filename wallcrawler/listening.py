"""The socket of a service, taken before anything else starts."""

from __future__ import annotations

import socket

from wallcrawler.errors import SettingsError

#: Connections that may wait to be accepted.
BACKLOG = 1024


def listening(host: str, port: int) -> socket.socket:
    """A listening socket. Raises SettingsError where the port is taken or the address is none of this machine."""
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as taken:
        raise SettingsError(
            f"WALLCRAWLER_PORT: {host}:{port} can't be listened on ({taken.strerror}); set another port, or 0 for any"
        ) from None
