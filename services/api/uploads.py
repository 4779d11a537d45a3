"""/v1/sessions/{id}/uploads: files for the browser, put where it can read them.

The bytes go on to the session's guest, which keeps them as long as the session lives; nothing is stored here.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

from flask import Blueprint, Response, g, jsonify, request

from services.api import bodies
from services.api.answers import NO_RETRY, Refusal
from wallcrawler import log as logs
from wallcrawler.errors import NotFound
from wallcrawler.filename import safe
from wallcrawler.session import Session
from wallcrawler.wiring import Ports

log = logs.get()

#: Seconds for which a guest may not take, or not say, anything.
GUEST_WITHIN = 30.0

#: Seconds for which the token is good that opens the guest for one file.
TOKEN_FOR = 60.0

#: Bytes that are sent at once, and of the longest answer.
CHUNK = 1 << 18
ANSWER = 65_536


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("uploads", __name__)

    @routes.post("/v1/sessions/<session_id>/uploads")
    def upload(session_id: str) -> Response:
        session = ports.sessions.get(session_id)
        if session.project_id != g.project_id:
            raise NotFound(f"there is no session {session_id}")
        if session.starting:
            raise Refusal(409, f"session {session.id} is still starting", NO_RETRY)
        if not session.connectable:
            raise Refusal(410, f"session {session.id} has ended: {session.ended_reason}")
        file = bodies.multipart_file(request, limit=ports.settings.upload_limit)
        with logs.about(session_id=session_id):
            kept = _put(session, file, ports)
            log.info("upload.kept", size=file.size)
        return jsonify({"message": "File uploaded successfully", **kept, "size": file.size})

    return routes


def _put(session: Session, file: bodies.File, ports: Ports) -> dict[str, str]:
    """What the guest says of the file: its `name` and `path` there. Raises Refusal."""
    try:
        status, told = _exchange(session, file, ports)
        if status == 413:
            raise Refusal(413, f"body/file is too much: {told['message']}")
        if status != 200:
            raise ValueError(status)
        return {"name": str(told["name"]), "path": str(told["path"])}
    except (OSError, http.client.HTTPException, ValueError, TypeError, LookupError) as broken:
        if not (session := ports.sessions.get(session.id)).connectable:
            raise Refusal(410, f"session {session.id} has ended: {session.ended_reason}") from None
        log.warning("upload.failed", why=repr(broken))
        raise Refusal(502, f"the browser of session {session.id} took no file: {type(broken).__name__}") from None


def _exchange(session: Session, file: bodies.File, ports: Ports) -> tuple[int, dict[str, Any]]:
    """The guest's answer. Raises OSError, HTTPException, and ValueError for one that is not JSON."""
    settings, links = ports.settings, ports.links
    limits = {"total": settings.upload_total, "count": settings.upload_count}
    target = f"/control/uploads/{quote(safe(file.name), safe='')}?{urlencode(limits)}"
    token = links.token(session, "control", seconds=TOKEN_FOR, now=ports.clock.now())
    place = urlsplit(links.inside(session))
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=GUEST_WITHIN)
    try:
        headers = {"x-bb-signing-key": token, "content-length": str(file.size)}
        connection.request("PUT", target, body=_pieces(file.body), headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(json.loads(answer.read(ANSWER)))
    finally:
        connection.close()


def _pieces(body: IO[bytes]) -> Iterator[bytes]:
    while piece := body.read(CHUNK):
        yield piece
