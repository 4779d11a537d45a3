"""What is logged and not put away yet, in numbered chunks; where lines have been lost, the log says how many. Pure.

At most BACKLOG full chunks wait. One more, and the oldest goes that nobody has been offered yet: what is on its way may
have arrived. Lines that are lost are an entry of their own before the line that follows them. What the API keeps is a
ring (wallcrawler/journal.py): what has fallen out of it is counted, and every chunk says the number.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from wallcrawler.journal import CHUNK, KEPT

#: Full chunks that wait to be put away, 8 MiB: memory of a guest whose API is away, or slower than a page.
BACKLOG: Final = 32


@dataclass(slots=True, eq=False)
class Chunk:
    """`lost` lines would be before its own. `stored` of these have been put away; `offered` is how many there were
    when somebody took them or refused to."""

    number: int
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    lost: int = 0
    stored: int = 0
    offered: int = 0
    #: Somebody has been given it, and may have it.
    begun: bool = False

    def entries(self) -> list[bytes]:
        return [self._gap(), *self.lines] if self.lost else self.lines

    def _gap(self) -> bytes:
        """An entry, of the page and time of the one that follows."""
        first = json.loads(self.lines[0])
        entry = {"method": "Wallcrawler.entriesDropped", "pageId": first["pageId"], "timestamp": first["timestamp"]}
        return json.dumps(entry | {"params": {"count": self.lost}}, separators=(",", ":")).encode()


class Chunks:
    """The log's chunks, from its first line on."""

    def __init__(self, *, size: int = CHUNK, kept: int = KEPT, backlog: int = BACKLOG) -> None:
        self._size, self._kept, self._backlog = size, kept, backlog
        self._open = Chunk(1)
        #: Of these, only the first may have begun.
        self._full: deque[Chunk] = deque()
        #: Lines that the chunks in the ring stand for, by number: their own, and those lost before them.
        self._told: dict[int, int] = {}
        self._fallen = 0

    def add(self, line: bytes) -> bool:
        """Write a line, one entry's JSON; whether a chunk became full by it."""
        self._open.lines.append(line)
        self._open.size += len(line)
        if self._open.size < self._size:
            return False
        self._full.append(self._open)
        self._open = Chunk(self._open.number + 1)
        if len(self._full) > self._backlog:
            self._lose(self._full[1] if self._full[0].begun else self._full[0])
        return True

    def due(self) -> Chunk | None:
        """The oldest chunk that has lines which are not put away. It is on its way from now on."""
        chunk = self._full[0] if self._full else self._open
        if chunk is self._open and len(chunk.lines) <= chunk.offered:
            return None
        chunk.begun = True
        return chunk

    def body(self, chunk: Chunk) -> bytes:
        """The chunk that is due, as wallcrawler.journal has it."""
        for number in [number for number in self._told if number <= chunk.number - self._kept]:
            self._fallen += self._told.pop(number)
        head = f'{{"number":{chunk.number},"dropped":{self._fallen},"entries":['.encode()
        return head + b",".join(chunk.entries()) + b"]}"

    def stored(self, chunk: Chunk, lines: int) -> None:
        """The first `lines` of the chunk are put away."""
        chunk.stored = chunk.offered = lines
        self._told[chunk.number] = chunk.lost + lines
        if chunk in self._full and lines == len(chunk.lines):
            self._full.remove(chunk)

    def refused(self, chunk: Chunk) -> None:
        """Nobody will take the chunk, as it is now."""
        if chunk in self._full:
            self._lose(chunk)
        else:
            chunk.offered = len(chunk.lines)

    def _lose(self, chunk: Chunk) -> None:
        """Give up what is not put away of a full chunk; the next one says how much that was."""
        place = self._full.index(chunk)
        del self._full[place]
        following = self._full[place] if place < len(self._full) else self._open
        following.lost += len(chunk.lines) - chunk.stored
        if not chunk.stored:
            following.lost += chunk.lost
