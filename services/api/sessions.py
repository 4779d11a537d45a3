"""/v1/sessions."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify, request

from services.api import bodies, metadata, pages, waiting
from services.api.answers import Refusal, entry_body, session_body
from services.api.creates import Creates, not_applied
from services.api.debug import live_urls
from wallcrawler import lifecycle
from wallcrawler import log as logs
from wallcrawler.errors import NotFound
from wallcrawler.lifecycle import State
from wallcrawler.session import Session
from wallcrawler.wiring import Ports

STATUSES = ("PENDING", "RUNNING", "ERROR", "TIMED_OUT", "COMPLETED")


def blueprint(ports: Ports, creates: Creates) -> Blueprint:
    routes = Blueprint("sessions", __name__)
    cursors = pages.Cursors(ports.signer)

    @routes.post("/v1/sessions")
    def create() -> tuple[Response, int]:
        wish = bodies.read(request, bodies.CreateSession)
        project = ports.catalog.project(own_project(wish.project_id))
        session = creates.create(wish, project, idempotency_key=request.headers.get("Idempotency-Key"))
        response = jsonify(session_body(session, ports.links))
        if ignored := not_applied(wish):
            response.headers["x-wallcrawler-not-applied"] = ", ".join(ignored)
        return response, 201

    @routes.get("/v1/sessions")
    def list_sessions() -> Response:
        wanted = request.args.get("status")
        if wanted and wanted not in STATUSES:
            raise Refusal(400, f"querystring/status must be equal to one of the allowed values: {', '.join(STATUSES)}")
        states = set(lifecycle.states_of(wanted)) if wanted else set(State)
        matches = metadata.matching(q) if (q := request.args.get("q")) else lambda _: True
        try:
            found, following = ports.sessions.page(
                g.project_id,
                limit=pages.limit(request),
                cursor=cursors.given_to(request),
                wanted=(lambda one: one.state in states and matches(one.user_metadata)) if wanted or q else None,
            )
        except ValueError:
            raise pages.foreign() from None
        answer = jsonify([session_body(session, ports.links) for session in found])
        if following is not None:
            answer.headers["Link"] = cursors.link(request, following)
        return answer

    @routes.get("/v1/sessions/<session_id>")
    def retrieve(session_id: str) -> Response:
        return jsonify(session_body(own(session_id), ports.links))

    @routes.post("/v1/sessions/<session_id>")
    def update(session_id: str) -> Response:
        session = own(session_id)
        wish = bodies.read(request, bodies.UpdateSession)
        own_project(wish.project_id)
        with logs.about(session_id=session_id):
            session = waiting.released(
                session,
                sessions=ports.sessions,
                bell=ports.bell,
                jobs=ports.jobs,
                clock=ports.clock,
                within=ports.settings.release_wait,
                detail="asked for by REQUEST_RELEASE",
            )
        return jsonify(session_body(session, ports.links))

    @routes.get("/v1/sessions/<session_id>/debug")
    def debug(session_id: str) -> Response:
        return jsonify(live_urls(own(session_id), ports.links, request.args.get("expiresIn"), now=ports.clock.now()))

    @routes.get("/v1/sessions/<session_id>/events")
    def events(session_id: str) -> Response:
        own(session_id)
        return jsonify([entry_body(entry) for entry in ports.sessions.history(session_id)])

    def own(session_id: str) -> Session:
        """The session, if it is the caller's; another project's is not there at all."""
        session = ports.sessions.get(session_id)
        if session.project_id != g.project_id:
            raise NotFound(f"there is no session {session_id}")
        return session

    return routes


def own_project(named: str | None) -> str:
    """The caller's project, which a body may name and not choose."""
    if named is not None and named != g.project_id:
        raise Refusal(403, "body/projectId is not the project of this API key")
    return str(g.project_id)
