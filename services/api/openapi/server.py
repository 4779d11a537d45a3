"""Fetches, what is not served, and the server itself."""

from __future__ import annotations

import re
from typing import Final

from services.api import bodies
from services.api.openapi import shapes
from services.api.openapi.operations import Operation, Operations
from services.api.unserved import UNSERVED

FETCH: Final[Operations] = {
    "POST /v1/fetch": Operation(
        "Fetch_create",
        "Fetch a page without a browser",
        shapes.Fetched,
        body=bodies.Fetch,
        refusals=(403, 429, 501, 502, 504),
        error=shapes.FetchError,
    ),
}

SERVER: Final[Operations] = {
    "GET /healthz": Operation("Server_health", "Whether this process answers", shapes.Health, key=False),
    "GET /readyz": Operation(
        "Server_readiness", "Whether all that it needs does", shapes.Readiness, key=False, also=(503,)
    ),
    "GET /metrics": Operation(
        "Server_metrics",
        "Metrics for Prometheus",
        media=("text/plain",),
        description="Takes the API key also as a bearer token.",
    ),
    "GET /openapi.json": Operation("Server_openapi", "This document", dict[str, object], key=False),
    "GET /docs": Operation("Server_docs", "This document, to read", media=("text/html",), key=False),
}


def _unserved() -> Operations:
    """Operations whose only answer is that there is none."""
    operations = {}
    for name, subject in UNSERVED.items():
        for path, methods in subject.operations.items():
            where = re.sub(r"<([^>]+)>", r"{\1}", path)
            for method in methods.split():
                words = re.sub(r"\W+", "_", path.removeprefix("/v1/")).strip("_")
                operations[f"{method} {where}"] = Operation(
                    f"{method.lower()}_{words}",
                    f"{name.capitalize()} are not served",
                    status=501,
                    description=subject.why,
                )
    return operations


NOT_SERVED: Final[Operations] = _unserved()
