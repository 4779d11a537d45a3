"""Sessions' logs as blobs: chunks of wallcrawler/journal.py, each JSON lines in one zstd frame.

A chunk's first line is {"number", "dropped"}; then comes an entry a line.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import zstandard

from wallcrawler.errors import NotFound
from wallcrawler.journal import KEPT, Chunk, blob, folder
from wallcrawler.ports import Blobs

#: Bytes of a chunk, decompressed: what a request may have, and what its lines have beside it.
LARGEST: Final = 4 << 20


def keep(chunk: Chunk, session_id: str, *, blobs: Blobs) -> None:
    """Put it into its place. Safe to repeat."""
    lines = [{"number": chunk.number, "dropped": chunk.dropped}, *chunk.entries]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    blobs.put(blob(session_id, chunk.number), io.BytesIO(zstandard.compress(text.encode())))


def kept(session_id: str, *, blobs: Blobs) -> tuple[int, Iterator[Mapping[str, Any]]]:
    """How many of the session's entries were lost, and those that are there, oldest first."""
    chunks: dict[int, tuple[int, bytes]] = {}
    for name in blobs.names(folder(session_id)):
        # One that is being replaced, or purged, may have gone.
        with suppress(NotFound), blobs.open(name) as file:
            packed = file.read()
            head = json.loads(next(_lines(packed)))
            chunks[head["number"]] = head["dropped"], packed
    newest = max(chunks, default=0)
    numbers = sorted(number for number in chunks if number > newest - KEPT)
    lost = chunks[newest][0] if chunks else 0
    return lost, (entry for number in numbers for entry in _entries(chunks[number][1]))


def _entries(packed: bytes) -> Iterator[Mapping[str, Any]]:
    lines = _lines(packed)
    next(lines)
    yield from map(json.loads, lines)


def _lines(packed: bytes) -> Iterator[str]:
    return iter(zstandard.decompress(packed, max_output_size=LARGEST).decode().splitlines())
