"""What a session's log is made of between its guest, which writes it, and the API, which keeps and tells it.

    POST /guest/v1/sessions/{id}/journal    {"number", "dropped", "entries"}, one chunk -> {}

Chunks are numbered from 1. The last one is sent again while it grows. There are KEPT of them: the next takes the place
of the oldest, and says how many entries have gone by then.

An entry: {"method", "pageId", "timestamp", "params"}, and "frameId" and "loaderId" where there are any. Only the
standard library is imported: a guest starts in the caller's wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: Bytes of JSON at which a chunk is full; its last entry may be beyond.
CHUNK: Final = 256 << 10
#: Bytes of the longest entry.
ENTRY: Final = 64 << 10
#: Chunks that are kept of one session: 16 MiB, a tenth of that as it is stored.
KEPT: Final = 64

#: What entries have besides their parameters, and of which type that is.
FIELDS: Final[Mapping[str, type]] = {"method": str, "pageId": int, "timestamp": int, "params": dict}
OPTIONAL: Final = ("frameId", "loaderId")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries in the order in which they were written; `dropped` is how many had fallen out of the ring by then."""

    number: int
    dropped: int
    entries: Sequence[Mapping[str, Any]]

    @classmethod
    def from_wire(cls, wire: Any) -> Chunk:
        """Raises ValueError that names the field. What no entry has is not taken over."""
        if not isinstance(wire, dict) or not isinstance(entries := wire.get("entries"), list):
            raise ValueError("entries must be array")
        for name, least in (("number", 1), ("dropped", 0)):
            if type(wire.get(name)) is not int or wire[name] < least:
                raise ValueError(f"{name} must be an integer >= {least}")
        return cls(wire["number"], wire["dropped"], [_entry(entry, place) for place, entry in enumerate(entries)])


def _entry(wire: Any, place: int) -> dict[str, Any]:
    if not isinstance(wire, dict):
        raise ValueError(f"entries/{place} must be object")
    for name, kind in FIELDS.items():
        if type(wire.get(name)) is not kind:
            raise ValueError(f"entries/{place}/{name} must be {kind.__name__}")
    optional = {name: wire[name] for name in OPTIONAL if isinstance(wire.get(name), str)}
    return {name: wire[name] for name in FIELDS} | optional


def folder(session_id: str) -> str:
    """Where a session's chunks lie, among blobs."""
    return f"logs/{session_id}/"


def blob(session_id: str, number: int) -> str:
    """The name of a chunk's blob, which is that of the chunk whose place it takes too."""
    return f"{folder(session_id)}{(number - 1) % KEPT + 1}.jsonl.zst"
