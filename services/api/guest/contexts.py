"""Where a guest gets its session's profile from, and where it takes it to.

    GET  /guest/v1/sessions/{id}/context -> {"version", "url", "sha256", "size"}; version null: none yet
    POST /guest/v1/sessions/{id}/context/versions -> {"version", "url"}; a PUT, once
    POST /guest/v1/sessions/{id}/context/versions/{version} {"size", "sha256", "basedOn"} -> {"head"}; may be repeated

410 for the source where the session has ended, 404 where the context was deleted, 403 where the session does not
persist it, 409 where it has done so or has tried too often, 422 where what was uploaded is no good.
What a commit came to is put into the session's history here, so that it is told even if the guest dies of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

from services.api import bodies
from services.api.answers import Refusal
from wallcrawler import log as logs
from wallcrawler.context import Committed
from wallcrawler.contexts import URL_SECONDS, BadUpload, Spent
from wallcrawler.errors import NotFound
from wallcrawler.session import Session
from wallcrawler.wiring import Ports


def add(routes: Blueprint, ports: Ports, speaking: Callable[[str], Session]) -> None:
    contexts = ports.contexts

    @routes.get("/context")
    def source(session_id: str) -> Response:
        session = speaking(session_id)
        if session.over:
            # A guest's token lives longer than its session, and the context goes on changing.
            raise Refusal(410, f"session {session_id} has ended: {session.ended_reason}")
        context = contexts.get(_context_of(session), project_id=session.project_id)
        head = contexts.head(context)
        if head is None:
            return jsonify(version=None)
        url = ports.blobs.url(context.blob(head.number), method="GET", seconds=URL_SECONDS)
        return jsonify(version=head.number, url=url, sha256=head.sha256, size=head.size)

    @routes.post("/context/versions")
    def reserve(session_id: str) -> Response:
        session = persisting(session_id)
        context = contexts.get(_context_of(session), project_id=session.project_id)
        try:
            reserved = contexts.reserve(context.id, project_id=context.project_id, session_id=session_id)
        except Spent as spent:
            raise Refusal(409, str(spent)) from None
        blob = context.blob(reserved.number)
        url = ports.blobs.url(blob, method="PUT", seconds=URL_SECONDS, once=True)
        return jsonify(version=reserved.number, url=url)

    @routes.post("/context/versions/<int:number>")
    def commit(session_id: str, number: int) -> Response:
        session = persisting(session_id)
        told = bodies.read(request, bodies.CommitVersion)
        with logs.about(session_id=session_id):
            try:
                committed = contexts.commit(
                    _context_of(session),
                    number,
                    project_id=session.project_id,
                    session_id=session_id,
                    size=told.size,
                    sha256=told.sha256,
                    based_on=told.based_on,
                )
            except BadUpload as bad:
                raise Refusal(422, str(bad)) from None
            if committed.first:
                happened, detail = _told(committed)
                ports.sessions.note(session_id, happened, detail=detail)
        return jsonify(head=committed.context.head)

    def persisting(session_id: str) -> Session:
        """The session, if it was created to persist a context. Its plan goes when it is over."""
        session = speaking(session_id)
        plan: dict[str, Any] = ports.sessions.plan(session_id).get("context") or {}
        if not plan.get("persist"):
            raise Refusal(403, "the session is over, or persists no context")
        return session


def _context_of(session: Session) -> str:
    if session.context_id is None:
        raise NotFound(f"session {session.id} has no context")
    return session.context_id


def _told(committed: Committed) -> tuple[str, str]:
    version = committed.version
    what = f"version {version.number} of context {version.context_id}, {version.size} bytes"
    if not version.conflicted:
        return "CONTEXT_PERSISTED", what
    since = f"version {version.based_on}" if version.based_on is not None else "an empty profile"
    return (
        "CONTEXT_CONFLICT",
        f"{what}, was kept and is not used: it began with {since}, and version {committed.context.head} is used now; "
        "POST /v1/contexts/{id}/rollback chooses",
    )
