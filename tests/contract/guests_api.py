"""The API, as far as a guest without a browser needs it: it waits, is assigned, reports, and is told why it ends."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from wallcrawler.assignment import Assignment, Standing
from wallcrawler.lifecycle import State
from wallcrawler.tokens import Signer


class GuestsApi(ThreadingHTTPServer):
    """Answers every guest on 127.0.0.1.

    `assigns`: whether guests are given their sessions, and so start Chromium, or are kept waiting. `hears`: whether
    reports are answered; a guest that is not heard takes long to end.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *, assigns: bool = False, hears: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.assigns = assigns
        self.hears = hears
        #: Ids of the sessions whose guests have asked for their assignment.
        self.asked: set[str] = set()
        self.closing = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A guest that was killed hangs up in the middle; that is nothing to print."""

    def assignment(self, session_id: str) -> dict[str, Any]:
        return Assignment(
            session_id=session_id,
            project_id="p",
            viewport=(800, 600),
            keep_alive=True,
            expires_at=time.time() + 600,
            connect_within=600,
            linger=1,
            verify_keys=Signer.generate().verify_keys,
        ).as_wire()


class _Request(BaseHTTPRequestHandler):
    server: GuestsApi

    def do_GET(self) -> None:
        session_id, _, what = self.path.removeprefix("/guest/v1/sessions/").partition("/")
        if what != "assignment":
            self._answer(200, Standing(State.TERMINATING, "released").as_wire())
            return
        self.server.asked.add(session_id)
        if self.server.assigns:
            self._answer(200, self.server.assignment(session_id))
        else:
            self._answer(503, {"message": "not yet"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if not self.server.hears:
            self.server.closing.wait(30)
        self._answer(200, Standing(State.TERMINATING, "released").as_wire())

    def _answer(self, status: int, body: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""
