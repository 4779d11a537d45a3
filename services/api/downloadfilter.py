"""The query of GET /v1/downloads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from services.api.answers import Refusal
from wallcrawler.download import Download

#: Characters of the longest filename, and of the longest MIME type, that is looked for.
LONGEST: Final = 255

#: Downloads on one page, and on the longest.
USUAL, MOST = 20, 100

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which downloads of a session, and which page of them. Times are epoch seconds; both ends belong to a range."""

    session_id: str
    filename: str | None
    mime_type: str | None
    min_size: float
    max_size: float
    created_after: float
    created_before: float
    limit: int
    offset: int

    def matches(self, download: Download) -> bool:
        # Times are shown in milliseconds: what is shown must find what it is of.
        created = math.floor(download.created_at * 1000) / 1000
        return (
            self.filename in {None, download.name}
            and self.mime_type in {None, download.mime_type}
            and self.min_size <= download.size <= self.max_size
            and self.created_after <= created <= self.created_before
        )


def read(query: Mapping[str, str]) -> Wanted:
    """Raises Refusal 400 that names the parameter."""
    if not query.get("sessionId"):
        raise Refusal(400, "querystring must have required property 'sessionId'")
    limit = _given(query, "limit", USUAL, _whole)
    if not 1 <= limit <= MOST:
        raise Refusal(400, f"querystring/limit must be an integer from 1 to {MOST}")
    return Wanted(
        session_id=query["sessionId"],
        filename=_given(query, "filename", None, _text),
        mime_type=_given(query, "mimeType", None, _text),
        min_size=_given(query, "minSize", 0.0, _size),
        max_size=_given(query, "maxSize", math.inf, _size),
        created_after=_given(query, "createdAfter", -math.inf, _time),
        created_before=_given(query, "createdBefore", math.inf, _time),
        limit=limit,
        offset=_given(query, "offset", 0, _whole),
    )


def _given(query: Mapping[str, str], name: str, default: Any, read: Callable[[str], _Value]) -> Any:
    text = query.get(name)
    if text is None:
        return default
    try:
        return read(text)
    except ValueError as wrong:
        raise Refusal(400, f"querystring/{name} {wrong}") from None


def _text(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError(f"must NOT have more than {LONGEST} characters")
    return text


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise ValueError("must be an integer >= 0")
    return int(text)


def _size(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise ValueError("must be a number >= 0")
    return number


def _time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError('must match format "date-time"') from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
