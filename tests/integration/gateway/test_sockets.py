"""What goes through an open socket, what is put into it, and what it hears at its end."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.eventually import eventually
from tests.integration.gateway.grounds import Ground, PuppetGuest, RunningGateway, closed_with, raw_client, text
from wallcrawler.lifecycle import Event
from wallcrawler.wire.frames import close

pytestmark = pytest.mark.queue


@contextmanager
def client(gateway: RunningGateway, token: str) -> Iterator[ClientConnection]:
    """One that does not wait for a puppet to answer its goodbye, and sends no pings of its own."""
    with connect(gateway.url(token), close_timeout=0.1, ping_interval=None, max_size=None) as connection:
        yield connection


def taken(theirs: socket.socket, message: bytes, *, times: int) -> Iterator[int]:
    """Bytes that the socket takes of the message so many times, until it takes no more."""
    for _ in range(times):
        try:
            yield theirs.send(message)
        except TimeoutError:
            return


def metric(gateway: RunningGateway, name: str, labels: str = "") -> float:
    numbers = httpx.get(f"{gateway.origin}/metrics").text
    found = re.search(rf"^{name}{re.escape(labels)} (\S+)$", numbers, re.MULTILINE)
    return float(found[1]) if found else 0.0


def carried(gateway: RunningGateway, direction: str) -> float:
    return metric(gateway, "wallcrawler_gateway_bytes_total", f'{{direction="{direction}"}}')


def opened(gateway: RunningGateway) -> float:
    return metric(gateway, "wallcrawler_gateway_open_sockets")


def test_bytes_go_both_ways_unread(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """What the client says arrives masked as it was, and the guest's large answer whole; each byte is counted once."""
    large = text(b"y" * 5_000_000)
    with client(gateway, ground.token(ground.ready(guest.address).id)) as connection:
        theirs = guest.accepted()
        before = carried(gateway, "to_client"), carried(gateway, "to_browser")
        connection.send("hello")
        heard = theirs.recv(100)
        theirs.sendall(large)
        answer = connection.recv(timeout=10)
        after = carried(gateway, "to_client"), carried(gateway, "to_browser")

    assert (len(heard), heard[0], heard[1]) == (11, 0x81, 0x80 | 5)
    assert answer == "y" * 5_000_000
    assert (after[0] - before[0], after[1] - before[1]) == (len(large), len(heard))


def test_many_clients_of_one_session(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """Each has its guest's socket to itself; one's leaving is not the other's; one read of the record is for both."""
    eventually(lambda: opened(gateway) == 0)
    token = ground.token(ground.ready(guest.address).id)
    read = metric(gateway, "wallcrawler_gateway_lookups_total", '{result="miss"}')
    with client(gateway, token) as one:
        to_one = guest.accepted()
        with client(gateway, token):
            guest.accepted()
            both = opened(gateway)
        to_one.sendall(text(b"still here"))
        heard = one.recv(timeout=5)

        assert (heard, both) == ("still here", 2)
        eventually(lambda: opened(gateway) == 1)
    assert metric(gateway, "wallcrawler_gateway_lookups_total", '{result="miss"}') == read + 1


def test_the_guests_own_close_frame_passes(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """It knows best why it ends."""
    with client(gateway, ground.token(ground.ready(guest.address).id)) as connection:
        theirs = guest.accepted()
        theirs.sendall(close(4002, "timed_out"))
        theirs.close()

        assert closed_with(connection) == (4002, "timed_out")


def test_a_guest_that_dies_without_a_word(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """The client hears from the gateway what the record says, as soon as it does."""
    session = ground.ready(guest.address)
    with client(gateway, ground.token(session.id)) as connection:
        guest.accepted()
        guest.die()
        ground.end(session, "task_stopped:SIGKILL")
        began = time.monotonic()

        assert closed_with(connection) == (4012, "task_stopped:SIGKILL")
        assert time.monotonic() - began < 1


def test_a_death_that_nobody_explains(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """After two seconds the client is told as much as is known."""
    with client(gateway, ground.token(ground.ready(guest.address).id)) as connection:
        guest.accepted()
        guest.die()
        began = time.monotonic()

        assert closed_with(connection) == (1011, "the browser went away")
        assert 1.5 < time.monotonic() - began < 4


def test_a_page_that_is_closed_alone(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """Its guest serves on, so that there is no reason of the session's: closed as the guest closed it, and at once."""
    with client(gateway, ground.token(ground.ready(guest.address).id)) as connection:
        guest.accepted().close()
        began = time.monotonic()

        assert closed_with(connection) is None
        assert time.monotonic() - began < 1


def test_a_guest_that_is_ending_is_not_waited_for_in_vain(
    ground: Ground, gateway: RunningGateway, guest: PuppetGuest
) -> None:
    """It still answers, and says that it ends."""
    session = ground.ready(guest.address)
    guest.phase = "ending"
    with client(gateway, ground.token(session.id)) as connection:
        guest.accepted().close()
        ground.end(session, "released")

        assert closed_with(connection) == (4000, "released")


def test_nothing_is_put_into_the_middle_of_a_frame(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """A guest that dies half way through a message leaves no place for a reason."""
    session, half = ground.ready(guest.address), text(b"z" * 1000)[:500]
    with raw_client(gateway.netloc, ground.token(session.id)) as connection:
        guest.accepted().sendall(half)
        heard = connection.recv(1000)
        guest.die()
        ground.end(session, "out_of_memory")

        assert heard + connection.makefile("rb").read() == half


def test_what_a_client_says_to_nobody_is_dropped(
    ground: Ground, gateway: RunningGateway, guest: PuppetGuest, caplog: pytest.LogCaptureFixture
) -> None:
    """While it waits for the reason; it is no cause for a line a message."""
    session = ground.ready(guest.address)
    with client(gateway, ground.token(session.id)) as connection:
        guest.accepted()
        guest.die()
        for _ in range(10):
            said = carried(gateway, "to_browser")
            connection.send("anybody?")
            # One message at a time: each would be a write of its own.
            eventually(lambda: carried(gateway, "to_browser") > said)  # noqa: B023
        ground.end(session, "out_of_memory")

        assert closed_with(connection) == (4011, "out_of_memory")
    assert caplog.records == []


def test_an_idle_socket_is_pinged_between_frames(ground: Ground, guest: PuppetGuest) -> None:
    """Never in the middle of one, not while there is traffic, and the pong reaches the guest."""
    with ground.gateway(ping_every=0.1) as gateway, client(gateway, ground.token(ground.ready(guest.address).id)):
        theirs = guest.accepted()
        pong = theirs.recv(100)
        idle = metric(gateway, "wallcrawler_gateway_pings_total")
        theirs.sendall(text(b"half")[:3])
        theirs.settimeout(0.5)
        with pytest.raises(TimeoutError):
            theirs.recv(100)
        cut = metric(gateway, "wallcrawler_gateway_pings_total")
        theirs.sendall(text(b"half")[3:])
        theirs.settimeout(5)
        again = theirs.recv(100)

    assert (pong[0], pong[1]) == (again[0], again[1]) == (0x8A, 0x80)
    assert cut - idle <= 1


def test_a_client_that_does_not_read_costs_no_memory(
    ground: Ground, gateway: RunningGateway, guest: PuppetGuest
) -> None:
    """What it leaves unread stays with the guest: the gateway takes a megabyte or two and no more."""
    token = ground.token(ground.ready(guest.address).id)
    with raw_client(gateway.netloc, token) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        theirs = guest.accepted()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        theirs.settimeout(0.5)
        sent = sum(taken(theirs, text(b"m" * 65_000), times=1500))

        # What the kernels of three sockets hold, and the gateway's own megabyte.
        assert sent < 20_000_000


def test_what_is_known_of_a_session_ends_with_the_bell(
    ground: Ground, gateway: RunningGateway, guest: PuppetGuest
) -> None:
    """The address was known, and is not used once the end was rung: no guest is bothered."""
    session = ground.ready(guest.address)
    token = ground.token(session.id)
    with client(gateway, token):
        guest.accepted()
    asked = len(guest.heads)

    ground.end(session, "released", event=Event.DRAINED)

    eventually(lambda: refused_with(gateway, token) == 410)
    assert len(guest.heads) == asked


def refused_with(gateway: RunningGateway, token: str) -> int:
    return httpx.get(f"{gateway.origin}/json", headers={"x-bb-signing-key": token}).status_code
