"""The HTTP side: AWS's APIs at `/`, and below `/_localaws/` what only a stand-in has. flask and waitress live here."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import flask
import waitress.server
from pydantic import ValidationError
from waitress import wasyncore

from localaws.api import Api
from localaws.definitions import Json
from localaws.errors import AwsError, StartupError
from localaws.faults import FaultSwitches

#: Bytes of the largest request.
BODY_LIMIT = 1_048_576

#: Seconds that requests have to be answered when the server stops.
STOP_WITHIN = 5


def create_app(
    api: Api, faults: FaultSwitches, *, health: Callable[[], Json], task_logs: Callable[[str, str], bytes]
) -> flask.Flask:
    app = flask.Flask("localaws", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT

    @app.post("/")
    def aws() -> flask.Response:
        answer = api.answer(dict(flask.request.headers), flask.request.get_data())
        return flask.Response(answer.body, answer.status, answer.headers)

    @app.get("/_localaws/health")
    def show_health() -> tuple[Json, int]:
        facts = health()
        return facts, 200 if facts["status"] == "ok" else 503

    @app.get("/_localaws/faults")
    def show_faults() -> Json:
        return faults.now.model_dump()

    @app.post("/_localaws/faults")
    def switch_faults() -> tuple[Json, int]:
        # flask refuses a body that is not declared as JSON, so that a web page can't send one unasked.
        changes = flask.request.get_json()
        try:
            return faults.switch(**changes).model_dump(), 200
        except (ValidationError, TypeError) as wrong:
            return {"error": str(wrong)}, 400

    @app.delete("/_localaws/faults")
    def clear_faults() -> Json:
        return faults.clear().model_dump()

    @app.get("/_localaws/tasks/<task_id>/logs/<container>")
    def show_logs(task_id: str, container: str) -> flask.Response | tuple[Json, int]:
        try:
            return flask.Response(task_logs(task_id, container), mimetype="text/plain")
        except AwsError as unknown:
            return {"error": unknown.message}, 404

    return app


def listening(host: str, port: int) -> socket.socket:
    """Raises StartupError."""
    try:
        return socket.create_server((host, port), backlog=256)
    except OSError as taken:
        raise StartupError(f"LOCALAWS_PORT: {host}:{port} can't be listened on ({taken.strerror})") from None


class Server:
    """The app on a socket, served by threads of this process."""

    def __init__(self, app: flask.Flask, listener: socket.socket, *, threads: int) -> None:
        self._server: Any = waitress.server.create_server(
            app,
            sockets=[listener],
            threads=threads,
            # select() knows no file descriptor above 1023.
            asyncore_use_poll=True,
            ident=None,
        )
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, answer those that are worked on, and close every connection.

        waitress's own `close` leaves its loop running for as long as one client keeps a connection, and pulls the
        loop's files away under it: here that is done in the loop's thread, between two of its rounds.
        """
        self._server.trigger.pull_trigger(partial(wasyncore.dispatcher.close, self._server))
        self._server.task_dispatcher.shutdown(timeout=STOP_WITHIN)
        self._server.trigger.pull_trigger(self._close_connections)
        self._thread.join(STOP_WITHIN)

    def _close_connections(self) -> None:
        """The loop ends when nothing is left for it to watch."""
        for channel in list(self._server.active_channels.values()):
            channel.close_when_flushed = True
        self._server.trigger.close()
