"""/v1/sessions/{id}/debug: URLs with which a person looks at a session.

The list of pages is the guest's; it is asked with a token of its own, which only lets it look.
"""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

from services.api.answers import NO_RETRY, Refusal
from wallcrawler.links import Links
from wallcrawler.session import Session

#: Seconds of the longest life of a debug URL, and what a missing expiresIn asks for.
LONGEST = 21_600

_WHOLE = re.compile(r"[0-9]{1,5}")

#: Seconds for which a guest may think about its list of pages.
GUEST_WITHIN = 2.0


def live_urls(session: Session, links: Links, expires_in: str | None, *, now: float) -> dict[str, Any]:
    """A SessionLiveUrls. Raises Refusal: 400 for expiresIn, 409 while starting, 410 after the end, 502."""
    seconds = _seconds(expires_in)
    if session.starting:
        raise Refusal(409, f"session {session.id} is still starting", NO_RETRY)
    if not session.connectable:
        raise Refusal(410, f"session {session.id} has ended: {session.ended_reason}")
    token = links.token(session, "view", seconds=seconds, now=now)
    pages = [
        _page(session, links, target, token) for target in _targets(session, links, token) if target["type"] == "page"
    ]
    first = pages[0]["debuggerUrl"] if pages else links.inspector_url(session, "", token)
    return {
        "debuggerUrl": first,
        "debuggerFullscreenUrl": first,
        "wsUrl": links.connect_url(session, links.token(session, "cdp", seconds=seconds, now=now)),
        "pages": pages,
    }


def _seconds(expires_in: str | None) -> int:
    if expires_in is None:
        return LONGEST
    if not _WHOLE.fullmatch(expires_in) or not 1 <= int(expires_in) <= LONGEST:
        raise Refusal(400, f"querystring/expiresIn must be an integer from 1 to {LONGEST}")
    return int(expires_in)


def _page(session: Session, links: Links, target: dict[str, Any], token: str) -> dict[str, str]:
    url = links.inspector_url(session, target["id"], token)
    return {
        "id": target["id"],
        "url": target["url"],
        "title": target.get("title", ""),
        "faviconUrl": target.get("faviconUrl", ""),
        "debuggerUrl": url,
        "debuggerFullscreenUrl": url,
    }


def _targets(session: Session, links: Links, token: str) -> list[dict[str, Any]]:
    url = f"{links.inside(session)}/json/list"
    asking = urllib.request.Request(url, headers={"x-bb-signing-key": token})  # noqa: S310 - our own guest
    try:
        with urllib.request.urlopen(asking, timeout=GUEST_WITHIN) as answer:  # noqa: S310
            targets: list[dict[str, Any]] = json.load(answer)
        if not all(isinstance(target[name], str) for target in targets for name in ("id", "type", "url")):
            raise ValueError
    except (OSError, ValueError, TypeError, LookupError) as broken:
        raise Refusal(502, f"the browser of session {session.id} did not answer: {type(broken).__name__}") from None
    return targets
