"""/openapi.json and /docs: the API as a document, for programs and for people. No key is needed, and no other site."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from services.api.openapi.manual import POLICY, page
from services.api.openapi.specification import document
from wallcrawler.wiring import Ports


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(document(where()))

    @routes.get("/docs")
    def docs() -> Response:
        return Response(
            page(document(where())),
            content_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": POLICY},
        )

    def where() -> str:
        return ports.settings.api_url or request.host_url

    return routes
