"""Recordings and replays of a session. No session has any: the lists are empty, and what would need one is refused."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from flask import Blueprint, Response, g, jsonify

from services.api.answers import Refusal
from wallcrawler.errors import NotFound
from wallcrawler.session import Session
from wallcrawler.wiring import Ports

_PAGE: Final = re.compile(r"[0-9]{1,3}", re.ASCII)


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("recordings", __name__)

    @routes.get("/v1/sessions/<session_id>/recording")
    def recording(session_id: str) -> Response:
        own(session_id)
        return jsonify([])

    @routes.get("/v1/sessions/<session_id>/replays")
    def replays(session_id: str) -> Response:
        own(session_id)
        return jsonify(pageCount=0, pages=[])

    @routes.get("/v1/sessions/<session_id>/replays/<page_id>")
    def replay(session_id: str, page_id: str) -> NoReturn:
        if not _PAGE.fullmatch(page_id):
            raise Refusal(400, "params/pageId must match pattern ^\\d+$, and have at most 3 characters")
        raise NotFound(f"session {own(session_id).id} has no replay of page {page_id}")

    @routes.route("/v1/sessions/<session_id>/recording/downloads", methods=["GET", "POST"])
    def downloads(session_id: str) -> NoReturn:
        raise Refusal(422, f"session {own(session_id).id} was not recorded: this server records no sessions")

    def own(session_id: str) -> Session:
        session = ports.sessions.get(session_id)
        if session.project_id != g.project_id:
            raise NotFound(f"there is no session {session_id}")
        return session

    return routes
