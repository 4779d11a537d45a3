"""/v1/sessions/{id}/logs: what a session's pages said, loaded and answered, in Browserbase's shape.

An event of Chrome's is an entry whose `request` holds its parameters. Entries whose method begins with `Wallcrawler.`
are ours, and say what is missing.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

from flask import Blueprint, Response, g

from services.api import bodies, journals
from wallcrawler import log as logs
from wallcrawler.errors import NotFound
from wallcrawler.links import Links
from wallcrawler.project import Project
from wallcrawler.session import Session
from wallcrawler.wiring import Ports

log = logs.get()

#: Seconds that a guest gets to put away what it has not yet.
GUEST_WITHIN: Final = 2.0
#: Seconds for which the token is good that asks it to.
TOKEN_FOR: Final = 30.0


def blueprint(ports: Ports) -> Blueprint:
    routes = Blueprint("logs", __name__)

    @routes.get("/v1/sessions/<session_id>/logs")
    def read(session_id: str) -> Response:
        session = ports.sessions.get(session_id)
        if session.project_id != g.project_id:
            raise NotFound(f"there is no session {session_id}")
        if session.connectable:
            with logs.about(session_id=session_id):
                _flush(session, ports.links, now=ports.clock.now())
        lost, entries = journals.kept(session.id, blobs=ports.blobs)
        return Response(_array(session.id, lost, entries), mimetype="application/json")

    return routes


def plan(wish: bodies.CreateSession, _project: Project, _ports: Ports) -> Mapping[str, Any]:
    """A session is logged unless its create says that it is not to be."""
    return {} if wish.browser_settings.log_session else {"journal": {"off": True}}


def _flush(session: Session, links: Links, *, now: float) -> None:
    """Have the guest put away what it has; where it can't, its log ends a few seconds ago."""
    token = links.token(session, "control", seconds=TOKEN_FOR, now=now)
    url = f"{links.inside(session)}/control/journal/flush"
    asking = urllib.request.Request(url, b"", {"x-bb-signing-key": token}, method="POST")  # noqa: S310 - our own guest
    try:
        with urllib.request.urlopen(asking, timeout=GUEST_WITHIN):  # noqa: S310
            pass
    except (OSError, ValueError) as away:
        log.warning("journal.not_flushed", why=type(away).__name__)


def _array(session_id: str, lost: int, entries: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    """A JSON array, entry by entry: all of them at once would be many times as long as they are stored."""
    first = next(entries, None)
    found = chain([first], entries) if first is not None else entries
    if first is not None and lost:
        told = {"method": "Wallcrawler.entriesDropped", "pageId": first["pageId"], "timestamp": first["timestamp"]}
        found = chain([told | {"params": {"count": lost}}], found)
    separator = "["
    for entry in found:
        yield separator + json.dumps(_body(entry, session_id), separators=(",", ":"))
        separator = ","
    yield "]" if separator == "," else "[]"


def _body(entry: Mapping[str, Any], session_id: str) -> dict[str, Any]:
    """A SessionLog."""
    raw = json.dumps(entry["params"], ensure_ascii=False, separators=(",", ":"))
    request = {"timestamp": entry["timestamp"], "params": entry["params"], "rawBody": raw}
    beside = {name: value for name, value in entry.items() if name != "params"}
    return {**beside, "sessionId": session_id, "request": request}
