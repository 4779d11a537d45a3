"""Whether an API key opens a session: asked by guests for callers that have no signing key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from services.api import bodies
from services.api.answers import NO_RETRY, Refusal
from wallcrawler.errors import NotFound
from wallcrawler.session import Session
from wallcrawler.wiring import Ports

#: Characters of the longest API key that is looked for.
LONGEST: Final = 512


def add(routes: Blueprint, ports: Ports, speaking: Callable[[str], Session]) -> None:
    @routes.post("/signing-key")
    def signing_key(session_id: str) -> Response:
        """The key that the project's own create was answered with; 403 for whoever is not of the project."""
        session = speaking(session_id)
        if not _opens(bodies.json_object(request).get("apiKey"), session):
            # The same for a key that is unknown and for somebody else's: a guest has no need to tell them apart.
            raise Refusal(403, "the API key does not open this session", NO_RETRY)
        if not session.connectable:
            raise Refusal(410, f"the session has ended: {session.ended_reason}", NO_RETRY)
        return jsonify(signingKey=ports.links.signing_key(session))

    def _opens(key: Any, session: Session) -> bool:
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST:
            return False
        try:
            return ports.catalog.owner_of(key).project_id == session.project_id
        except NotFound:
            return False
