"""Connections through an egress that leads through proxies, over real sockets."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.authority import LOOPBACK as LOOPBACK_NAMES
from tests.authority import issue
from tests.characters import proxies, sites
from tests.integration.egress.conftest import Stand
from wallcrawler.egress.policy import Policy, destinations
from wallcrawler.egress.routes import Rule, Upstream

LOOPBACK = ip_address("127.0.0.1")
REFUSED, FAILED = 2, 1

#: With a colon in the password, and what URLs would have to escape.
CREDENTIALS = ("user@example", "p:a ss/w%rd")


@dataclass(frozen=True)
class Secrecy:
    """TLS for a server on 127.0.0.1, for those who trust it, and a file of what they trust."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    trusted: Path


@pytest.fixture
def secrecy(tmp_path: Path) -> Secrecy:
    identity, pem, trusted = issue("a server", names=LOOPBACK_NAMES), tmp_path / "server.pem", tmp_path / "ca.pem"
    pem.write_bytes(identity.pem + identity.key_bytes())
    trusted.write_bytes(identity.pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return Secrecy(server, ssl.create_default_context(cafile=str(trusted)), trusted)


def rule(scheme: str, port: int, pattern: str | None = None, credentials: tuple[str, str] = ("", "")) -> Rule:
    return Rule(pattern, Upstream(scheme, "127.0.0.1", port, *credentials))


def test_plain_http_goes_to_an_http_proxy_in_its_absolute_form(stand: Stand) -> None:
    """Several requests on one connection, bodies too, each with the password; and nothing of that reaches the site."""
    with (
        sites.running() as site,
        proxies.running("http", {"shop.example": ("127.0.0.1", site.port)}, credentials=CREDENTIALS) as (port, knows),
    ):
        standing = stand(rules=[rule("http", port, credentials=CREDENTIALS)])
        with standing.visit("shop.example", 80) as visitor:
            first = visitor.get("/one?q=1", "shop.example")
            second = visitor.get("/two", "shop.example", "POST", b"y" * 100_000)

    assert (first[0], second) == (200, (200, b"y" * 100_000))
    assert knows.asked == ["GET http://shop.example/one?q=1", "POST http://shop.example/two"]
    assert knows.connections == 1
    assert site.asked == ["GET /one?q=1 @shop.example", "POST /two @shop.example"]
    assert standing.egress.counts.proxy_bytes > 200_000


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_tls_is_tunnelled(stand: Stand, secrecy: Secrecy, scheme: str) -> None:
    """The site's own certificate is what the browser sees, the proxy resolves the name, and every byte is counted."""
    with (
        sites.running(context=secrecy.server) as site,
        proxies.running(scheme, {"shop.example": ("127.0.0.1", site.port)}, credentials=CREDENTIALS) as (port, knows),
    ):
        standing = stand(rules=[rule(scheme, port, credentials=CREDENTIALS)])
        with standing.visit("shop.example", 443) as visitor:
            visitor.secured("127.0.0.1", secrecy.client)
            status, _ = visitor.get("/", "127.0.0.1")

    assert status == 200
    assert knows.asked == [{"http": "CONNECT shop.example:443", "socks5": "SOCKS shop.example:443"}[scheme]]
    assert standing.egress.counts.proxy_bytes > 1000


@pytest.mark.parametrize("credentials", [CREDENTIALS, None])
def test_a_socks_proxy_gets_everything_as_it_is(stand: Stand, credentials: tuple[str, str] | None) -> None:
    """Plain HTTP too; addresses as addresses; with a password (RFC 1929) or without."""
    with (
        sites.running() as site,
        proxies.running("socks5", {"shop.example": ("127.0.0.1", site.port)}, credentials=credentials) as (port, knows),
    ):
        standing = stand(rules=[rule("socks5", port, credentials=credentials or ("", ""))])
        with standing.visit("shop.example", 80) as visitor:
            assert visitor.get("/", "shop.example")[0] == 200
        with standing.visit("127.0.0.1", site.port) as visitor:
            assert visitor.get("/", "127.0.0.1")[0] == 200

    assert knows.asked == ["SOCKS shop.example:80", f"SOCKS 127.0.0.1:{site.port}"]


def test_a_proxy_is_spoken_to_in_tls_where_it_is_https(
    stand: Stand, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its certificate is checked: one that nobody has issued gets neither password nor request."""
    names = {"shop.example": ("127.0.0.1", 9)}
    with (
        sites.running() as site,
        proxies.running("http", names, credentials=CREDENTIALS, context=secrecy.server) as (port, knows),
    ):
        names["shop.example"] = ("127.0.0.1", site.port)
        standing = stand(rules=[rule("https", port, credentials=CREDENTIALS)])
        with standing.visit("shop.example", 80) as visitor:
            untrusted, body = visitor.get("/", "shop.example")
        assert not knows.asked
        monkeypatch.setenv("SSL_CERT_FILE", str(secrecy.trusted))
        with standing.visit("shop.example", 80) as visitor:
            trusted, _ = visitor.get("/", "shop.example")

    assert (untrusted, trusted) == (502, 200)
    assert f"https://127.0.0.1:{port}".encode() in body


def test_a_websocket_is_tunnelled_also_where_it_is_plain(stand: Stand) -> None:
    """An upgrade is a connection's own; an absolute form of it would go wrong in many proxies."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        proxies.running("http", {"chat.example": server.getsockname()}) as (port, knows),
    ):
        standing = stand(rules=[rule("http", port)])
        with standing.visit("chat.example", 80) as visitor:
            visitor.say(b"GET /chat HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\n\r\n")
            accepted, _ = server.accept()
            heard = accepted.recv(1000)
            accepted.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            answer = visitor.hear()
            accepted.close()

    assert knows.asked == ["CONNECT chat.example:80"]
    assert heard.startswith(b"GET /chat HTTP/1.1\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("first", [b"\x16\x03\x01\x02\x00", b"\x00\x01\x00\x00\x21\x12\xa4\x42"])
def test_what_is_no_http_is_tunnelled_on_any_port(stand: Stand, first: bytes) -> None:
    """TLS elsewhere than on 443, and protocols that the egress has never heard of: nobody waits for a head."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        proxies.running("http", {"turn.example": server.getsockname()}) as (port, knows),
        stand(rules=[rule("http", port)]).visit("turn.example", 3478) as visitor,
    ):
        visitor.say(first)
        accepted, _ = server.accept()
        with accepted:
            heard = accepted.recv(100)

    assert (heard, knows.asked) == (first, ["CONNECT turn.example:3478"])


def test_the_first_rule_that_matches_decides(stand: Stand) -> None:
    """And where none does, it is reached directly."""
    with sites.running() as site, proxies.running("http", {}) as (port, knows):
        place = ("127.0.0.1", site.port)
        knows.names.update({"a.example": place, "b.test": place})
        rules = [Rule("direct.test", None), rule("http", port, ".*\\.test"), rule("http", port, "a.example")]
        standing = stand(rules=rules, names={"direct.test": [LOOPBACK], "c.example": [LOOPBACK]})
        for host in ("direct.test", "b.test", "a.example", "c.example"):
            with standing.visit(host, site.port) as visitor:
                assert visitor.get("/", host)[0] == 200

    assert [asked.split("/")[2].partition(":")[0] for asked in knows.asked] == ["b.test", "a.example"]


def test_the_sessions_own_connect_url_is_never_captured(stand: Stand) -> None:
    """A runtime inside of the browser opens it, whatever the proxies are."""
    with sites.running() as guest, proxies.running("http", {}) as (port, knows):
        policy = Policy(own=destinations([f"127.0.0.1:{guest.port}"]), open=destinations([f"127.0.0.1:{port}"]))
        with stand(policy=policy, rules=[rule("http", port)]).visit("127.0.0.1", guest.port) as visitor:
            assert visitor.get("/", "127.0.0.1")[0] == 200

    assert not knows.asked


@pytest.mark.parametrize("host", ["169.254.169.254", "0xa9fea9fe", "::ffff:a9fe:a9fe", "metadata.google.internal"])
def test_no_proxy_is_asked_for_metadata(stand: Stand, host: str) -> None:
    """It may run where there is some."""
    with proxies.running("http", {}) as (port, knows), stand(rules=[rule("http", port)]).visit(host, 80) as visitor:
        assert visitor.get("/", host)[0] == 403

    assert not knows.asked


def test_a_proxy_beside_us_is_not_asked_for_what_is_internal_here(stand: Stand) -> None:
    """It resolves names as this machine does: one that leads inside is looked at before."""
    with sites.running() as api, proxies.running("http", {}) as (port, knows):
        standing = stand(
            rules=[rule("http", port)],
            names={"mine.example": [LOOPBACK], "meta.example": [ip_address("169.254.169.254")]},
            places=destinations([f"127.0.0.1:{api.port}"]),
        )
        for host, place in (("mine.example", api.port), ("meta.example", 80)):
            with standing.visit(host, place) as visitor:
                assert visitor.get("/", host)[0] == 403

    assert not knows.asked


def test_a_callers_proxy_may_be_in_a_private_range_where_these_are_open(stand: Stand) -> None:
    """And is refused elsewhere; the operator's own pool may be anywhere but at a metadata service."""
    with sites.running() as site, proxies.running("http", {"shop.example": ("127.0.0.1", site.port)}) as (port, _):
        callers, operators = (Upstream("http", "127.0.0.1", port, trusted=trusted) for trusted in (False, True))
        statuses = []
        for upstream in (callers, operators, Upstream("http", "169.254.169.254", 80, trusted=True)):
            with stand(policy=Policy(), rules=[Rule(None, upstream)]).visit("shop.example", 80) as visitor:
                statuses.append(visitor.get("/", "shop.example")[0])

    assert statuses == [403, 200, 403]


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_wrong_password_is_said_in_words_that_do_not_hold_it(stand: Stand, scheme: str) -> None:
    """In a page where the request is plain HTTP; Chrome is never asked for it."""
    with proxies.running(scheme, {}, credentials=CREDENTIALS) as (port, _):
        standing = stand(rules=[rule(scheme, port, credentials=("user", "wrong-one"))])
        with standing.visit("shop.example", 80) as visitor:
            status, body = visitor.get("/", "shop.example")
        with standing.visit("shop.example", 443) as visitor:
            outcome = visitor.outcome

    assert (status, outcome) == (502, FAILED)
    assert b"does not accept the username and password" in body
    assert b"wrong-one" not in body


def test_a_proxy_that_is_not_there_is_named(stand: Stand) -> None:
    """Without its credentials."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with stand(rules=[rule("http", port, credentials=CREDENTIALS)]).visit("shop.example", 80) as visitor:
            status, body = visitor.get("/", "shop.example")

    assert status == 502
    assert f"http://127.0.0.1:{port} can&#x27;t be connected to".encode() in body
    assert b"user@example" not in body


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9\r\n\r\n", b"HTTP/1.1 503 No\r\n\r\n", b"\x05\xff", b"x" * 70_000]
)
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_talks_nonsense_is_a_failure(stand: Stand, scheme: str, answer: bytes) -> None:
    """Whatever it says, or leaves unsaid."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        standing = stand(rules=[rule(scheme, port)])
        visiting = socket.create_connection(("127.0.0.1", standing.port), timeout=10)
        visiting.sendall(b"\x05\x01\x00" + b"\x05\x01\x00\x03\x0cshop.example\x01\xbb")
        accepted, _ = server.accept()
        accepted.recv(1000)
        accepted.sendall(answer)
        accepted.close()
        heard = b"".join(iter(lambda: visiting.recv(100), b""))
        visiting.close()

    assert heard[2:4] == bytes((5, FAILED))
