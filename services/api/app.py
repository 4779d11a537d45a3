"""The Flask app: who may ask, what goes wrong, and which routes there are."""

from __future__ import annotations

import time
import uuid

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from services.api import (
    blobs,
    certificates,
    contexts,
    downloads,
    extensions,
    fetch,
    guest,
    health,
    openapi,
    projects,
    recordings,
    sessions,
    stagehand,
    unserved,
    uploads,
)
from services.api import logs as session_logs
from services.api.admission import project_of
from services.api.answers import NO_RETRY, UNSERVED, Refusal, triple
from services.api.creates import Creates
from services.api.limits import Limits
from wallcrawler import log as logs
from wallcrawler.errors import NotFound, TryLater, WallcrawlerError
from wallcrawler.wiring import Ports

log = logs.get()

#: Routes without an API key: the health of the process, its documentation, and what authenticates itself by a token or
#: a signature.
OPEN_BLUEPRINTS = frozenset({"guest", "blobs", "context_uploads"})
OPEN_ENDPOINTS = frozenset({"health.healthz", "health.readyz", "openapi.openapi", "openapi.docs"})


def create_app(ports: Ports) -> Flask:
    app = Flask("wallcrawler", static_folder=None)
    limits = Limits(ports.settings)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.strict_slashes = False
    # One for both: it bounds how many callers of this process wait for a browser.
    creates = Creates(ports)
    app.register_blueprint(sessions.blueprint(ports, creates))
    app.register_blueprint(stagehand.blueprint(ports, creates))
    for slice in (
        projects,
        contexts,
        uploads,
        downloads,
        extensions,
        certificates,
        guest,
        health,
        fetch,
        unserved,
        openapi,
    ):
        app.register_blueprint(slice.blueprint(ports))
    for slice in (session_logs, recordings):
        app.register_blueprint(slice.blueprint(ports))
    app.register_blueprint(contexts.uploads(ports))
    if isinstance(ports.blobs, blobs.Served):
        app.register_blueprint(blobs.blueprint(ports.blobs))

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        request.max_content_length = limits.of(request.method, request.path)
        g.request_id = request.headers.get("x-request-id", "")[:64] or uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.before_request
    def authenticate() -> None:
        if request.url_rule is None or request.blueprint in OPEN_BLUEPRINTS or request.endpoint in OPEN_ENDPOINTS:
            return
        g.project_id = project_of(ports.catalog, _api_key())
        structlog.contextvars.bind_contextvars(project_id=g.project_id)

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["x-request-id"] = g.request_id
        fact = log.debug if request.blueprint in {"guest", "health"} else log.info
        fact(
            "http.answered",
            method=request.method,
            route=str(request.url_rule),
            status=response.status_code,
            milliseconds=round((time.perf_counter() - g.began) * 1000, 1),
        )
        return response

    _answer_errors(app, limits)
    return app


def _api_key() -> str:
    """From X-BB-API-Key; for /metrics also as a bearer token, which is what Prometheus can send."""
    if key := request.headers.get("X-BB-API-Key"):
        return key
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if request.endpoint == "health.metrics" and scheme.lower() == "bearer" else ""


def _answer_errors(app: Flask, limits: Limits) -> None:
    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        return triple(refusal.status, refusal.message, refusal.headers)

    @app.errorhandler(NotFound)
    def not_found(missing: NotFound) -> Response:
        return triple(404, str(missing))

    @app.errorhandler(TryLater)
    def busy(later: TryLater) -> Response:
        log.warning("http.busy", why=str(later))
        return triple(503, f"{later}; ask again in a moment", {"retry-after": str(max(1, round(later.after)))})

    @app.errorhandler(WallcrawlerError)
    def refused_to_us(refused: WallcrawlerError) -> Response:
        # A store that refuses us is the operator's to see to; the text says what it said, and holds no secret.
        log.error("http.unserved", why=str(refused))
        return triple(503, UNSERVED, NO_RETRY)

    @app.errorhandler(HTTPException)
    def http(problem: HTTPException) -> Response:
        status = problem.code or 500
        if status == 404:
            return triple(404, f"Route {request.method}:{request.path} not found")
        if status == 413:
            return triple(413, limits.exceeded(request.method, request.path))
        return triple(status, problem.description or problem.name, _allowed(problem))

    @app.errorhandler(Exception)
    def broken(_problem: Exception) -> Response:
        # The last resort of a request: the log has the traceback, the caller an id to quote.
        log.exception("http.failed")
        return triple(500, f"something broke; the server's log has it under request {g.request_id}", NO_RETRY)


def _allowed(problem: HTTPException) -> dict[str, str]:
    """What a 405 has to say besides: the methods that there are."""
    return {"Allow": ", ".join(problem.valid_methods or ())} if isinstance(problem, MethodNotAllowed) else {}
