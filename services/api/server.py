"""The API's WSGI server: waitress, a thread for each request that is being worked on.

A create waits for its browser, whose guest may have no other API than this one to report to. So a server that is told
to stop lets no more creates in, serves all else until those that wait have been answered, and closes its socket then.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from functools import partial
from typing import Any, Final

import waitress.server
from flask import Flask, g, request
from waitress import wasyncore

from services.api import health
from services.api.admission import Admission
from services.api.answers import Refusal
from services.api.app import create_app
from services.api.creates import RETRY_AFTER
from services.api.intake import Intake, channel_of
from services.api.limits import Limits
from wallcrawler.wiring import Ports

#: Seconds for which an idle connection is kept open: longer than load balancers keep theirs.
IDLE = 120

#: Seconds at the end for requests beyond the longest wait, and for the last bytes of their answers.
STOP_WITHIN = 5.0

#: The endpoints whose requests wait for browsers.
CREATES: Final = frozenset({"sessions.create", "stagehand.start"})


class Turnstile:
    """Counts the creates that an app works on, and lets no more in from when it is shut."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._inside = 0
        self._moved = threading.Condition()
        app.before_request(self._enter)
        app.teardown_request(self._leave)

    def shut(self, within: float) -> None:
        """Say from now on that the app stops. Returns when no create is left, or after so many seconds."""
        with self._moved:
            self._app.config[health.STOPPING] = True
            self._moved.wait_for(lambda: self._inside == 0, within)

    def _enter(self) -> None:
        """Raises Refusal."""
        if request.endpoint not in CREATES:
            return
        with self._moved:
            if self._app.config.get(health.STOPPING):
                why = "this API is stopping, and nothing was made; ask again in a moment"
                raise Refusal(503, why, {"retry-after": str(RETRY_AFTER)})
            self._inside += 1
        g.inside = True

    def _leave(self, _problem: BaseException | None) -> None:
        # Also called for what was refused before it came in.
        if g.pop("inside", False):
            with self._moved:
                self._inside -= 1
                self._moved.notify_all()


class Server:
    """The API on a socket, served by threads of this process."""

    def __init__(self, ports: Ports, listener: socket.socket) -> None:
        # A create that is cut off is asked for again, and is a second browser then.
        self._patience = ports.settings.create_deadline + STOP_WITHIN
        app = create_app(ports)
        self._turnstile = Turnstile(app)
        self._server: Any = waitress.server.create_server(
            app,
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
        """Answer the creates that wait, then take no more requests, answer those that are worked on, and close every
        connection."""
        until = time.monotonic() + self._patience
        self._turnstile.shut(self._patience)
        self._server.trigger.pull_trigger(partial(wasyncore.dispatcher.close, self._server))
        self._server.task_dispatcher.shutdown(timeout=until - time.monotonic())
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
