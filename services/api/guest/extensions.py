"""Where a session's guest gets the extensions that its plan names.

GET /guest/v1/sessions/{id}/extensions/{extensionId}  -> {"url", "size"}   404 for one that is not planned, or deleted
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response, jsonify

from wallcrawler.errors import NotFound
from wallcrawler.session import Session
from wallcrawler.wiring import Ports

#: Seconds for which a URL works: a download begins at once, and may take the create's whole deadline.
URL_SECONDS: Final = 60.0


def add(routes: Blueprint, ports: Ports, speaking: Callable[[str], Session]) -> None:
    @routes.get("/extensions/<extension_id>")
    def extension(session_id: str, extension_id: str) -> Response:
        session = speaking(session_id)
        planned = ports.sessions.plan(session_id).get("extensions", ())
        if extension_id not in {one["id"] for one in planned}:
            raise NotFound(f"session {session_id} has no extension {extension_id[:64]}")
        found = ports.extensions.get(session.project_id, extension_id)
        return jsonify(url=ports.extensions.url(found, seconds=URL_SECONDS), size=found.size)
