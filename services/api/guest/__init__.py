"""What guests ask and report, a file for each subject; wallcrawler/assignment.py has the wire.

A guest's token speaks for its session alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Blueprint, request

from services.api.answers import Refusal
from services.api.guest import ads, contexts, downloads, extensions, journal, keys, reports
from wallcrawler.session import Session
from wallcrawler.tokens import InvalidToken, Verifier
from wallcrawler.wiring import Ports

#: The session that a guest speaks for, by its id and the request's token. Raises Refusal 401, and NotFound.
Speaking = Callable[[str], Session]

#: Each adds its routes, under /guest/v1/sessions/<session_id>.
SUBJECTS: Final = (ads, contexts, downloads, extensions, journal, keys, reports)


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("guest", __name__, url_prefix="/guest/v1/sessions/<session_id>")
    verifier = Verifier(ports.signer.verify_keys)

    def speaking(session_id: str) -> Session:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal(401, "a guest authenticates with a bearer token")
        try:
            verifier.verify(token, session_id=session_id, audiences=["guest"])
        except InvalidToken as invalid:
            raise Refusal(401, str(invalid)) from None
        return ports.sessions.get(session_id)

    for subject in SUBJECTS:
        subject.add(routes, ports, speaking)
    return routes
