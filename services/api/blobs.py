"""/blobs/: the signed URLs of a machine without S3. The signature is the authorisation."""

from __future__ import annotations

from flask import Blueprint, Response, request, send_file

from services.api.answers import Refusal
from wallcrawler.local.blobs import DirectoryBlobs


def blueprint(blobs: DirectoryBlobs) -> Blueprint:
    routes = Blueprint("blobs", __name__)

    @routes.route("/blobs/<path:name>", methods=["GET", "PUT"])
    def blob(name: str) -> Response:
        expires, signature = request.args.get("expires", ""), request.args.get("signature", "")
        method = "GET" if request.method == "HEAD" else request.method
        if not blobs.admits(name, method=method, expires=expires, signature=signature):
            raise Refusal(403, "the URL's signature is wrong or has expired")
        if method == "PUT":
            blobs.put(name, request.stream)
            return Response(status=204)
        return send_file(blobs.open(name), mimetype="application/octet-stream")

    return routes
