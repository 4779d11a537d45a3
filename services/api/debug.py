"""/v1/sessions/{id}/debug: URLs with which a person looks at a session, takes it in hand, or only watches it.

The list of pages is the guest's; it is asked with a token of its own, which only lets it look.
"""

from __future__ import annotations

import html
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

#: Characters of the longest favicon that is told; pages write them, and may write whole pictures into them.
LONGEST_FAVICON = 8_192

#: What a favicon may be, so that nobody who shows one runs a page's script or opens a file.
_FAVICON = re.compile(r"https?://[^\s\"'<>]+|data:image/[a-z0-9.+-]+[;,][^\s\"'<>]*", re.ASCII | re.IGNORECASE)


def live_urls(session: Session, links: Links, expires_in: str | None, *, now: float) -> dict[str, Any]:
    """A SessionLiveUrls. Raises Refusal: 400 for expiresIn, 409 while starting, 410 after the end, 502."""
    seconds = _seconds(expires_in)
    if session.starting:
        raise Refusal(409, f"session {session.id} is still starting", NO_RETRY)
    if not session.connectable:
        raise Refusal(410, f"session {session.id} has ended: {session.ended_reason}")
    view = links.token(session, "view", seconds=seconds, now=now)
    watch = links.token(session, "watch", seconds=seconds, now=now)
    pages = [
        _named(target) | _urls(session, links, target["id"], view=view, watch=watch)
        for target in _targets(session, links, view)
        if target["type"] == "page"
    ]
    # Chrome names first what was in front last.
    return _urls(session, links, pages[0]["id"] if pages else "", view=view, watch=watch) | {
        "wsUrl": links.connect_url(session, links.token(session, "cdp", seconds=seconds, now=now)),
        "pages": pages,
    }


def _seconds(expires_in: str | None) -> int:
    if expires_in is None:
        return LONGEST
    if not _WHOLE.fullmatch(expires_in) or not 1 <= int(expires_in) <= LONGEST:
        raise Refusal(400, f"querystring/expiresIn must be an integer from 1 to {LONGEST}")
    return int(expires_in)


def _named(target: dict[str, Any]) -> dict[str, Any]:
    """What a page says of itself. Titles are text, and not safe as HTML."""
    favicon = str(target.get("faviconUrl", ""))
    shown = len(favicon) <= LONGEST_FAVICON and _FAVICON.fullmatch(favicon)
    return {
        "id": target["id"],
        "url": target["url"],
        # Chrome escapes it for HTML, as it does nothing else here.
        "title": html.unescape(str(target.get("title", ""))),
        "faviconUrl": favicon if shown else "",
    }


def _urls(session: Session, links: Links, page: str, *, view: str, watch: str) -> dict[str, Any]:
    return {
        "debuggerUrl": links.inspector_url(session, page, view),
        "debuggerFullscreenUrl": links.live_url(session, page, view),
        "readOnlyUrl": links.live_url(session, page, watch),
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
