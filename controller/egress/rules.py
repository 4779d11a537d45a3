"""What one session's egress goes by, and where each of its connections may go."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from controller.egress.machine import Machine
from controller.egress.resolver import NoSuchName, Resolver
from wallcrawler.egress.addresses import Address, canonical, forbidden, literal, private
from wallcrawler.egress.domains import Domains
from wallcrawler.egress.policy import Policy
from wallcrawler.egress.routes import Routes, Upstream


class Refused(Exception):
    """By the policy; the sentence says by which part of it."""


class Blocked(Exception):
    """By the list of hosts that serve ads: not worth a line."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where to connect to: the addresses of the host, all of them checked, or of the proxy that leads to it."""

    host: str
    addresses: Sequence[Address]
    upstream: Upstream | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """One session's."""

    policy: Policy
    routes: Routes
    ads: Domains
    machine: Machine
    resolver: Resolver

    async def way(self, host: str, port: int) -> Way:
        """Raises Refused, Blocked, and OSError for a name that has no address."""
        try:
            host = canonical(host)
        except ValueError as wrong:
            raise Refused(f"{host[:255]!r} can't be connected to: {wrong}") from None
        if host in self.ads:
            raise Blocked
        own = self.policy.owns(host, port)
        upstream = None if own else self.routes.upstream(host)
        if upstream is not None:
            return Way(host, await self._through(upstream, host, port), upstream)
        return Way(host, await self._checked(host, port, own=own))

    async def _checked(self, host: str, port: int, *, own: bool = False) -> list[Address]:
        """Those addresses of a host that may be connected to, at least one. Raises Refused where none may."""
        if why := self._refusal_by_name(host, port, own=own):
            raise Refused(why)
        checked, refusals = await self._judged(host, port, own=own)
        if not checked:
            raise Refused(refusals[0])
        return checked

    def _refusal_by_name(self, host: str, port: int, *, own: bool = False) -> str | None:
        """What can be said without resolving."""
        if not own and self.machine.named(host, port):
            return _internal(host, port)
        return self.policy.refusal_by_name(host, port)

    async def _judged(self, host: str, port: int, *, own: bool) -> tuple[list[Address], list[str]]:
        """A host's addresses that may be connected to, and why the others may not."""
        checked, refusals = [], []
        for address in await self.resolver.addresses(host):
            why = self.policy.refusal(host, port, address)
            if why is None and not own and await self.machine.internal(host, port, address):
                why = _internal(host, port)
            if why is None:
                checked.append(address)
            else:
                refusals.append(why)
        return checked, refusals

    async def _through(self, upstream: Upstream, host: str, port: int) -> Sequence[Address]:
        """The addresses of a proxy that may be asked for this host. Raises Refused.

        Names are resolved where the proxy is. One in a private network resolves them as this machine does, and would
        reach what is private here: there every address that is known here is checked, too.
        """
        if why := self._refusal_by_name(host, port):
            raise Refused(why)
        if upstream.trusted:
            proxies = [one for one in await self.resolver.addresses(upstream.host) if not forbidden(one)]
        else:
            proxies = await self._checked(upstream.host, upstream.port)
        if literal(host) or any(private(one) for one in proxies):
            with suppress(NoSuchName):
                _, refusals = await self._judged(host, port, own=False)
                if refusals:
                    raise Refused(refusals[0])
        if not proxies:
            raise Refused(f"the proxy {upstream.place} is at no address that may be connected to")
        return proxies


def _internal(host: str, port: int) -> str:
    return f"{host} port {port} is internal to Wallcrawler"
