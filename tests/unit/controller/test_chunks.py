"""The log in chunks: nothing is put away twice for good, nothing is lost in silence, and memory is bounded."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.chunks import BACKLOG, Chunk, Chunks
from wallcrawler.journal import CHUNK


def line(number: int) -> bytes:
    """Of 50 bytes."""
    entry = {"method": "m", "pageId": 7, "timestamp": 10_000 + number}
    return json.dumps(entry, separators=(",", ":")).encode().ljust(50)


class Shelf:
    """Whoever takes chunks: has the last of each number, in a ring, and tells them as services/api/journals.py does."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._chunks: dict[int, dict[str, Any]] = {}

    def take(self, body: bytes) -> None:
        chunk = json.loads(body)
        self._chunks[chunk["number"]] = chunk

    def log(self) -> list[int | str]:
        """Lines by their numbers, and "-3" where three are said to be missing."""
        newest = max(self._chunks, default=0)
        dropped = self._chunks[newest]["dropped"] if newest else 0
        told: list[int | str] = [f"-{dropped}"] if dropped else []
        return told + [
            f"-{entry['params']['count']}" if "params" in entry else entry["timestamp"] - 10_000
            for number in sorted(self._chunks)
            if number > newest - self._kept
            for entry in self._chunks[number]["entries"]
        ]

    def whole(self) -> list[int]:
        """The log with a number for each line that is said to be missing."""
        lines: list[int] = []
        for said in self.log():
            lines += range(len(lines), len(lines) + int(said[1:])) if isinstance(said, str) else [said]
        return lines


def begun(chunks: Chunks) -> tuple[Chunk, bytes, int]:
    """What is on its way, and how many lines of it."""
    chunk = chunks.due()
    assert chunk is not None
    return chunk, chunks.body(chunk), len(chunk.lines)


def put_away(chunks: Chunks, shelf: Shelf | None = None) -> list[int | str]:
    """The log after all that is due has been taken."""
    shelf = shelf or Shelf(kept=64)
    while chunk := chunks.due():
        shelf.take(chunks.body(chunk))
        chunks.stored(chunk, len(chunk.lines))
    return shelf.log()


def test_a_chunk_is_sent_again_while_it_grows() -> None:
    """It keeps its number, so that what was kept of it before is replaced."""
    chunks, shelf = Chunks(size=200), Shelf(kept=64)

    chunks.add(line(0))
    first = put_away(chunks, shelf)
    chunks.add(line(1))
    second = put_away(chunks, shelf)

    assert (first, second) == ([0], [0, 1])
    assert chunks.due() is None


def test_a_full_chunk_is_followed_by_another() -> None:
    """Lines keep their order over all chunks."""
    chunks = Chunks(size=100)

    became_full = [chunks.add(line(number)) for number in range(5)]

    assert became_full == [False, True, False, True, False]
    assert put_away(chunks) == [0, 1, 2, 3, 4]


def test_what_is_written_while_a_chunk_is_on_its_way_is_sent_after_it() -> None:
    """Only the lines that were in it count as put away, also where it became full meanwhile."""
    chunks = Chunks(size=150)
    chunks.add(line(0))
    on_its_way, _, lines = begun(chunks)

    chunks.add(line(1))
    chunks.add(line(2))
    chunks.stored(on_its_way, lines)

    assert put_away(chunks) == [0, 1, 2]


def test_while_nobody_takes_them_the_oldest_chunks_go_and_the_next_says_so() -> None:
    """The end of a log is what one looks at when something went wrong."""
    chunks = Chunks(size=100, backlog=2)

    for number in range(11):
        chunks.add(line(number))

    assert put_away(chunks) == ["-6", 6, 7, 8, 9, 10]


def test_what_is_on_its_way_is_not_dropped() -> None:
    """It may have arrived: what follows it goes, and is said to be missing where it is."""
    chunks, shelf = Chunks(size=100, backlog=2), Shelf(kept=64)
    for number in range(4):
        chunks.add(line(number))
    on_its_way, body, lines = begun(chunks)

    for number in range(4, 11):
        chunks.add(line(number))
    shelf.take(body)
    chunks.stored(on_its_way, lines)

    assert put_away(chunks, shelf) == [0, 1, "-6", 8, 9, 10]


def test_a_gap_is_an_entry_of_the_page_and_time_of_the_next() -> None:
    """So that entries stay in their order."""
    chunks = Chunks(size=50, backlog=1)
    for number in range(3):
        chunks.add(line(number))

    _, body, _ = begun(chunks)

    gap, _ = json.loads(body)["entries"]
    params = {"count": 2}
    assert gap == {"method": "Wallcrawler.entriesDropped", "pageId": 7, "timestamp": 10_002, "params": params}


def test_what_falls_out_of_the_ring_is_counted_as_well() -> None:
    """The chunk that takes an old one's place says that it is gone."""
    chunks, told = Chunks(size=50, kept=3), []

    for number in range(6):
        chunks.add(line(number))
        chunk, body, lines = begun(chunks)
        told.append((chunk.number, json.loads(body)["dropped"]))
        chunks.stored(chunk, lines)

    assert told == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2), (6, 3)]


def test_a_chunk_that_is_refused_is_given_up_and_counted() -> None:
    """The next one goes all the same."""
    chunks = Chunks(size=100)
    for number in range(3):
        chunks.add(line(number))
    refused, _, _ = begun(chunks)

    chunks.refused(refused)

    assert put_away(chunks) == ["-2", 2]


def test_what_was_taken_of_a_chunk_is_not_missing_when_the_rest_is_refused() -> None:
    """Only the rest is."""
    chunks, shelf = Chunks(size=150), Shelf(kept=64)
    chunks.add(line(0))
    put_away(chunks, shelf)
    chunks.add(line(1))
    chunks.add(line(2))
    refused, _, _ = begun(chunks)

    chunks.refused(refused)
    chunks.add(line(3))

    assert put_away(chunks, shelf) == [0, "-2", 3]


def test_a_gap_that_was_taken_is_not_told_again() -> None:
    """It is before the lines that were taken with it, though the rest of their chunk is refused."""
    chunks, shelf = Chunks(size=150), Shelf(kept=64)
    for number in range(3):
        chunks.add(line(number))
    chunks.refused(begun(chunks)[0])
    chunks.add(line(3))
    taken = put_away(chunks, shelf)
    chunks.add(line(4))
    chunks.add(line(5))

    chunks.refused(begun(chunks)[0])
    chunks.add(line(6))

    assert taken == ["-3", 3]
    assert put_away(chunks, shelf) == ["-3", 3, "-2", 6]


def test_what_waits_is_bounded() -> None:
    """By BACKLOG full chunks; what is being written, and the last line of each, come on top."""
    chunks = Chunks()
    length = 60_000
    written = 3 * BACKLOG * CHUNK // length

    for number in range(written):
        chunks.add(line(number).ljust(length))

    lost, *lines = put_away(chunks)
    assert lost == f"-{written - len(lines)}"
    assert BACKLOG * CHUNK < len(lines) * length < (BACKLOG + 1) * (CHUNK + length)


steps = st.lists(st.sampled_from(["write", "write", "write", "send", "take", "refuse", "break"]), max_size=150)


@given(steps=steps, backlog=st.integers(1, 4), kept=st.integers(1, 6))
def test_whatever_happens_the_log_says_what_is_missing_and_where(steps: list[str], backlog: int, kept: int) -> None:
    """Every line that was written is there, or counted in its place: whether a chunk is taken, refused, or taken
    without anybody hearing of it; while it goes on as well as at the end."""
    chunks, shelf, written = Chunks(size=100, backlog=backlog, kept=kept), Shelf(kept), 0
    sent: tuple[Chunk, bytes, int] | None = None
    unheard: Chunk | None = None

    for step in steps:
        if step == "write":
            chunks.add(line(written))
            written += 1
        elif step == "send" and sent is None and chunks.due() is not None:
            sent = begun(chunks)
        elif sent is not None and step == "take":
            shelf.take(sent[1])
            chunks.stored(sent[0], sent[2])
            sent = None
        elif sent is not None and step == "break":
            shelf.take(sent[1])
            unheard, sent = sent[0], None
        elif sent is not None and step == "refuse" and sent[0] is not unheard:
            chunks.refused(sent[0])
            sent = None
        so_far = shelf.whole()
        assert so_far == list(range(len(so_far)))
    put_away(chunks, shelf)
    # What was refused last is told before what comes next.
    chunks.add(line(written))
    put_away(chunks, shelf)

    assert shelf.whole() == list(range(written + 1))
