"""What is logged and not put away yet, in numbered chunks, and how much of the log has been lost. Pure.

At most BACKLOG full chunks wait; while nobody takes them, the oldest are dropped. What the API keeps is a ring
(wallcrawler/journal.py): what falls out of it counts as dropped as well, and every chunk says the number.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from wallcrawler.journal import CHUNK, KEPT

#: Full chunks that wait to be put away: memory of a guest whose API is away.
BACKLOG: Final = 8


@dataclass(slots=True, eq=False)
class Chunk:
    """`stored` of its `lines` have been put away."""

    number: int
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    stored: int = 0

    def body(self, dropped: int) -> bytes:
        """As wallcrawler.journal has it."""
        head = f'{{"number":{self.number},"dropped":{dropped},"entries":['.encode()
        return head + b",".join(self.lines) + b"]}"


class Chunks:
    """The log's chunks, from its first line on."""

    def __init__(self, *, size: int = CHUNK, kept: int = KEPT, backlog: int = BACKLOG) -> None:
        self._size, self._kept, self._backlog = size, kept, backlog
        self._open = Chunk(1)
        self._full: deque[Chunk] = deque()
        #: Lines of the full chunks that are not dropped, by number.
        self._counts: dict[int, int] = {}
        self.dropped = 0

    def add(self, line: bytes) -> bool:
        """Write a line, one entry's JSON; whether a chunk became full by it."""
        if not self._open.lines:
            # Its place in the ring.
            self._drop(self._open.number - self._kept)
        self._open.lines.append(line)
        self._open.size += len(line)
        if self._open.size < self._size:
            return False
        self._full.append(self._open)
        self._counts[self._open.number] = len(self._open.lines)
        self._open = Chunk(self._open.number + 1)
        if len(self._full) > self._backlog:
            self._drop(self._full.popleft().number)
        return True

    def _drop(self, number: int) -> None:
        self.dropped += self._counts.pop(number, 0)

    def due(self) -> Chunk | None:
        """The oldest chunk that has lines which are not put away."""
        if self._full:
            return self._full[0]
        return self._open if len(self._open.lines) > self._open.stored else None

    def stored(self, chunk: Chunk, lines: int) -> None:
        """The first `lines` of the chunk are put away."""
        chunk.stored = lines
        if chunk in self._full and lines == len(chunk.lines):
            self._full.remove(chunk)

    def refused(self, chunk: Chunk) -> None:
        """Nobody will take the chunk, as it is now."""
        if chunk in self._full:
            self._full.remove(chunk)
            self._drop(chunk.number)
        else:
            chunk.stored = len(chunk.lines)
