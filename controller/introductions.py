"""Callers that come with an API key and no signing key, as clients did before there were any.

    x-bb-api-key: KEY and session-id: ID        Selenium
    ?apiKey=KEY&sessionId=ID                    a WebSocket

The guest knows no keys: it asks the API, which answers with the session's own signing key where the caller's key is of
its project. What is remembered of a key is its checksum, for a minute.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import parse_qsl

from controller.api import Final
from controller.gate import Refusal
from wallcrawler.wire.caller import Head

#: Seconds for which a key that was good counts as good: what a revocation can lag behind.
REMEMBERED = 60.0

#: Keys that are remembered at once.
KEPT = 64

#: Seconds for the API to answer.
ASKED_WITHIN = 10.0


class Asking(Protocol):
    """Whom the guest asks; controller.api.Api."""

    async def call(self, method: str, path: str, body: Any = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key and the session that it is to open, if the caller named one."""

    key: str = field(repr=False)
    session_id: str


def credentials(head: Head) -> Credentials | None:
    """What a caller without a signing key has to show; None where that is nothing."""
    given = dict(reversed(parse_qsl(head.target.partition("?")[2], keep_blank_values=True)))
    if given.get("signingKey") or head.header("x-bb-signing-key"):
        return None
    key = given.get("apiKey") or head.header("x-bb-api-key")
    return Credentials(key, given.get("sessionId") or head.header("session-id")) if key else None


class Introductions:
    """Of one session's callers."""

    def __init__(self, api: Asking, session_id: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._session_id = session_id
        self._now = now
        #: The signing key, and until when it is given without asking, by the checksum of the API key.
        self._known: dict[bytes, tuple[str, float]] = {}

    async def introduce(self, head: Head) -> Head | Refusal:
        """The request as one that came with the session's signing key; as it is where it shows no API key."""
        shown = credentials(head)
        if shown is None:
            return head
        if shown.session_id and shown.session_id != self._session_id:
            return Refusal(401, "the session that is named is another one")
        signing_key = await self._signing_key(shown.key)
        if isinstance(signing_key, Refusal):
            return signing_key
        return replace(head, headers=[*head.headers, ("x-bb-signing-key", signing_key)])

    async def _signing_key(self, key: str) -> str | Refusal:
        checksum = hashlib.sha256(key.encode()).digest()
        known, until = self._known.get(checksum, ("", 0.0))
        if self._now() < until:
            return known
        try:
            async with asyncio.timeout(ASKED_WITHIN):
                told = await self._api.call("POST", "/signing-key", {"apiKey": key})
        except Final as refused:
            return Refusal(401 if refused.status == 403 else refused.status, str(refused))
        except TimeoutError:
            return Refusal(503, "the API does not say whether this key opens the session; ask again in a moment")
        if len(self._known) >= KEPT:
            self._known.clear()
        self._known[checksum] = str(told["signingKey"]), self._now() + REMEMBERED
        return str(told["signingKey"])
