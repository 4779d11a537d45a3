"""Bodies without their content encodings, a bounded piece at a time."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.fetch.decoding import Undecodable, decoded


def bare(body: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(body) + packing.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress), ("Deflate", bare), ("", bytes)],
)
@given(body=st.binary(max_size=2000) | st.integers(0, 300_000).map(bytes), size=st.integers(1, 3000))
def test_a_body_comes_out_as_it_went_in(encoding: str, pack: Callable[[bytes], bytes], body: bytes, size: int) -> None:
    """In whatever pieces it came, and in pieces of a bounded size where it was packed."""
    packed = pack(body)
    chunks = [packed[start : start + size] for start in range(0, len(packed), size)]

    pieces = list(decoded(chunks, encoding, at_once=4096))

    assert b"".join(pieces) == body
    assert not encoding or all(len(piece) <= 4096 for piece in pieces)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, br", "nonsense"])
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    """Each further one is a way to grow without bounds."""
    with pytest.raises(Undecodable, match="not asked for"):
        list(decoded([b"x"], encoding, at_once=4096))


@pytest.mark.parametrize(
    "body", [b"\x1f", b"no gzip at all", gzip.compress(b"cut" * 1000)[:-9]], ids=["too short", "other", "cut"]
)
def test_what_is_broken_or_cut_is_said(body: bytes) -> None:
    """Half of a body is not taken for the whole."""
    with pytest.raises(Undecodable, match="its body"):
        list(decoded([body], "gzip", at_once=4096))


def test_nothing_is_nothing_whatever_it_is_called() -> None:
    """A redirect or a 304 may name an encoding and have no body."""
    assert list(decoded([], "gzip", at_once=4096)) == []
