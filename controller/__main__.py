"""`python -m controller`: one guest, for the session that the environment names."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

import uvloop

from controller.settings import GuestSettings
from controller.supervisor import Guest
from wallcrawler import log as logs

#: Exit status for settings that are wrong: trying again would not help.
BAD_SETTINGS = 2


def main(settings: GuestSettings, listener: socket.socket | None = None) -> int:
    """Run one guest to its end; returns its exit status. `listener` is its port, where that was taken already."""
    logs.configure(service="guest", fmt=settings.log_format, level=settings.log_level)
    with logs.about(session_id=settings.session_id):
        sock = listener or socket.create_server((settings.host, settings.port), backlog=128)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(settings, sock))


async def _run(settings: GuestSettings, listener: socket.socket) -> int:
    guest = Guest(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, guest.stop)
    return await guest.run(listener)


if __name__ == "__main__":
    try:
        chosen = GuestSettings.from_environment()
    except ValueError as wrong:
        sys.stderr.write(f"controller: {wrong}\n")
        sys.exit(BAD_SETTINGS)
    sys.exit(main(chosen))
