"""The actions of the ECS API, by what they are about. Each takes checked parameters and gives the answer's body."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from localaws.definitions import Json
from localaws.errors import invalid

Action = Callable[[Json], Json]

Item = TypeVar("Item")

#: What a page holds where the request does not say.
PAGE = 100


def page_size(params: Mapping[str, Any]) -> int:
    size = int(params.get("maxResults", PAGE))
    if not 1 <= size <= PAGE:
        raise invalid(f"maxResults must be between 1 and {PAGE}.")
    return size


def page_start(params: Mapping[str, Any]) -> int:
    """The place that the last page ended at; 0 for the first."""
    token = params.get("nextToken")
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error):
        raise invalid("Invalid token.") from None


def page_token(place: int) -> str:
    return base64.urlsafe_b64encode(str(place).encode()).decode()


def page(name: str, items: Sequence[Item], params: Mapping[str, Any]) -> Json:
    """The page of `items` that is asked for, under `name`."""
    start, size = page_start(params), page_size(params)
    shown: Json = {name: list(items[start : start + size])}
    return shown | ({"nextToken": page_token(start + size)} if start + size < len(items) else {})
