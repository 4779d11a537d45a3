"""Where a guest puts its session's log away: POST /guest/v1/sessions/{id}/journal, a chunk of wallcrawler.journal."""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request

from services.api import journals
from services.api.answers import Refusal
from services.api.guest.late import in_time
from wallcrawler.journal import Chunk
from wallcrawler.session import Session
from wallcrawler.wiring import Ports


def add(routes: Blueprint, ports: Ports, speaking: Callable[[str], Session]) -> None:
    @routes.post("/journal")
    def journal(session_id: str) -> Response:
        session = in_time(speaking(session_id), now=ports.clock.now())
        try:
            chunk = Chunk.from_wire(json.loads(request.get_data(), parse_constant=_no_constant))
        except (ValueError, RecursionError) as wrong:
            raise Refusal(400, f"body: {wrong}") from None
        journals.keep(chunk, session.id, blobs=ports.blobs)
        return jsonify({})


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
