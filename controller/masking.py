"""Take secrets, and what is too much, out of what Chrome tells, before anybody keeps it. Pure.

Headers and query parameters are told by their names. Values of secrets become `***`; long texts are cut, with a sign.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final

HIDDEN: Final = "***"

#: Characters of a text that are kept, elements of an array, and how deep arrays and objects are followed.
TEXT: Final = 4096
ELEMENTS: Final = 100
DEPTH: Final = 12

#: What a secret's name ends with.
_ENDS: Final = "token|keys?|secret|passw(?:or)?d|passwd|signature|credentials?|jwt|auth|authorization|session_?id"

_SECRET_HEADERS: Final = re.compile(rf"(?:.*-)?(?:(?:set-)?cookie2?|{_ENDS})", re.IGNORECASE)
_SECRET_PARAMETERS: Final = re.compile(
    rf"([?&#;](?:[^=&#?;\s]*?(?:{_ENDS})|sig|sid|code)=)[^&#;\s\"'<>]+", re.IGNORECASE
)
_JWT: Final = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*", re.ASCII)
_USERINFO: Final = re.compile(r"(://)[^/?#\s@\"'<>]+@")

#: Objects of headers.
_HEADERS: Final = frozenset({"headers", "requestHeaders"})


def clean(value: Any, *, without: Collection[str] = (), depth: int = DEPTH) -> Any:
    """`value`, which is JSON, without secrets and without the fields named in `without`."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        if depth == 0:
            return {}
        return {
            # Most of what there is are short texts and numbers; this is run for every request of every page.
            name: inner
            if isinstance(inner, int | float | None)
            else masked(inner)
            if isinstance(inner, str)
            else _headers(inner)
            if name in _HEADERS and isinstance(inner, dict)
            else clean(inner, without=without, depth=depth - 1)
            for name, inner in value.items()
            if name not in without
        }
    if isinstance(value, list):
        return [clean(inner, without=without, depth=depth - 1) for inner in value[:ELEMENTS]] if depth else []
    return value


def _headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: HIDDEN if _secret(name) else clean(value, depth=2) for name, value in headers.items()}


@lru_cache(maxsize=1024)
def _secret(header: str) -> bool:
    return _SECRET_HEADERS.fullmatch(header) is not None


def masked(text: str) -> str:
    """The text without the passwords and secret parameters of URLs in it, without JWTs, and cut where it is long."""
    if len(text) > TEXT:
        text = f"{text[:TEXT]}… ({len(text)} characters)"
    if "=" in text:
        text = _SECRET_PARAMETERS.sub(rf"\1{HIDDEN}", text)
    if "@" in text:
        text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    if "eyJ" in text:
        text = _JWT.sub(HIDDEN, text)
    return text
