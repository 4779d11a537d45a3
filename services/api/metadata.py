"""The `q` of a list: `user_metadata['path']['to']['field']:'value'`, string equality.

The form is that of docs.browserbase.com, core-features/session-metadata.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from services.api.answers import Refusal

_QUERY = re.compile(r"user_metadata((?:\['[^']+'\])+):'([^']*)'")
_STEP = re.compile(r"\['([^']+)'\]")


def matching(q: str) -> Callable[[Mapping[str, Any]], bool]:
    """A test of a session's metadata. Raises Refusal 400 for a query of another form."""
    query = _QUERY.fullmatch(q.strip())
    if query is None:
        raise Refusal(400, "querystring/q must have the form user_metadata['key']:'value'")
    steps, wanted = _STEP.findall(query[1]), query[2]

    def matches(metadata: Mapping[str, Any]) -> bool:
        found: Any = metadata
        for step in steps:
            if not isinstance(found, Mapping):
                return False
            found = found.get(step)
        return bool(found == wanted)

    return matches
