"""/blobs/: the signed URLs where browsers reach no S3. The signature is the authorisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from flask import Blueprint, Response, request, send_file

from services.api.answers import Refusal
from wallcrawler.errors import Conflict
from wallcrawler.ports import Blobs


@runtime_checkable
class Served(Blobs, Protocol):
    """Blobs whose URLs lead here."""

    def admits(self, name: str, *, method: str, expires: str, signature: str, once: bool = False) -> bool: ...


def blueprint(blobs: Served) -> Blueprint:
    routes = Blueprint("blobs", __name__)

    @routes.route("/blobs/<path:name>", methods=["GET", "PUT"])
    def blob(name: str) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        admit(blobs, name, method, request.args)
        if method == "PUT":
            once = "once" in request.args
            if once and request.headers.get("If-None-Match") != "*":
                raise Refusal(403, "the URL takes requests with If-None-Match: * alone")
            try:
                blobs.put(name, request.stream, once=once)
            except Conflict:
                raise Refusal(412, "there is such a blob already") from None
            return Response(status=204)
        return send_file(blobs.open(name), mimetype="application/octet-stream")

    return routes


def admit(blobs: Served, name: str, method: str, query: Mapping[str, str]) -> None:
    """Raises Refusal where the query is none that was made for this."""
    expires, signature, once = query.get("expires", ""), query.get("signature", ""), "once" in query
    if not blobs.admits(name, method=method, expires=expires, signature=signature, once=once):
        raise Refusal(403, "the URL's signature is wrong or has expired")
