"""/v1/sessions/{id}/downloads and /v1/downloads: what sessions downloaded, while they live and after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final
from urllib.parse import quote

from flask import Blueprint, Response, g, jsonify, request

from services.api import downloadfilter
from services.api.answers import Refusal, timestamp
from services.api.zipstream import zipped
from wallcrawler.download import Download, parsed
from wallcrawler.errors import NotFound
from wallcrawler.wiring import Ports

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"

#: Bytes that are read and sent at once.
CHUNK: Final = 1 << 18


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("downloads", __name__)
    downloads, blobs = ports.downloads, ports.blobs

    @routes.get("/v1/sessions/<session_id>/downloads")
    def archive(session_id: str) -> Response:
        own(session_id)
        files = ((download.name, download.created_at, download.blob) for download in downloads.of_session(session_id))
        response = Response(zipped(files, blobs), mimetype="application/zip")
        response.headers["Content-Disposition"] = f'attachment; filename="{session_id}.zip"'
        return response

    @routes.delete("/v1/sessions/<session_id>/downloads")
    def delete_all(session_id: str) -> Response:
        own(session_id)
        downloads.delete_all(session_id)
        return Response(status=204)

    @routes.get("/v1/downloads")
    def list_downloads() -> Response:
        wanted = downloadfilter.read(request.args)
        own(wanted.session_id)
        found = [download for download in downloads.of_session(wanted.session_id) if wanted.matches(download)]
        page = found[wanted.offset : wanted.offset + wanted.limit]
        bodies = [download_body(download) for download in page]
        return jsonify(downloads=bodies, total=len(found), limit=wanted.limit, offset=wanted.offset)

    @routes.get("/v1/downloads/<id>")
    def retrieve(id: str) -> Response:
        download = find(id)
        kind = request.accept_mimetypes.best_match([JSON, BYTES])
        if kind is None:
            raise Refusal(406, f"the header Accept must admit {JSON} or {BYTES}")
        answer = jsonify(download_body(download)) if kind == JSON else _bytes(download, blobs.open(download.blob))
        answer.vary.add("Accept")
        return answer

    @routes.delete("/v1/downloads/<id>")
    def delete(id: str) -> Response:
        downloads.delete(find(id))
        return Response(status=204)

    def find(id: str) -> Download:
        """Raises NotFound, also for another project's."""
        place = parsed(id)
        if place is not None:
            try:
                own(place[0])
            except NotFound:
                place = None
        if place is None:
            raise NotFound(f"there is no download {id[:100]}")
        return downloads.get(*place)

    def own(session_id: str) -> None:
        if ports.sessions.get(session_id).project_id != g.project_id:
            raise NotFound(f"there is no session {session_id}")

    return routes


def download_body(download: Download) -> dict[str, Any]:
    return {
        "id": download.id,
        "sessionId": download.session_id,
        "filename": download.name,
        "mimeType": download.mime_type,
        "size": download.size,
        "checksum": download.sha256,
        "createdAt": timestamp(download.created_at),
    }


def _bytes(download: Download, body: IO[bytes]) -> Response:
    response = Response(_chunks(body), mimetype=BYTES)
    response.call_on_close(body.close)
    response.content_length = download.size
    # RFC 6266: the second form is for names beyond ASCII.
    plain = "".join(letter if letter.isascii() and letter not in '"\\' else "_" for letter in download.name)
    response.headers["Content-Disposition"] = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(download.name, safe='')}"
    )
    # A browser that is shown the address must not take it for a page of ours.
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _chunks(body: IO[bytes]) -> Iterator[bytes]:
    while chunk := body.read(CHUNK):
        yield chunk
