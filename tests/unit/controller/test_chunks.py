"""The log in chunks: nothing is put away twice for good, nothing is lost in silence, and memory is bounded."""

from __future__ import annotations

import json

from controller.chunks import Chunk, Chunks


def put_away(chunks: Chunks) -> dict[int, list[int]]:
    """All that is due, as somebody would have it who keeps the last of each number."""
    kept: dict[int, list[int]] = {}
    while chunk := chunks.due():
        kept[chunk.number] = json.loads(chunk.body(chunks.dropped))["entries"]
        chunks.stored(chunk, len(chunk.lines))
    return kept


def test_a_chunk_is_sent_again_while_it_grows() -> None:
    """It keeps its number, so that what was kept of it before is replaced."""
    chunks = Chunks(size=4)

    chunks.add(b"1")
    first = put_away(chunks)
    chunks.add(b"2")
    second = put_away(chunks)

    assert first == {1: [1]}
    assert second == {1: [1, 2]}
    assert chunks.due() is None


def test_a_full_chunk_is_followed_by_another() -> None:
    """Lines keep their order over all chunks."""
    chunks = Chunks(size=2)

    became_full = [chunks.add(b"%d" % number) for number in range(5)]

    assert became_full == [False, True, False, True, False]
    assert put_away(chunks) == {1: [0, 1], 2: [2, 3], 3: [4]}


def test_what_is_written_while_a_chunk_is_on_its_way_is_sent_after_it() -> None:
    """Only the lines that were in it count as put away, also where it became full meanwhile."""
    chunks = Chunks(size=3)
    chunks.add(b"1")
    on_its_way = chunks.due()
    assert on_its_way is not None

    chunks.add(b"2")
    chunks.add(b"3")
    chunks.stored(on_its_way, 1)

    assert put_away(chunks) == {1: [1, 2, 3]}


def test_while_nobody_takes_them_the_oldest_chunks_are_dropped_and_counted() -> None:
    """The end of a log is what one looks at when something went wrong."""
    chunks = Chunks(size=2, backlog=2)

    for number in range(11):
        chunks.add(b"%d" % (number % 10))

    assert chunks.dropped == 6
    assert put_away(chunks) == {4: [6, 7], 5: [8, 9], 6: [0]}


def test_what_falls_out_of_the_ring_is_counted_as_well() -> None:
    """The chunk that takes an old one's place says that it is gone."""
    chunks = Chunks(size=1, kept=3)
    told = []

    for _ in range(6):
        chunks.add(b"1")
        while chunk := chunks.due():
            told.append((chunk.number, json.loads(chunk.body(chunks.dropped))["dropped"]))
            chunks.stored(chunk, len(chunk.lines))

    assert told == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2), (6, 3)]


def test_a_chunk_that_is_refused_is_given_up_and_counted() -> None:
    """The next one goes all the same."""
    chunks = Chunks(size=2)
    for number in range(3):
        chunks.add(b"%d" % number)
    refused = chunks.due()
    assert isinstance(refused, Chunk)

    chunks.refused(refused)

    assert chunks.dropped == 2
    assert put_away(chunks) == {2: [2]}
