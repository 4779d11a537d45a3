"""How the API answers: the error triple, and the spelling of our records.

Shapes are those of Browserbase's OpenAPI; `endedReason` is ours. Optional fields are left out, never null.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Response, jsonify

from wallcrawler import lifecycle
from wallcrawler.links import Links
from wallcrawler.project import Project
from wallcrawler.session import Entry, Session

#: The SDKs retry 408, 409, 429 and >= 500 blindly, three attempts in all. Said wherever that would start a second
#: browser, or could not help.
NO_RETRY: Mapping[str, str] = {"x-should-retry": "false"}


#: What callers are told where a store refuses us.
UNSERVED = "the server can't reach what it needs; its operator has to see to it"


class Refusal(Exception):
    """An answer that is an error. The message names what was wrong and what to do."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def triple(status: int, message: str, headers: Mapping[str, str] | None = None, **more: str) -> Response:
    """The body that every error has: {"statusCode", "error", "message"}; fetches have `more`."""
    response = jsonify(statusCode=status, error=HTTPStatus(status).phrase, message=message, **more)
    response.status_code = status
    response.headers.update(dict(headers or {}))
    return response


def timestamp(epoch: float) -> str:
    """RFC 3339 in UTC with milliseconds, as JavaScript writes it."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def session_body(session: Session, links: Links) -> dict[str, Any]:
    """A Session; with its URLs and key while clients may connect."""
    body: dict[str, Any] = {
        "id": session.id,
        "createdAt": timestamp(session.created_at),
        "updatedAt": timestamp(session.updated_at),
        "startedAt": timestamp(session.ready_at or session.created_at),
        "expiresAt": timestamp(session.ends_at),
        "projectId": session.project_id,
        "status": lifecycle.sdk_status(session.state),
        "proxyBytes": session.proxy_bytes,
        "keepAlive": session.keep_alive,
        "region": session.region,
    }
    if session.user_metadata:
        body["userMetadata"] = dict(session.user_metadata)
    if session.context_id is not None:
        body["contextId"] = session.context_id
    if session.ended_at is not None:
        body["endedAt"] = timestamp(session.ended_at)
    if session.ended_reason is not None:
        body["endedReason"] = session.ended_reason
    if session.connectable:
        body |= {
            "connectUrl": links.connect_url(session),
            "seleniumRemoteUrl": links.selenium_url(session),
            "signingKey": links.signing_key(session),
        }
    return body


def entry_body(entry: Entry) -> dict[str, Any]:
    """A line of a session's history; this shape is ours."""
    body = {
        "sequence": entry.sequence,
        "at": timestamp(entry.at),
        "event": entry.event,
        "from": entry.before,
        "to": entry.after,
        "reason": entry.reason,
        "detail": entry.detail,
    }
    return {name: value for name, value in body.items() if value is not None}


def project_body(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "createdAt": timestamp(project.created_at),
        "updatedAt": timestamp(project.updated_at),
        "name": project.name,
        "ownerId": project.owner_id,
        "defaultTimeout": project.default_timeout,
        "concurrency": project.concurrency,
    }


def usage_body(project: Project) -> dict[str, Any]:
    """Whole minutes of ended sessions, rounded up as they are billed elsewhere, and bytes."""
    return {"browserMinutes": int(-(-project.browser_seconds // 60)), "proxyBytes": project.proxy_bytes}
