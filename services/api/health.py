"""/healthz, /readyz, /metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response, current_app, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from wallcrawler.errors import TryLater
from wallcrawler.wiring import Ports

#: What the app's config says while its server stops.
STOPPING: Final = "STOPPING"


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("health", __name__)
    dependencies: dict[str, Callable[[], None]] = {
        "tables": ports.tables.ping,
        "queue": ports.jobs.ping,
        "bell": ports.bell.ping,
    }

    @routes.get("/healthz")
    def healthz() -> Response:
        """This process answers; what it says tells whether it takes creates."""
        return jsonify(status="stopping" if current_app.config.get(STOPPING) else "ok")

    @routes.get("/readyz")
    def readyz() -> tuple[Response, int]:
        """So does everything that it needs, and it goes on; 503 names what does not."""
        states = {name: _state(ping) for name, ping in dependencies.items()}
        if current_app.config.get(STOPPING):
            states["api"] = "it is stopping"
        ready = all(state == "ok" for state in states.values())
        return jsonify(status="ok" if ready else "unavailable", dependencies=states), 200 if ready else 503

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    return routes


def _state(ping: Callable[[], None]) -> str:
    try:
        ping()
    except TryLater as away:
        return str(away)
    return "ok"
