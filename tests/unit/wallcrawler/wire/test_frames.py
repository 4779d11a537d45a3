"""Where frames begin and end, however the bytes arrive."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from wallcrawler.wire.frames import Boundary, close

OPCODES = [Opcode.CONT, Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG]

#: Around the places where a frame's length changes its form.
lengths = st.sampled_from([0, 1, 2, 124, 125, 126, 127, 128, 65_535, 65_536, 65_537]) | st.integers(0, 300)


def header(opcode: int, length: int, *, masked: bool, fin: bool = True) -> bytes:
    """RFC 6455, section 5.2, by hand."""
    first = (0x80 if fin else 0) | opcode
    mask = 0x80 if masked else 0
    if length < 126:
        form = bytes([first, mask | length])
    elif length < 65_536:
        form = bytes([first, mask | 126]) + struct.pack("!H", length)
    else:
        form = bytes([first, mask | 127]) + struct.pack("!Q", length)
    return form + (b"\x8f\xff\x00\x88" if masked else b"")


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    opcode, length = draw(st.sampled_from(OPCODES)), draw(lengths)
    # Payloads of bytes that look like headers of close frames, should anybody look into them.
    return header(opcode, length, masked=draw(st.booleans()), fin=draw(st.booleans())) + b"\x88" * length


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], list[int]]:
    """Some frames, and places to cut their bytes at."""
    sequence = draw(st.lists(frames(), min_size=1, max_size=6))
    length = sum(map(len, sequence))
    edges = [0]
    for frame in sequence:
        edges.append(edges[-1] + len(frame))
    near = [edge + step for edge in edges for step in (-1, 1, 2, 3, 9, 10, 13) if 0 < edge + step < length]
    places = st.integers(0, length) | st.sampled_from(edges)
    cuts = draw(st.lists(places | st.sampled_from(near) if near else places, max_size=12))
    return sequence, sorted({0, length, *cuts})


@given(stream=streams())
def test_it_stands_between_frames_exactly_there(stream: tuple[list[bytes], list[int]]) -> None:
    """Cut anywhere, the boundary is where a frame ends and nowhere else."""
    sequence, cuts = stream
    data = b"".join(sequence)
    edges = {sum(map(len, sequence[:count])) for count in range(len(sequence) + 1)}
    boundary = Boundary()

    for start, end in pairwise(cuts):
        boundary.feed(data[start:end])

        assert boundary.at == (end in edges)
        assert not boundary.closed


@given(before=st.lists(frames(), max_size=3), masked=st.booleans(), cut=st.integers(0, 200))
def test_a_close_frame_is_seen_wherever_it_is_cut(before: list[bytes], masked: bool, cut: int) -> None:
    """As soon as its header is whole, and for good."""
    stream = b"".join(before) + header(Opcode.CLOSE, 7, masked=masked) + b"\x03\xe8hello"
    boundary = Boundary()
    cut = min(cut, len(stream))

    for part in (stream[:cut], b"", stream[cut:]):
        boundary.feed(part)

    assert boundary.closed
    assert boundary.at
    boundary.feed(header(Opcode.TEXT, 1, masked=masked) + b"x")
    assert boundary.closed


def test_byte_by_byte() -> None:
    """The slowest sender there is."""
    stream = header(Opcode.TEXT, 300, masked=True) + b"x" * 300 + header(Opcode.CLOSE, 0, masked=True)
    boundary = Boundary()

    standing: list[int] = []
    for place in range(len(stream)):
        boundary.feed(stream[place : place + 1])
        if boundary.at:
            standing.append(place + 1)

    assert standing == [308, 314]
    assert boundary.closed


def test_a_stream_that_has_not_begun_stands_between_frames() -> None:
    """A close frame of ours may be the first."""
    boundary = Boundary()
    boundary.feed(b"")

    assert boundary.at
    assert not boundary.closed


# -- Our own close frame ----------------------------------------------------------------------------------------------


@given(code=st.integers(4000, 4999), reason=st.text(max_size=123).filter(lambda text: len(text.encode()) <= 123))
def test_a_close_frame_is_one_for_a_library_too(code: int, reason: str) -> None:
    """websockets reads the code and the reason that were put in."""
    reader = StreamReader()
    reader.feed_data(close(code, reason))
    parsing = Frame.parse(reader.read_exact, mask=False)

    with pytest.raises(StopIteration) as parsed:
        next(parsing)

    frame = parsed.value.value
    assert (frame.opcode, frame.fin) == (Opcode.CLOSE, True)
    assert Close.parse(bytes(frame.data)) == Close(code, reason)


@pytest.mark.parametrize("reason", ["x" * 123, "ß" * 61, "語" * 41, ""])
def test_the_longest_reason_fits(reason: str) -> None:
    """125 bytes of payload are what a control frame may have."""
    frame = close(4000, reason)

    assert len(frame) == 4 + len(reason.encode()) <= 127
    assert frame[1] == len(frame) - 2


@pytest.mark.parametrize("reason", ["x" * 124, "ß" * 62, "語" * 42, "x" * 70_000])
def test_a_longer_reason_is_refused(reason: str) -> None:
    """Rather than sent as a frame that clients fail on."""
    with pytest.raises(ValueError, match="at most 123 bytes"):
        close(4000, reason)
