"""What guests ask and report; wallcrawler/assignment.py has the wire. A guest's token speaks for its session alone."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from services.api import bodies
from services.api.answers import Refusal
from wallcrawler import log as logs
from wallcrawler import trace
from wallcrawler.assignment import Assignment, Report, Standing
from wallcrawler.lifecycle import Event
from wallcrawler.session import Session
from wallcrawler.tokens import InvalidToken, Verifier
from wallcrawler.wiring import Ports


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("guest", __name__, url_prefix="/guest/v1/sessions/<session_id>")
    verifier = Verifier(ports.signer.verify_keys)

    @routes.get("/assignment")
    def assignment(session_id: str) -> Response:
        session = authenticated(session_id)
        if session.leaving or session.over:
            raise Refusal(410, f"session {session_id} has ended: {session.ended_reason}")
        return jsonify(
            Assignment(
                session_id=session.id,
                project_id=session.project_id,
                viewport=session.viewport,
                keep_alive=session.keep_alive,
                expires_at=session.ends_at,
                connect_within=session.connect_within,
                linger=session.linger,
                verify_keys=ports.signer.verify_keys,
                ignore_certificate_errors=bool(session.browser_settings.get("ignoreCertificateErrors")),
            ).as_wire()
        )

    @routes.get("")
    def standing(session_id: str) -> Response:
        return jsonify(_standing(authenticated(session_id)))

    @routes.post("/reports")
    def report(session_id: str) -> Response:
        reporting = authenticated(session_id)
        try:
            told = Report.from_wire(bodies.json_object(request))
            facts: dict[str, Any] = {"browser_up_at": ports.clock.now()} if told.event is Event.BROWSER_UP else {}
            with (
                logs.about(session_id=session_id),
                trace.span("guest.report", parent=reporting.traceparent, happened=told.event),
            ):
                session = ports.sessions.advance(
                    session_id, told.event, reason=told.reason, detail=told.detail, **facts
                )
        except ValueError as wrong:
            raise Refusal(400, f"body: {wrong}") from None
        return jsonify(_standing(session))

    def authenticated(session_id: str) -> Session:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal(401, "a guest authenticates with a bearer token")
        try:
            verifier.verify(token, session_id=session_id, audiences=["guest"])
        except InvalidToken as invalid:
            raise Refusal(401, str(invalid)) from None
        return ports.sessions.get(session_id)

    return routes


def _standing(session: Session) -> dict[str, object]:
    return Standing(session.state, session.ended_reason).as_wire()
