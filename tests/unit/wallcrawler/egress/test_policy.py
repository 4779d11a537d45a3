"""What may be connected to."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest

from wallcrawler.egress.policy import Destination, Policy, destinations

PUBLIC, PRIVATE, METADATA = ip_address("93.184.216.34"), ip_address("10.1.2.3"), ip_address("169.254.169.254")

EVERYTHING = destinations(["*"])


def test_nothing_opens_metadata() -> None:
    """No setting, and no rule of a session."""
    open_to_all = Policy(
        private=True, widens=True, own=destinations(["169.254.169.254:80"]), open=EVERYTHING, allow=EVERYTHING
    )

    assert "metadata" in (open_to_all.refusal("169.254.169.254", 80, METADATA) or "")
    assert open_to_all.refusal("rebound.example", 80, METADATA)
    assert open_to_all.refusal("[::ffff:169.254.169.254]", 80, ip_address("::ffff:169.254.169.254"))
    assert open_to_all.refusal("Metadata.Google.Internal.", 80, PUBLIC)


@pytest.mark.parametrize(
    ("mode", "private", "allowed"),
    [
        ("embedded", "auto", True),
        ("compose", "auto", False),
        ("aws", "auto", False),
        ("embedded", "refuse", False),
        ("aws", "allow", True),
    ],
)
def test_private_ranges_go_by_setting(mode: str, private: str, allowed: bool) -> None:
    """Where people test sites of their own machine they pass; inside somebody's network they don't, unless told."""
    policy = Policy.of_settings(mode=mode, private=private)  # type: ignore[arg-type]

    assert (policy.refusal("intranet.example", 443, PRIVATE) is None) is allowed
    assert policy.refusal("example.com", 443, PUBLIC) is None


def test_a_name_is_judged_by_what_it_resolves_to() -> None:
    """So that a name of the internet that leads into a private network, or comes to, is refused."""
    policy = Policy()

    assert policy.refusal("example.com", 443, PUBLIC) is None
    assert "10.1.2.3" in (policy.refusal("example.com", 443, PRIVATE) or "")


def test_the_operator_opens_single_places() -> None:
    """By name or network, for one port or all."""
    policy = Policy.of_settings(mode="aws", allow="intranet.example:8443, 10.1.0.0/16")

    assert policy.refusal("intranet.example", 8443, ip_address("192.168.0.9")) is None
    assert policy.refusal("intranet.example", 80, ip_address("192.168.0.9"))
    assert policy.refusal("anything.example", 80, PRIVATE) is None


def test_the_operators_refusals_come_before_what_a_session_allows() -> None:
    """And name the setting that has to be changed."""
    policy = Policy(private=True, shut=destinations(["10.0.0.0/8"]), allow=EVERYTHING, widens=True)

    assert "WALLCRAWLER_EGRESS_DENY" in (policy.refusal("db.example", 5432, PRIVATE) or "")


def test_what_is_internal_stays_so() -> None:
    """But for the session's own connect URL, which runtimes inside of the browser open; by its own spelling alone."""
    policy = Policy(private=True, own=destinations(["127.0.0.1:9223"]), closed=destinations(["127.0.0.0/8:9223"]))

    assert policy.refusal("127.0.0.1", 9223, ip_address("127.0.0.1")) is None
    assert "internal" in (policy.refusal("127.0.0.2", 9223, ip_address("127.0.0.2")) or "")
    assert policy.refusal("localhost", 9223, ip_address("127.0.0.1"))
    assert policy.refusal("localhost", 8000, ip_address("127.0.0.1")) is None


def test_a_session_narrows_itself() -> None:
    """What it denies is refused to it, and what it allows is left over."""
    policy = Policy(deny=destinations(["*.example.com", "*.test"]), allow=destinations(["www.example.com"]))

    assert "egress.deny (*.test)" in (policy.refusal("a.test", 443, PUBLIC) or "")
    assert policy.refusal("mail.example.com", 443, PUBLIC)
    assert policy.refusal("example.com", 443, PUBLIC) is None
    assert policy.refusal("www.example.com", 443, PUBLIC) is None


def test_a_session_can_be_confined_to_a_list() -> None:
    """Deny all, allow some."""
    policy = Policy(deny=EVERYTHING, allow=destinations(["*.example.com:443"]))

    assert policy.refusal("www.example.com", 443, PUBLIC) is None
    assert policy.refusal("www.example.com", 80, PUBLIC)
    assert policy.refusal("elsewhere.test", 443, PUBLIC)


@pytest.mark.parametrize("widens", [True, False])
def test_a_session_widens_itself_only_where_the_operator_lets_it(widens: bool) -> None:
    """Its `allow` opens a private address there, and elsewhere lifts its own `deny` alone."""
    policy = Policy(widens=widens, allow=destinations(["10.1.2.3:8443"]))

    assert (policy.refusal("10.1.2.3", 8443, PRIVATE) is None) is widens


def test_a_name_that_a_proxy_resolves_is_judged_as_far_as_it_goes() -> None:
    """Metadata by its names and every spelling of an address; other names only by rules for names."""
    policy = Policy(deny=destinations(["*.example.com", "10.0.0.0/8"]))

    assert policy.refusal_by_name("metadata.google.internal", 80)
    assert policy.refusal_by_name("0xa9fea9fe", 80)
    assert policy.refusal_by_name("10.1.2.3", 80)
    assert policy.refusal_by_name("www.example.com", 443)
    assert policy.refusal_by_name("elsewhere.test", 443) is None


def test_what_is_no_host_is_refused() -> None:
    """In a sentence like all others."""
    assert "can't be connected to" in (Policy(private=True).refusal("a b", 80, PUBLIC) or "")


def test_a_policy_travels_as_json() -> None:
    """And fields that an older sender did not know are at their defaults."""
    policy = Policy(private=True, own=destinations(["[::1]:9223"]), deny=destinations(["*", "fd00::/8", "*.a.b:1"]))

    assert Policy.from_wire(json.loads(json.dumps(policy.as_wire()))) == policy
    assert Policy.from_wire({}) == Policy()


@pytest.mark.parametrize(
    "text", ["example.com:443", "*.example.com", "*", "10.0.0.0/8:80", "[fd00::/8]:443", "fd00::1"]
)
def test_a_destination_reads_as_it_was_written(text: str) -> None:
    """The rule in a refusal is the one in the list."""
    assert str(Destination.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "a b", "example.com:0", "example.com:x", "*.10.0.0.1", "10.0.0.1/8", "[::1", "*.*.example.com", "a*b"]
)
def test_what_is_no_destination_is_named(text: str) -> None:
    """The message quotes it."""
    with pytest.raises(ValueError, match=r".+") as wrong:
        Destination.parse(text)

    assert repr(text.strip()) in str(wrong.value)
