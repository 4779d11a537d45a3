"""A body without its content encodings, a bounded piece at a time: a few kilobytes may hold gigabytes.

Only gzip and deflate are known. HTTP clients' own decoders unpack a whole chunk at once, whatever it grows to.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

#: zlib's word for "with a header of gzip's or zlib's, whichever it is", and for none.
_HEADED, _BARE = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS


class Undecodable(Exception):
    """The body is not what its content-encoding says."""


def decoded(chunks: Iterable[bytes], encodings: str, *, at_once: int) -> Iterator[bytes]:
    """The body in pieces of at most `at_once` bytes where it is encoded. Raises Undecodable."""
    names = {name.strip().lower() for name in encodings.split(",")} - {"", "identity"}
    if not names:
        yield from chunks
    elif len(names) == 1 and names <= {"gzip", "x-gzip", "deflate"} and "," not in encodings:
        yield from _inflated(chunks, at_once)
    else:
        raise Undecodable("its body has a content-encoding that was not asked for")


def _inflated(chunks: Iterable[bytes], at_once: int) -> Iterator[bytes]:
    inflating, rest = None, b""
    try:
        for chunk in chunks:
            rest += chunk
            if inflating is None:
                if len(rest) < 2:
                    continue
                # Some servers send deflate without the header that it has by the book.
                inflating = zlib.decompressobj(_HEADED if _headed(rest) else _BARE)
            while not inflating.eof and (piece := inflating.decompress(rest, at_once)):
                rest = inflating.unconsumed_tail
                yield piece
            rest = b""
    except zlib.error:
        raise Undecodable("its body is not what its content-encoding says") from None
    if rest or (inflating is not None and not inflating.eof):
        raise Undecodable("its body ends before what its content-encoding says")


def _headed(body: bytes) -> bool:
    """Whether the body begins as gzip (RFC 1952) or zlib (RFC 1950) does."""
    return body[:2] == b"\x1f\x8b" or (body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0)
