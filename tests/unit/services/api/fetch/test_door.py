"""What a fetch may connect to, by the deployment's mode and by what is Wallcrawler's own."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from services.api.fetch.door import Door
from wallcrawler.egress.addresses import Address
from wallcrawler.settings import Settings

#: What names mean here, whatever the machine says.
NAMES = {"redis.internal": "10.0.3.7", "gateway": "172.18.0.9", "localhost": "127.0.0.1"}


def lookup(name: str) -> list[Address]:
    if name not in NAMES:
        raise OSError("no such name")
    return [ip_address(NAMES[name])]


def door(*listening: int, **settings: Any) -> Door:
    return Door(Settings.load(**settings), listeners=lambda: frozenset(listening), lookup=lookup)


def refusal(of: Door, host: str, port: int = 80, address: str | None = None) -> str | None:
    return of(host, port, ip_address(address or host))


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("mode", ["compose", "aws"])
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "172.18.0.5", "192.168.0.1", "100.64.0.1", "169.254.169.254", "169.254.170.2"]
)
def test_a_deployment_lets_fetches_reach_nothing_beside_it(mode: str, address: str) -> None:
    """Its API stands where other services trust it: private ranges, and credentials' addresses, are shut."""
    of = door(mode=mode)

    assert refusal(of, address)
    assert refusal(of, "innocent.example", 443, address)
    assert refusal(of, "innocent.example", 443, "93.184.216.34") is None


@pytest.mark.usefixtures("loopback")
def test_one_machine_reaches_its_own_sites_but_no_port_of_ours() -> None:
    """The API's, Valkey's and browsers' ports are shut, under every address of this machine."""
    of = door(41_000, 9222, port=8080)

    assert refusal(of, "localhost", 3000, "127.0.0.1") is None
    assert refusal(of, "192.168.0.7", 8080) is None
    for port in (8080, 41_000, 9222):
        for host, address in (("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("me.test", "127.9.9.9")):
            assert "internal to Wallcrawler" in str(refusal(of, host, port, address))
    assert "internal" in str(refusal(of, "::1", 8080, "::1"))
    assert "metadata" in str(refusal(of, "169.254.169.254"))


@pytest.mark.usefixtures("loopback")
def test_the_control_plane_is_shut_by_name_and_by_address() -> None:
    """Also where the operator opens private ranges."""
    of = door(
        mode="compose",
        egress_private="allow",
        redis_url="rediss://:secret@redis.internal/0",
        gateway_internal_url="http://gateway:8081",
    )

    assert "internal" in str(refusal(of, "redis.internal", 6379, "10.0.3.7"))
    assert "internal" in str(refusal(of, "10.0.3.7", 6379))
    assert "internal" in str(refusal(of, "alias.example", 6379, "10.0.3.7"))
    assert "internal" in str(refusal(of, "gateway", 8081, "172.18.0.9"))
    assert "internal" in str(of.by_name("gateway", 8081))
    assert refusal(of, "10.0.3.7", 80) is None
    assert "secret" not in str(refusal(of, "redis.internal", 6379, "10.0.3.7"))


def test_the_operators_lists_hold_for_fetches_too() -> None:
    """What is denied to sessions is denied here, and what is opened to them is open."""
    of = door(mode="aws", egress_allow="10.1.0.0/16:443", egress_deny="*.bad.example")

    assert refusal(of, "www.bad.example", 443, "93.184.216.34")
    assert of.by_name("www.bad.example", 443)
    assert refusal(of, "10.2.0.1", 443)
