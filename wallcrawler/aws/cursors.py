"""Where a page ended, as a text that leads on from there in the same query and nowhere else. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from wallcrawler.aws.values import Typed

#: Characters of the longest cursor: DynamoDB's keys are at most 3 KB, and there are two of them.
LONGEST: Final = 16_384


def cursor(key: Mapping[str, Typed], *question: object) -> str:
    """`question` is what was asked, so that the cursor of another query can be told."""
    return base64.urlsafe_b64encode(json.dumps([_digest(question), key], separators=(",", ":")).encode()).decode()


def position(text: str, *question: object) -> dict[str, Any]:
    """The key that a cursor holds. Raises ValueError where it is none, or one of another question."""
    try:
        asked, key = json.loads(base64.urlsafe_b64decode(text[:LONGEST].encode("ascii")))
    except (ValueError, TypeError, RecursionError):
        asked, key = None, None
    if asked != _digest(question) or not isinstance(key, dict):
        raise ValueError("the cursor is not one of this list")
    return key


def _digest(question: tuple[object, ...]) -> str:
    return hashlib.sha256(json.dumps(question, default=str).encode()).hexdigest()[:16]
