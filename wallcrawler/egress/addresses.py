"""What a host is: a name or an address, however it is spelled, and which kind of network an address is in.

Pure: nothing here resolves a name. Browsers read `0x7f.1` as 127.0.0.1 and `::ffff:7f00:1` reaches the same, so that a
rule for addresses has to see through every spelling that some resolver, browser or kernel sees through.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Networks that no setting opens, and what they are. Those of clouds' metadata and of tasks' credentials that are no
#: link-local ones: Alibaba's, Azure's, Oracle's, AWS's over IPv6 (also EKS's), Google's over IPv6, Scaleway's.
FORBIDDEN: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), what)
    for network, what in (
        ("169.254.0.0/16", "a link-local address, where clouds keep metadata and credentials"),
        ("fe80::/10", "a link-local address"),
        ("100.100.100.200/32", "a cloud's metadata service"),
        ("168.63.129.16/32", "a cloud's metadata service"),
        ("192.0.0.192/32", "a cloud's metadata service"),
        ("fd00:ec2::/32", "a cloud's metadata service"),
        ("fd20:ce::/64", "a cloud's metadata service"),
        ("fd00:c1::a9fe:a9fe/128", "a cloud's metadata service"),
        ("fd00:42::42/128", "a cloud's metadata service"),
        ("0.0.0.0/8", "no address of a host"),
        ("::/128", "no address of a host"),
        ("224.0.0.0/4", "a multicast address"),
        ("ff00::/8", "a multicast address"),
        ("240.0.0.0/4", "a reserved or broadcast address"),
    )
)

#: Networks that are somebody's own: loopback, private use, carriers' NAT, documentation, benchmarks.
PRIVATE: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "::1/128",
        "fc00::/7",
        "fec0::/10",
        # Translated by whoever runs the network, to wherever they like.
        "64:ff9b:1::/48",
        "100::/64",
        "2001:db8::/32",
    )
)

#: Names that lead to metadata wherever they resolve at all.
METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)

#: IPv6 networks whose last 32 bits are an IPv4 address: mapped, translated, compatible, NAT64.
_LAST_32 = tuple(IPv6Network(network) for network in ("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96", "64:ff9b::/96"))
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")


#: What is said of a text that is no host.
NO_HOST: Final = "it is no host: a name or an address, without scheme, port and path"


def canonical(host: str) -> str:
    """A host as it is compared: an address in its usual spelling (IPv6 without brackets), or a name in lower case, in
    ASCII and without its last dot. Raises ValueError for what is neither."""
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in text:
        if "%" in text:
            raise ValueError("an address with a zone is of this machine's own network alone")
        try:
            return str(without_mapping(IPv6Address(text)))
        except ValueError:
            raise ValueError(NO_HOST) from None
    # Dots and digits of other scripts are read as ours by browsers.
    text = unicodedata.normalize("NFKC", text).replace("\u3002", ".").lower().removesuffix(".")
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError(NO_HOST) from None
    labels = text.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return str(_v4(labels))
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(NO_HOST)
    return text


def _v4(parts: list[str]) -> IPv4Address:
    """The address of one to four decimal, octal or hexadecimal parts, of which the last fills what is left (WHATWG's
    IPv4 parser, which is inet_aton's). Raises ValueError."""
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise ValueError("it is no address")
    numbers = [_number(part) for part in parts]
    *high, low = numbers
    if any(number > 255 for number in high) or low >= 256 ** (5 - len(numbers)):
        raise ValueError("it is no address")
    return IPv4Address(low + sum(number << (8 * (3 - place)) for place, number in enumerate(high)))


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if len(part) > 1 and part.startswith("0") else int(part)


def literal(host: str) -> Address | None:
    """The address that a canonical host is, if it is one and no name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def without_mapping(address: Address) -> Address:
    """An IPv4 address where an IPv6 one is only its spelling: a socket to either reaches the same."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def layers(address: Address) -> Iterator[Address]:
    """The address, and every IPv4 address inside it that a gateway on the way may take it for."""
    address = without_mapping(address)
    yield address
    if not isinstance(address, IPv6Address):
        return
    bits = int(address)
    if any(address in network for network in _LAST_32) and bits > 1:
        yield IPv4Address(bits & 0xFFFFFFFF)
    if address in _6TO4:
        yield IPv4Address(bits >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:
        yield IPv4Address(~bits & 0xFFFFFFFF)
        yield IPv4Address(bits >> 64 & 0xFFFFFFFF)
    if bits >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(bits & 0xFFFFFFFF)


def forbidden(address: Address) -> str | None:
    """What the address is, where nobody may reach it."""
    for layer in layers(address):
        for network, what in FORBIDDEN:
            if layer in network:
                return what
    return None


def private(address: Address) -> bool:
    """Whether the address is in somebody's own network, loopback included."""
    return any(layer in network for layer in layers(address) for network in PRIVATE)
