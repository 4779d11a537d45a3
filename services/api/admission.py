"""Who may send a file: asked with nothing but a request's head, so that a stranger's file is not kept."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from services.api import blobs, contexts
from services.api.answers import Refusal
from wallcrawler.catalog import Catalog
from wallcrawler.errors import NotFound
from wallcrawler.wiring import Ports


def project_of(catalog: Catalog, key: str) -> str:
    """The id of the project that an API key is of. Raises Refusal."""
    if not key:
        raise Refusal(401, "the X-BB-API-Key header is missing")
    try:
        return catalog.owner_of(key).project_id
    except NotFound:
        raise Refusal(401, "the API key in X-BB-API-Key is unknown or revoked") from None


class Admission:
    """To the routes of services/api/limits.py whose bodies are files."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def check(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> None:
        """`path` and `headers` as waitress has them: Latin-1, X_BB_API_KEY. Raises Refusal, and WallcrawlerError where
        keys can't be asked for."""
        path = path.encode("latin-1").decode(errors="replace")
        first, _, rest = path.removeprefix("/").partition("/")
        if first == "v1":
            project_of(self._ports.catalog, headers.get("X_BB_API_KEY", ""))
        elif first == "blobs" and isinstance(self._ports.blobs, blobs.Served):
            blobs.admit(self._ports.blobs, rest, method, dict(parse_qsl(query)))
        elif first == "uploads":
            project_id, _, context_id = rest.removeprefix("contexts/").partition("/")
            contexts.admit(self._ports, project_id, context_id, dict(parse_qsl(query)))
        else:
            raise Refusal(404, f"Route {method}:{path} not found")
