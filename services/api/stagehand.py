"""POST /v1/sessions/start: what Stagehand 3 asks of its own service before it asks for a session.

    {"browserbaseSessionCreateParams"?, "browserbaseSessionID"?, ...}
    -> 200 {"success": true, "data": {"sessionId": ID, "available": false}}
    -> 4xx, 5xx {"success": false, "message": TEXT}

`available` says whether the service would also think for the client. This one does not: Stagehand then drives the
session by itself, with its user's own model key. With STAGEHAND_API_URL set to this server it works as it is.
"""

from __future__ import annotations

import json

from flask import Blueprint, Response, g, jsonify, request

from services.api import bodies
from services.api.answers import NO_RETRY, Refusal
from services.api.creates import Creates
from services.api.sessions import own_project
from wallcrawler.errors import NotFound
from wallcrawler.session import Session
from wallcrawler.wiring import Ports


def blueprint(ports: Ports, creates: Creates) -> Blueprint:
    routes = Blueprint("stagehand", __name__)

    @routes.post("/v1/sessions/start")
    def start() -> Response:
        wish = bodies.read(request, bodies.StartSession)
        own_project(request.headers.get("x-bb-project-id") or None)
        session = existing(wish.session_id) if wish.session_id else created(wish.params)
        return jsonify(success=True, data={"sessionId": session.id, "available": False})

    def created(params: bodies.CreateSession) -> Session:
        project = ports.catalog.project(own_project(params.project_id))
        return creates.create(params, project, idempotency_key=request.headers.get("Idempotency-Key"))

    def existing(session_id: str) -> Session:
        """One that can be connected to. Raises NotFound, Refusal."""
        session = ports.sessions.get(session_id)
        if session.project_id != g.project_id:
            raise NotFound(f"there is no session {session_id}")
        if session.starting:
            raise Refusal(409, f"session {session_id} is still starting", NO_RETRY)
        if not session.connectable:
            raise Refusal(410, f"session {session_id} has ended: {session.ended_reason}", NO_RETRY)
        return session

    @routes.after_request
    def in_its_own_words(response: Response) -> Response:
        """Errors are the same as everywhere, and in the shape that Stagehand reads."""
        if response.status_code >= 400:
            message = json.loads(response.get_data())["message"]
            response.set_data(json.dumps({"success": False, "message": message}))
        return response

    return routes
