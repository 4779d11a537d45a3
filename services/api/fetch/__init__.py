"""POST /v1/fetch: one page without a browser, under the rules that sessions have for what may be reached."""

from __future__ import annotations

import uuid

from flask import Blueprint, Response, g, jsonify, request

from services.api import bodies
from services.api.answers import Refusal, triple
from services.api.fetch.content import Unsuitable, content_of, headers_of
from services.api.fetch.fetching import Fetching
from wallcrawler.wiring import Ports


def blueprint(ports: Ports, *, fetching: Fetching | None = None) -> Blueprint:
    routes = Blueprint("fetch", __name__)
    fetching = fetching or Fetching(ports.settings)

    @routes.before_request
    def begin() -> None:
        g.fetch_id = str(uuid.uuid4())

    @routes.post("/v1/fetch")
    def fetch() -> Response:
        wish = bodies.read(request, bodies.Fetch)
        with fetching.place():
            fetched = fetching.fetch(wish)
            try:
                content = content_of(fetched, wish.format)
            except Unsuitable as unsuitable:
                raise Refusal(400, str(unsuitable)) from None
        return jsonify(
            id=g.fetch_id,
            statusCode=fetched.status,
            headers=headers_of(fetched),
            content=content.content,
            contentType=content.type,
            encoding=content.encoding,
        )

    @routes.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        """The triple, and the fetch's id; who was not let in has none."""
        id = {"id": g.fetch_id} if "fetch_id" in g else {}
        return triple(refusal.status, refusal.message, refusal.headers, **id)

    return routes
