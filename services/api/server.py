"""The API's WSGI server: waitress, a thread for each request that is being worked on."""

from __future__ import annotations

import socket
import sys
import threading
from functools import partial
from typing import Any

import waitress.server
from waitress import wasyncore

from services.api.admission import Admission
from services.api.app import create_app
from services.api.intake import Intake, channel_of
from services.api.limits import Limits
from wallcrawler.wiring import Ports

#: Seconds for which an idle connection is kept open: longer than load balancers keep theirs.
IDLE = 120

#: Seconds at the end for requests beyond the longest wait, and for the last bytes of their answers.
STOP_WITHIN = 5.0


class Server:
    """The API on a socket, served by threads of this process."""

    def __init__(self, ports: Ports, listener: socket.socket) -> None:
        # A create that is cut off is asked for again, and is a second browser then.
        self._patience = ports.settings.create_deadline + STOP_WITHIN
        self._server: Any = waitress.server.create_server(
            create_app(ports),
            sockets=[listener],
            # Fetches wait for others' servers, and have threads besides those that all else is done by.
            threads=ports.settings.api_threads + ports.settings.fetch_threads,
            connection_limit=1000 + ports.settings.api_threads,
            channel_timeout=IDLE,
            # select() knows no file descriptor above 1023.
            asyncore_use_poll=True,
            # Each route has a limit of its own, which the channel knows.
            max_request_body_size=sys.maxsize,
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
        self._intake = Intake(Limits(ports.settings), Admission(ports))
        self._server.channel_class = channel_of(self._intake)
        self._thread = threading.Thread(target=self._server.run, name="api", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, answer those that are worked on, and close every connection."""
        self._server.trigger.pull_trigger(partial(wasyncore.dispatcher.close, self._server))
        self._server.task_dispatcher.shutdown(timeout=self._patience)
        self._server.trigger.pull_trigger(self._close_connections)
        self._thread.join(STOP_WITHIN)
        self._intake.stop()
        # Not before: a pull writes to its pipe, whose number would be somebody else's by then.
        self._server.trigger.close()

    def _close_connections(self) -> None:
        """On the server's own thread, which ends when nothing is left for it to watch."""
        for channel in list(self._server.active_channels.values()):
            channel.close_when_flushed = True
        self._server.trigger.del_channel()
