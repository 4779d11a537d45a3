"""A session's assignment, its standing, and what its guest reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

from services.api import bodies, egress
from services.api.answers import Refusal
from services.api.guest.late import in_time
from wallcrawler import log as logs
from wallcrawler import trace
from wallcrawler.assignment import Assignment, Note, Report, Standing
from wallcrawler.lifecycle import Event
from wallcrawler.session import Session
from wallcrawler.wiring import Ports


def add(routes: Blueprint, ports: Ports, speaking: Callable[[str], Session]) -> None:
    @routes.get("/assignment")
    def assignment(session_id: str) -> Response:
        session = speaking(session_id)
        if session.leaving or session.over:
            raise Refusal(410, f"session {session_id} has ended: {session.ended_reason}")
        if session.browser_up_at is not None:
            # It holds proxies' passwords, and a client may find the token beside the browser that it drives.
            raise Refusal(410, f"session {session_id} has been assigned, and its browser is up")
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
                plan=egress.completed(ports.sessions.plan(session_id), ports.settings),
            ).as_wire()
        )

    @routes.get("")
    def standing(session_id: str) -> Response:
        return jsonify(_standing(speaking(session_id)))

    @routes.post("/reports")
    def report(session_id: str) -> Response:
        reporting = speaking(session_id)
        try:
            told = Report.from_wire(bodies.json_object(request))
            facts: dict[str, Any] = {"browser_up_at": ports.clock.now()} if told.event is Event.BROWSER_UP else {}
            with (
                logs.about(session_id=session_id),
                trace.span("guest.report", parent=reporting.traceparent, happened=told.event),
            ):
                session = ports.sessions.advance(
                    session_id,
                    told.event,
                    reason=told.reason,
                    detail=told.detail,
                    proxy_bytes=told.proxy_bytes,
                    **facts,
                )
        except ValueError as wrong:
            raise Refusal(400, f"body: {wrong}") from None
        return jsonify(_standing(session))

    @routes.post("/notes")
    def note(session_id: str) -> Response:
        in_time(speaking(session_id), now=ports.clock.now())
        try:
            told = Note.from_wire(bodies.json_object(request))
        except ValueError as wrong:
            raise Refusal(400, f"body: {wrong}") from None
        with logs.about(session_id=session_id):
            return jsonify(_standing(ports.sessions.note(session_id, told.happened, detail=told.detail)))


def _standing(session: Session) -> dict[str, object]:
    return Standing(session.state, session.ended_reason).as_wire()
