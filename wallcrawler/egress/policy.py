"""Decide what may be connected to.

Pure: a policy is fed a host, a port and the address that the connection would be made to, and says why not. It is to be
asked for every connection and with the very address that is connected to: a name that resolves to another address the
next time (DNS rebinding), or a redirect, then changes nothing.

The first of these that is true decides:

    1. metadata, link-local, multicast, 0.0.0.0/8      refused, always
    2. `own`, the session's own connect URL            passes
    3. `closed`, the control plane and the guest       refused, always
    4. `shut`, what the operator refuses               refused
    5. `deny` of the session, unless in its `allow`    refused
    6. a private range                                 refused, unless `private`, or in `open` (the operator's),
                                                       or in `allow` where the operator lets sessions widen (`widens`)
    7. everything else                                 passes
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Literal

from wallcrawler.egress.addresses import (
    METADATA_NAMES,
    Address,
    Network,
    canonical,
    forbidden,
    layers,
    literal,
    private,
    without_mapping,
)

#: What WALLCRAWLER_EGRESS_PRIVATE may be. `auto`: allowed in embedded mode, where people test sites of their own
#: machine, and refused where browsers run inside somebody's network.
Private = Literal["auto", "allow", "refuse"]


@dataclass(frozen=True, slots=True)
class Destination:
    """A place, as rules name it: `example.com`, `*.example.com` (all below it), `*`, an address, or a network such as
    `10.0.0.0/8`; each with `:port` behind it or for every port. IPv6 with a port needs brackets: `[fd00::/8]:443`."""

    host: str
    port: int | None = None
    network: Network | None = None

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Raises ValueError, with a phrase that says what is wrong."""
        if "://" in text:
            raise ValueError(f"{text!r} is a URL, and no host, *.domain, address or network")
        host, port = _split(text.strip())
        if host == "*":
            return cls("*", port)
        if "/" in host:
            try:
                return cls(host, port, ip_network(host))
            except ValueError:
                raise ValueError(f"{text!r} is no network such as 10.0.0.0/8 or fd00::/8") from None
        below, name = ("*.", host[2:]) if host.startswith("*.") else ("", host)
        try:
            name = canonical(name)
        except ValueError:
            raise ValueError(f"{text!r} is no host, *.domain, address or network") from None
        address = literal(name)
        if below and address:
            raise ValueError(f"{text!r} is no host, *.domain, address or network")
        return cls(below + name, port, ip_network(address) if address else None)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host and self.port is not None else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def holds(self, host: str, port: int, address: Address | None) -> bool:
        """Whether a connection to `host` (canonical), made to `address`, leads here."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address is not None and any(layer in self.network for layer in layers(address))
        if self.host == "*":
            return True
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host


def _split(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} has a bracket too many or too few")
        return host, _port(text, rest[1:]) if rest else None
    if text.count(":") != 1:
        return text, None
    host, _, port = text.partition(":")
    return host, _port(text, port)


def _port(text: str, port: str) -> int:
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= 65_535):
        raise ValueError(f"{text!r} has no port from 1 to 65535 behind its colon")
    return int(port)


def destinations(texts: Iterable[str]) -> tuple[Destination, ...]:
    """Raises ValueError for the first that is none."""
    return tuple(Destination.parse(text) for text in texts)


def listed(setting: str) -> tuple[Destination, ...]:
    """The destinations of a setting, with commas between. Raises ValueError."""
    return destinations(text for text in setting.split(",") if text.strip())


@dataclass(frozen=True, slots=True)
class Policy:
    """What one session, or one who fetches for a caller, may connect to. See the module for the order of its lists."""

    private: bool = False
    widens: bool = False
    own: tuple[Destination, ...] = ()
    closed: tuple[Destination, ...] = ()
    shut: tuple[Destination, ...] = ()
    open: tuple[Destination, ...] = ()
    allow: tuple[Destination, ...] = ()
    deny: tuple[Destination, ...] = ()

    @classmethod
    def of_settings(
        cls, *, mode: str, private: Private = "auto", allow: str = "", deny: str = "", widens: bool = False
    ) -> Policy:
        """The operator's, before any session adds to it. Raises ValueError for a list that can't be read."""
        allowed = mode == "embedded" if private == "auto" else private == "allow"
        return cls(private=allowed, widens=widens or allowed, open=listed(allow), shut=listed(deny))

    def refusal(self, host: str, port: int, address: IPv4Address | IPv6Address) -> str | None:
        """Why a connection to this host must not be made to this address; None where it may."""
        return self._refusal(host, port, without_mapping(address))

    def refusal_by_name(self, host: str, port: int) -> str | None:
        """What can be said before, or without, resolving: of a name that somebody else, such as a proxy, resolves.

        Lists of addresses don't speak of names here, so that None is no permission to connect.
        """
        return self._refusal(host, port, None)

    def owns(self, host: str, port: int) -> bool:
        """Whether this is the session's own connect URL, in its own spelling: no other name leads past the rules."""
        return any(rule.host == host and rule.port == port for rule in self.own)

    def _refusal(self, host: str, port: int, address: Address | None) -> str | None:  # noqa: PLR0911 - a list of rules
        try:
            name = canonical(host)
        except ValueError as wrong:
            return f"{host[:255]!r} can't be connected to: {wrong}"
        address = address or literal(name)
        where = name if address is None or str(address) == name else f"{name} ({address})"
        if name in METADATA_NAMES:
            return f"{where} is a cloud's metadata service, which browsers never reach"
        if address is not None and (what := forbidden(address)):
            return f"{where} is {what}, which browsers never reach"
        if self.owns(name, port):
            return None
        if self._in(self.closed, name, port, address):
            return f"{where} port {port} is internal to Wallcrawler"
        if rule := self._in(self.shut, name, port, address):
            return f"{where} is refused by the server's WALLCRAWLER_EGRESS_DENY ({rule})"
        allowed = self._in(self.allow, name, port, address)
        if (rule := self._in(self.deny, name, port, address)) and not allowed:
            return f"{where} is refused by the session's egress.deny ({rule})"
        if address is None or self.private or not private(address):
            return None
        if (allowed and self.widens) or self._in(self.open, name, port, address):
            return None
        return f"{where} is in a private network, which this {'session' if self.widens else 'server'} does not open"

    @staticmethod
    def _in(rules: tuple[Destination, ...], host: str, port: int, address: Address | None) -> Destination | None:
        return next((rule for rule in rules if rule.holds(host, port, address)), None)

    def as_wire(self) -> dict[str, Any]:
        wire = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        return {
            name: [str(rule) for rule in value] if isinstance(value, tuple) else value for name, value in wire.items()
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Policy:
        """Raises ValueError for a rule that can't be read; fields that are not there stay at their defaults."""
        known: dict[str, Any] = {spec.name: wire[spec.name] for spec in fields(cls) if spec.name in wire}
        for name, told in known.items():
            known[name] = destinations(told) if isinstance(told, list) else bool(told)
        return cls(**known)
