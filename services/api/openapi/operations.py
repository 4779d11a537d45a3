"""What is said of an operation, and what of it is said of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from services.api.openapi import shapes

#: What each status means wherever it is answered.
MEANINGS: Final[Mapping[int, str]] = {
    400: "The body, the query or a part of the path is wrong; the message names it.",
    401: "X-BB-API-Key is missing, unknown or revoked.",
    403: "It is not the caller's to ask for.",
    404: "There is no such thing, or it is another project's.",
    406: "There is nothing of the kind that Accept asks for.",
    409: "It can't be done now.",
    410: "It has ended.",
    412: "It is there already.",
    413: "The body is too large.",
    422: "It is understood and can't be done; the message says why.",
    429: "Too many at once; `retry-after` says when to ask again.",
    501: "Not served by Wallcrawler; the message says why.",
    502: "Somebody who was asked did not answer as they should.",
    503: "A store or a queue does not answer; `retry-after` says when to ask again.",
    504: "It was not done in time.",
}


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter of the query."""

    name: str
    schema: Mapping[str, Any]
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. What every operation has is added by `statuses`."""

    id: str
    summary: str
    #: The JSON that it answers with; None where there is none.
    answer: Any = None
    status: int = 200
    #: The JSON that it takes, every field of which may be missing unless the model says otherwise.
    body: type[BaseModel] | None = None
    #: Whether it takes a multipart form with a file in the field `file`.
    file: bool = False
    query: tuple[Query, ...] = ()
    #: Statuses of its own, besides those that follow from the rest.
    refusals: tuple[int, ...] = ()
    description: str = ""
    #: Media types of answers that are no JSON, the usual one first.
    media: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    error: type[BaseModel] = shapes.Error
    #: Whether it takes an API key.
    key: bool = True
    #: Other statuses whose body is the answer's.
    also: tuple[int, ...] = ()

    def statuses(self, path: str) -> list[int]:
        """Those of its errors, in order."""
        found = set(self.refusals)
        if self.key:
            # Whoever has no key is refused, and who has one is looked up in a store.
            found |= {401, 503}
        if "{" in path:
            found.add(404)
        if self.body or self.file:
            found |= {400, 413}
        if self.query:
            found.add(400)
        return sorted(found - set(self.also))


#: The operations of a subject, as "METHOD /path/{parameter}".
Operations = Mapping[str, Operation]
