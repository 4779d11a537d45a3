"""Spellings of hosts, and kinds of networks."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallcrawler.egress.addresses import canonical, forbidden, layers, literal, private


@pytest.mark.parametrize(
    "spelling",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "0xa9.254.0251.254",
        "１６９．２５４．１６９．２５４",
        "169。254。169。254",
        "[::ffff:169.254.169.254]",
        "::ffff:a9fe:a9fe",
        "0:0:0:0:0:ffff:a9fe:a9fe",
    ],
)
def test_every_spelling_of_an_address_is_that_address(spelling: str) -> None:
    """Whatever a browser, a resolver or a kernel would read as the metadata service's address is read so here."""
    host = canonical(spelling)

    assert host == "169.254.169.254"
    assert literal(host) == IPv4Address("169.254.169.254")


@given(st.ip_addresses(v=4), st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_a_number_is_an_address(address: IPv4Address, spelling: str) -> None:
    """As one number, in any of the three bases."""
    assert canonical(spelling.format(int(address))) == str(address)


@given(st.ip_addresses(v=6))
def test_an_address_stays_itself(address: IPv6Address) -> None:
    """What is canonical is not changed by being looked at again."""
    once = canonical(f"[{address.exploded}]")

    assert canonical(once) == once
    assert literal(once) in {address, address.ipv4_mapped}


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("EXAMPLE.com.", "example.com"), ("bücher.example", "xn--bcher-kva.example"), ("_dmarc.a-b.c", "_dmarc.a-b.c")],
)
def test_a_name_is_compared_in_one_spelling(spelling: str, name: str) -> None:
    """Lower case, ASCII, without its last dot; and it is no address."""
    assert canonical(spelling) == name
    assert literal(name) is None


@pytest.mark.parametrize(
    "spelling",
    ["", ".", "a..b", "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "08.1.1.1", "fe80::1%eth0", "a b", "a/b", "x@y", "[::1"],
)
def test_what_is_no_host_is_refused(spelling: str) -> None:
    """Also a last label that is a number, in something that is no address."""
    with pytest.raises(ValueError, match=r".+"):
        canonical(spelling)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fe80::1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "224.0.0.251",
        "255.255.255.255",
        "ff02::1",
        # Inside IPv6: mapped, translated, compatible, NAT64, 6to4, ISATAP, Teredo's server and client.
        "::ffff:169.254.169.254",
        "::ffff:0:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "2001:4860::5efe:169.254.169.254",
        "2001:0:a9fe:a9fe::1",
        "2001:0:808:808:0:0:5601:5601",
    ],
)
def test_metadata_and_its_like_are_forbidden(address: str) -> None:
    """In IPv4, in IPv6, and as an IPv4 address that a gateway on the way would find inside an IPv6 one."""
    assert forbidden(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "::1",
        "fd12::1",
        "fec0::1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b:1::1",
    ],
)
def test_somebodys_own_networks_are_private_and_not_forbidden(address: str) -> None:
    """Settings decide about these."""
    assert private(ip_address(address))
    assert not forbidden(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::"])
def test_the_internet_is_neither(address: str) -> None:
    """An IPv4 address inside an IPv6 one counts as what it is."""
    assert not private(ip_address(address))
    assert not forbidden(ip_address(address))


@given(st.ip_addresses())
def test_an_address_is_its_own_first_layer(address: IPv4Address | IPv6Address) -> None:
    """Whatever is found inside of it comes on top."""
    first, *_ = layers(address)

    assert first in {address, getattr(address, "ipv4_mapped", None)}
