"""Connections through an egress, over real sockets."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from ipaddress import ip_address

import pytest

from tests.characters import sites
from tests.eventually import eventually
from tests.integration.egress.conftest import Stand
from wallcrawler.egress.policy import Policy, destinations

LOOPBACK = ip_address("127.0.0.1")
REFUSED, UNREACHABLE = 2, 4


def test_a_connection_is_a_tunnel_that_stays(stand: Stand) -> None:
    """Many requests on it, unchanged, by name or address; `localhost` needs no resolver."""
    standing = stand(names={"shop.example": [LOOPBACK]})

    with sites.running() as site:
        with standing.visit("shop.example", site.port) as visitor:
            answers = [visitor.get("/one", "shop.example"), visitor.get("/two", "shop.example", "POST", b"x" * 300_000)]
        with standing.visit("localhost", site.port) as visitor:
            answers.append(visitor.get("/three", "localhost"))

    assert [(status, len(body)) for status, body in answers] == [(200, 23), (200, 300_000), (200, 23)]
    assert site.asked == ["GET /one @shop.example", "POST /two @shop.example", "GET /three @localhost"]
    assert standing.egress.counts.connections == 2


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "2852039166", "0xa9.0xfe.0xa9.0xfe", "::ffff:169.254.169.254", "fd00:ec2::254", "0.0.0.0"],
)
def test_a_refusal_is_a_page_that_says_why(stand: Stand, host: str) -> None:
    """Where the request is plain HTTP; and it is told once, with nothing of the request but its host."""
    standing = stand()

    with standing.visit(host, 80) as visitor:
        status, body = visitor.get("/latest/meta-data/?token=secret", host)

    assert status == 403
    assert b"browsers never reach" in body
    assert b"secret" not in body
    assert [refused for refused, _ in standing.refused] == [host]


def test_a_refused_page_ends_its_connection(stand: Stand) -> None:
    """So that nothing more is sent to nobody; and a WebSocket gets the same answer."""
    standing = stand()

    with standing.visit("169.254.169.254", 80) as visitor:
        visitor.say(b"GET /chat HTTP/1.1\r\nHost: 169.254.169.254\r\nUpgrade: websocket\r\n\r\n")
        answer = visitor.hear()
        while more := visitor.hear():
            answer += more

    assert answer.startswith(b"HTTP/1.1 403 ")


def test_tls_that_is_refused_gets_no_connection(stand: Stand) -> None:
    """On its usual port before it begins, and on another one as soon as it does."""
    standing = stand()

    with standing.visit("169.254.169.254", 443) as visitor:
        assert visitor.outcome == REFUSED
    with standing.visit("169.254.169.254", 8443) as visitor:
        visitor.say(b"\x16\x03\x01\x02\x00")
        assert visitor.hear() == b""


def test_a_name_that_comes_to_lead_inside_is_refused_from_then_on(stand: Stand) -> None:
    """DNS rebinding: what counts is the address that the connection is made to, each time."""
    names = {"rebound.example": [LOOPBACK]}
    standing = stand(policy=Policy(open=destinations(["127.0.0.1"])), names=names)

    with sites.running() as site:
        with standing.visit("rebound.example", site.port) as visitor:
            before = visitor.get("/", "rebound.example")[0]
        names["rebound.example"] = [ip_address("169.254.169.254")]
        standing.egress.rules.resolver._known.clear()
        with standing.visit("rebound.example", site.port) as visitor:
            after = visitor.get("/", "rebound.example")[0]

    assert (before, after) == (200, 403)
    assert "169.254.169.254" in standing.refused[0][1]


def test_of_several_addresses_only_those_are_tried_that_may_be(stand: Stand) -> None:
    """A name may have an address inside beside one outside: the one inside is never connected to."""
    standing = stand(
        policy=Policy(private=True, shut=destinations(["127.0.0.2"])),
        names={"both.example": [ip_address("127.0.0.2"), LOOPBACK]},
    )

    with sites.running() as site, standing.visit("both.example", site.port) as visitor:
        status, _ = visitor.get("/", "both.example")

    assert status == 200
    assert not standing.refused


def test_an_address_that_does_not_answer_costs_little(stand: Stand) -> None:
    """The next one is tried beside it."""
    standing = stand(names={"half.example": [ip_address("127.0.0.9"), ip_address("::1"), LOOPBACK]})

    with sites.running() as site, standing.visit("half.example", site.port) as visitor:
        assert visitor.get("/", "half.example")[0] == 200


def test_ports_of_guests_are_closed_to_their_pages(stand: Stand) -> None:
    """Whatever they are called; and the session's own connect URL is open, in its own spelling."""
    with sites.running() as site, sites.running() as guest:
        policy = Policy(private=True, own=destinations([f"127.0.0.1:{guest.port}"]))
        standing = stand(policy=policy)
        standing.machine.mark(site.port, guest.port)
        statuses = {}
        for host, port in (
            ("127.0.0.1", site.port),
            ("127.1", site.port),
            ("localhost", site.port),
            ("127.0.0.1", guest.port),
            ("localhost", guest.port),
        ):
            with standing.visit(host, port) as visitor:
                statuses[host, port == guest.port] = visitor.get("/", host)[0]

    assert [own for own, status in statuses.items() if status == 200] == [("127.0.0.1", True)]
    assert all("internal to Wallcrawler" in why for _, why in standing.refused)


def test_the_control_plane_is_closed_by_name_and_by_address(stand: Stand) -> None:
    """A name of a page's own that leads to it does not help, also where private ranges are open."""
    with sites.running() as api:
        standing = stand(
            places=destinations([f"api.internal:{api.port}"]),
            names={"api.internal": [LOOPBACK], "mine.example": [LOOPBACK]},
        )
        for host in ("api.internal", "127.0.0.1", "mine.example"):
            with standing.visit(host, api.port) as visitor:
                assert visitor.get("/v1/sessions", host)[0] == 403

    assert not api.asked


def test_what_is_not_there_is_a_failure_and_no_refusal(stand: Stand) -> None:
    """No such name, and nobody who listens."""
    standing = stand()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]

    with standing.visit("nowhere.example", 80) as visitor:
        assert visitor.outcome == UNREACHABLE
    with standing.visit("127.0.0.1", closed) as visitor:
        assert visitor.outcome == UNREACHABLE
    assert not standing.refused


def test_ads_are_blocked_without_a_word(stand: Stand) -> None:
    """The domain and all below it, and nothing that only ends alike."""
    standing = stand(ads=["ads.example"], names={"www.ads.example": [LOOPBACK], "myads.example": [LOOPBACK]})

    with sites.running() as site:
        with standing.visit("www.ads.example", site.port) as visitor:
            assert visitor.outcome == REFUSED
        with standing.visit("myads.example", site.port) as visitor:
            assert visitor.get("/", "myads.example")[0] == 200
    assert standing.egress.counts.blocked == 1
    assert not standing.refused


def test_whoever_does_not_read_holds_up_whoever_writes(stand: Stand) -> None:
    """A download that nobody reads does not pile up here."""
    sent = 0

    def pour(server: socket.socket) -> None:
        nonlocal sent
        client, _ = server.accept()
        client.settimeout(0.5)
        with client:
            try:
                while sent < 64 << 20:
                    sent += client.send(b"x" * 65_536)
            except TimeoutError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        pouring = threading.Thread(target=pour, args=(server,))
        pouring.start()
        with stand().visit("127.0.0.1", server.getsockname()[1]):
            pouring.join(20)

    assert 0 < sent < 32 << 20


def test_both_sides_end_together(stand: Stand) -> None:
    """Whoever ends first, the other side is told."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        standing = stand()
        with standing.visit("127.0.0.1", server.getsockname()[1]) as visitor:
            accepted, _ = server.accept()
            accepted.sendall(b"bye")
            accepted.close()
            assert visitor.hear() + visitor.hear() == b"bye"
        visitor = standing.visit("127.0.0.1", server.getsockname()[1])
        accepted, _ = server.accept()
        visitor.close()
        accepted.settimeout(5)
        assert accepted.recv(1) == b""
        accepted.close()


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x04\x01\x00\x50", b"\x05\x01\x02", b"\x05\x01\x00\x05\x02\x00\x01\x7f\0\0\1\0\x50"],
)
def test_what_is_no_socks_is_closed(stand: Stand, garbage: bytes) -> None:
    """A page can't speak to the port itself; were it to, it learns nothing."""
    with socket.create_connection(("127.0.0.1", stand().port), timeout=5) as client:
        client.sendall(garbage)
        heard = b"".join(iter(lambda: client.recv(100), b""))

    assert heard in {b"", b"\x05\x00"}


def test_nothing_of_this_machine_is_reached_before_its_ports_are_known(stand: Stand) -> None:
    """Chrome's own port is not known before Chrome runs: who is faster waits for it."""
    standing = stand(policy=replace(Policy(), private=True))
    standing.machine.complete.clear()

    with sites.running() as site:
        answers: list[int] = []

        def visit() -> None:
            with standing.visit("127.0.0.1", site.port) as visitor:
                answers.append(visitor.get("/", "127.0.0.1")[0])

        visiting = threading.Thread(target=visit)
        visiting.start()
        eventually(lambda: standing.egress.counts.connections == 1)
        assert not site.asked
        standing.machine.mark(site.port)
        standing.release()
        visiting.join(5)

    assert answers == [403]
