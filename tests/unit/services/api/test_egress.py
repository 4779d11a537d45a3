"""What a create says of the network, from its body to the guest's plan."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.api.answers import Refusal
from services.api.egress import completed, plan
from services.api.guest.ads import ad_list
from tests.characters import HandClock
from tests.unit.services.api.paper import paper_ports
from tests.unit.services.api.test_creates import PROJECT, wish
from wallcrawler.egress.policy import Policy, destinations
from wallcrawler.egress.routes import Rule
from wallcrawler.local.tables import SqliteTables
from wallcrawler.wiring import Ports

POOL = SecretStr("http://user:pool-secret@one.example:3128,http://user:pool-secret@two.example:3128")


Made = Callable[..., Ports]


@pytest.fixture
def made(tmp_path: Path, tables: SqliteTables, clock: HandClock) -> Made:
    """Makes ports with the settings that the test wants."""
    return partial(paper_ports, tmp_path, tables, clock)


@pytest.fixture
def ports(made: Made) -> Ports:
    return made()


def planned(ports: Ports, **body: Any) -> dict[str, Any]:
    return dict(plan(wish(**body), PROJECT, ports).get("egress", {}))


def told(ports: Ports, **body: Any) -> Policy:
    """The policy that the guest gets."""
    asked = plan(wish(**body), PROJECT, ports)
    return Policy.from_wire(completed(asked, ports.settings)["egress"]["policy"])


def refused(ports: Ports, **body: Any) -> str:
    with pytest.raises(Refusal) as refusal:
        plan(wish(**body), PROJECT, ports)
    assert refusal.value.status == 400
    return refusal.value.message


def test_who_asks_for_nothing_costs_nothing(ports: Ports) -> None:
    """Nothing is stored, and the guest is still told the operator's policy."""
    assert planned(ports) == {}
    assert planned(ports, proxies=False, browserSettings={"allowedDomains": [], "blockAds": False}) == {}
    assert told(ports) == Policy(private=True, widens=True, own=destinations(["127.0.0.1"]))


@pytest.mark.parametrize(
    ("settings", "own", "direct"),
    [
        ({"mode": "embedded", "public_host": "browsers.example"}, ["browsers.example"], False),
        ({"mode": "aws", "gateway_url": "https://connect.example"}, ["connect.example:443"], False),
        ({"mode": "compose", "gateway_url": "http://127.0.0.1:8081/"}, ["127.0.0.1:8081"], False),
        ({"mode": "aws"}, [], True),
    ],
)
def test_the_guest_learns_where_connect_urls_lead(
    made: Made, settings: dict[str, Any], own: list[str], direct: bool
) -> None:
    """The gateway's place, or a host of which the guest knows the port, or its own address."""
    asked = completed({}, made(**settings).settings)["egress"]

    assert (asked["policy"]["own"], asked["direct"]) == (own, direct)


def test_a_session_narrows_what_it_may_reach(ports: Ports) -> None:
    """Its lists come on top of the operator's."""
    policy = told(
        ports, egress={"allow": ["127.0.0.1:3000"], "deny": ["*.Example.com", "10.0.0.0/8"], "allowPrivate": False}
    )

    assert policy.allow == destinations(["127.0.0.1:3000"])
    assert policy.deny == destinations(["*.example.com", "10.0.0.0/8"])
    assert not policy.private


def test_a_session_widens_only_what_is_left_to_it(made: Made) -> None:
    """Told at its create where that can be seen, and at the connection where it can't."""
    closed, lent = made(mode="aws"), made(mode="aws", egress_widen=True)

    assert "WALLCRAWLER_EGRESS_WIDEN" in refused(closed, egress={"allowPrivate": True})
    assert refused(closed, egress={"allow": ["example.com", "10.1.2.3:80"]}).startswith("body/egress/allow/1 must not")
    assert not told(closed, egress={"allow": ["intranet.example"]}).widens
    assert told(lent, egress={"allowPrivate": True}).private
    assert told(lent, egress={"allow": ["10.1.2.3:80"]}).allow == destinations(["10.1.2.3:80"])


@pytest.mark.parametrize(
    ("egress", "message"),
    [
        ({"allow": "x"}, "body/egress/allow must be array"),
        ({"allow": [1]}, "body/egress/allow/0 must be string"),
        ({"allowPrivate": "yes"}, "body/egress/allowPrivate must be boolean"),
        ([], "body/egress must be object"),
    ],
)
def test_shapes_are_named(ports: Ports, egress: Any, message: str) -> None:
    """As everywhere else in a body."""
    with pytest.raises(Refusal) as refusal:
        wish(egress=egress)

    assert refusal.value.message == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"egress": {"deny": ["a", "a b"]}}, "body/egress/deny/1 is not valid: 'a b' is no host"),
        ({"egress": {"deny": ["x" * 301]}}, "body/egress/deny/0 must NOT have more than 300 characters"),
        ({"egress": {"allow": ["a"] * 101}}, "body/egress/allow must NOT have more than 100 items"),
        ({"browserSettings": {"allowedDomains": ["a/b"]}}, "body/browserSettings/allowedDomains/0 is not valid"),
        (
            {"browserSettings": {"allowedDomains": ["a"] * 101}},
            "body/browserSettings/allowedDomains must NOT have more",
        ),
        ({"proxies": [{"type": "none"}] * 101}, "body/proxies must NOT have more than 100 items"),
        ({"proxies": [{}]}, "body/proxies/0/type must be equal to one of the allowed values"),
        ({"proxies": [{"type": ["none"]}]}, "body/proxies/0/type must be equal to one of the allowed values"),
        ({"proxies": [{"type": "external"}]}, "body/proxies/0 must have required property 'server'"),
        ({"proxies": [{"type": "external", "server": 1}]}, "body/proxies/0/server must be string"),
        (
            {"proxies": [{"type": "external", "server": "ftp://a"}]},
            "body/proxies/0/server must have one of the schemes",
        ),
        ({"proxies": [{"type": "external", "server": "a", "password": "x" * 301}]}, "body/proxies/0/password must NOT"),
        ({"proxies": [{"type": "none", "domainPattern": "("}]}, "body/proxies/0/domainPattern is not valid"),
        ({"proxies": [{"type": "none", "domainPattern": 1}]}, "body/proxies/0/domainPattern must be string"),
        ({"proxies": [{"type": "browserbase", "geolocation": 1}]}, "body/proxies/0/geolocation must be object"),
        ({"proxies": [{"type": "browserbase", "geolocation": {}}]}, "body/proxies/0/geolocation must have required"),
        (
            {"proxies": [{"type": "browserbase", "geolocation": {"country": "usa"}}]},
            "body/proxies/0/geolocation/country must be",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_limit(ports: Ports, body: dict[str, Any], message: str) -> None:
    """The field, by its path."""
    assert refused(ports, **body).startswith(message)


def test_the_pool_is_the_operators(made: Made, ports: Ports) -> None:
    """One proxy of it for each session; where there is none, a 400 says what to set."""
    rich = made(proxies=POOL)

    chosen = {planned(rich, proxies=True)["rules"][0]["upstream"]["host"] for _ in range(50)}
    (rule,) = planned(rich, proxies=[{"type": "browserbase", "geolocation": {"country": "US"}}])["rules"]

    assert chosen == {"one.example", "two.example"}
    assert rule["upstream"]["trusted"]
    assert "WALLCRAWLER_PROXIES" in refused(ports, proxies=True)
    assert refused(ports, proxies=[{"type": "none"}, {"type": "browserbase"}]).startswith("body/proxies/1 asks for")


def test_a_list_of_proxies_is_kept_in_order(made: Made) -> None:
    """Credentials beside the server or in it; null is nothing."""
    rules = planned(
        made(proxies=POOL),
        proxies=[
            {"type": "none", "domainPattern": "a.test"},
            {"type": "external", "server": "http://u:p@one.test:1", "domainPattern": None},
            {"type": "external", "server": "socks5://two.test", "username": "u", "password": "p"},
        ],
    )["rules"]
    first, second, third = (Rule.from_wire(rule) for rule in rules)

    assert (first.pattern, first.upstream) == ("a.test", None)
    assert second.upstream is not None
    assert third.upstream is not None
    assert (second.pattern, second.upstream.username, second.upstream.trusted) == (None, "u", False)
    assert (third.upstream.place, third.upstream.password) == ("socks5://two.test:1080", "p")


def test_no_password_is_in_a_refusal(ports: Ports) -> None:
    """Messages end up in logs."""
    wrong = {"type": "external", "server": "http://user:hunter2@proxy.test/path", "password": "hunter2"}

    assert "hunter2" not in refused(ports, proxies=[wrong])


def test_domains_and_ads_are_the_guests_to_mind(ports: Ports) -> None:
    """In their usual spelling."""
    asked = planned(
        ports, browserSettings={"allowedDomains": ["*.Example.com", "string", "127.0.0.1"], "blockAds": True}
    )

    assert asked == {"allowedDomains": ["example.com", "string", "127.0.0.1"], "blockAds": True}


def test_the_operators_list_of_ads_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """And Wallcrawler's own where there is none; one that can't be read is said."""
    path = tmp_path / "ads.txt"
    path.write_text("||ads.test^")
    before = ad_list(path).domains
    path.write_text("0.0.0.0 other.test")
    after = ad_list(path).domains

    assert (before, after) == ({"ads.test"}, {"other.test"})
    assert "doubleclick.net" in ad_list(None)
    with pytest.raises(Refusal, match="WALLCRAWLER_AD_LIST"):
        ad_list(tmp_path / "missing")
