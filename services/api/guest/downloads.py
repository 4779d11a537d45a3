"""Where a guest puts the files that its browser downloaded.

POST   /guest/v1/sessions/{id}/downloads           {"name", "size"} -> {"number", "url"}
                                                   413 where a limit is reached, which the message names
PUT    /guest/v1/sessions/{id}/downloads/{number}  {"size", "sha256"} -> {"name"}   the bytes are there now; else 422
DELETE /guest/v1/sessions/{id}/downloads/{number}  -> {}                            they will not be
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from services.api import bodies
from services.api.answers import NO_RETRY, Refusal
from wallcrawler import log as logs
from wallcrawler.downloads import NotAsSaid, Room, TooMuch
from wallcrawler.session import Session
from wallcrawler.wiring import Ports

log = logs.get()

#: Seconds for which the URL works that takes the bytes.
URL_SECONDS: Final = 600.0

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def add(routes: Blueprint, ports: Ports, speaking: Callable[[str], Session]) -> None:
    settings, downloads = ports.settings, ports.downloads
    room = Room(limit=settings.download_limit, total=settings.download_total, count=settings.download_count)

    @routes.post("/downloads")
    def expect(session_id: str) -> Response:
        session = speaking(session_id)
        if session.over:
            raise Refusal(410, f"session {session_id} has ended: {session.ended_reason}")
        told = bodies.json_object(request)
        name, size = told.get("name"), _size(told)
        if not isinstance(name, str) or not name:
            raise Refusal(400, "body/name must be string")
        try:
            download = downloads.expect(session, name=name, size=size, room=room)
        except TooMuch as full:
            raise Refusal(413, str(full), NO_RETRY) from None
        url = ports.blobs.url(download.blob, method="PUT", seconds=URL_SECONDS, once=True)
        return jsonify(number=download.number, url=url)

    @routes.put("/downloads/<int:number>")
    def keep(session_id: str, number: int) -> Response:
        speaking(session_id)
        told = bodies.json_object(request)
        sha256 = told.get("sha256")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise Refusal(400, "body/sha256 must be 64 hexadecimal digits")
        with logs.about(session_id=session_id):
            try:
                download = downloads.keep(session_id, number, size=_size(told), sha256=sha256)
            except NotAsSaid as wrong:
                raise Refusal(422, str(wrong), NO_RETRY) from None
            log.info("download.kept", download=download.id, size=download.size)
        return jsonify(name=download.name)

    @routes.delete("/downloads/<int:number>")
    def give_up(session_id: str, number: int) -> Response:
        speaking(session_id)
        downloads.give_up(session_id, number)
        return jsonify({})


def _size(told: dict[str, Any]) -> int:
    size = told.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Refusal(400, "body/size must be an integer >= 0")
    return size
