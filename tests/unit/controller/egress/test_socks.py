"""SOCKS 5, in bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.egress import socks
from controller.egress.socks import Host, NotSocks, Reply, Target

GREETING = b"\x05\x01\x00"

REQUESTS = {
    b"\x05\x01\x00\x03\x0bexample.com\x01\xbb": Target("example.com", 443),
    b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50": Target("127.0.0.1", 80),
    b"\x05\x01\x00\x04" + b"\0" * 15 + b"\x01\x00\x50": Target("::1", 80),
}


@pytest.mark.parametrize("request_", REQUESTS)
@given(cuts=st.lists(st.integers(0, 40), max_size=4))
def test_a_target_is_read_however_its_bytes_arrive(request_: bytes, cuts: list[int]) -> None:
    """One answer to the greeting; what comes behind the request is kept."""
    whole, host, answers = GREETING + request_ + b"early", Host(), b""
    places = sorted({0, *(cut for cut in cuts if cut < len(whole)), len(whole)})
    for start, end in pairwise(places):
        if host.target is None:
            answers += host.feed(whole[start:end])
        else:
            host.early += whole[start:end]

    assert answers == b"\x05\x00"
    assert (host.target, host.early) == (REQUESTS[request_], b"early")


@pytest.mark.parametrize(
    "said",
    [
        b"GET /",
        b"\x04\x01",
        b"\x05\x01\x02",
        GREETING + b"\x05\x02\x00\x01\x7f",
        GREETING + b"\x05\x01\x00\x09\x7f",
        b"\x05" * 600,
    ],
)
def test_what_is_not_served_is_no_socks(said: bytes) -> None:
    """Another version, no method without a password, another command, another kind of address, and too much."""
    with pytest.raises(NotSocks):
        Host().feed(said)


@given(st.binary(min_size=1, max_size=64))
def test_garbage_is_refused_or_waited_for(said: bytes) -> None:
    """Never anything else."""
    host = Host()
    try:
        host.feed(said)
    except NotSocks:
        return

    assert said[0] == 5


def test_what_is_asked_of_a_proxy_is_what_is_read_here() -> None:
    """Both sides are of the same specification."""
    for target in (Target("example.com", 443), Target("127.0.0.1", 80), Target("::1", 65_535)):
        host = Host()
        host.feed(GREETING + socks.request(target))
        assert host.target == target
    assert socks.greeting(with_password=True) == b"\x05\x01\x02"
    assert socks.password("user", "wörd") == b"\x01\x04user\x05w\xc3\xb6rd"
    assert socks.reply(Reply.REFUSED) == b"\x05\x02\x00\x01" + b"\0" * 6
