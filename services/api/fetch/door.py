"""What a fetch may connect to: what the operator lets sessions reach, and nothing of Wallcrawler itself.

A fetch comes from where the API runs, which other services trust. So the control plane is closed by every name and
address that it has; and on this machine, where private ranges are open to test sites, every port on which Wallcrawler
itself listens: the API's, Valkey's, guests', their browsers'.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

from services.api.fetch.network import Lookup
from wallcrawler.egress.addresses import Address, private
from wallcrawler.egress.policy import Destination
from wallcrawler.settings import Settings

#: The ports that schemes of our settings mean where none is named.
PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}

#: The ports on which Wallcrawler listens, on the machine of this process.
Listeners = Callable[[], frozenset[int]]


class Door:
    """Asked for every connection of a fetch."""

    def __init__(self, settings: Settings, *, listeners: Listeners, lookup: Lookup) -> None:
        self._closed = tuple(control_plane(settings))
        self._policy = replace(settings.egress, closed=self._closed)
        self._fixed = {settings.port, settings.metrics_port}
        self._listeners = listeners
        self._lookup = lookup

    def __call__(self, host: str, port: int, address: Address) -> str | None:
        """Why a connection must not be made; None where it may."""
        if refusal := self._policy.refusal(host, port, address):
            return refusal
        # Nothing of ours is anywhere else.
        if (private(address) or ours(address)) and self._internal(port, address):
            return f"{host} port {port} is internal to Wallcrawler"
        return None

    def _internal(self, port: int, address: Address) -> bool:
        if ours(address) and (port in self._fixed or port in self._listeners()):
            return True
        return any(place.port == port and address in self._addresses(place) for place in self._closed)

    def _addresses(self, place: Destination) -> list[Address]:
        with suppress(OSError, ValueError):
            return list(self._lookup(place.host))
        return []

    def by_name(self, host: str, port: int) -> str | None:
        """What can be said of a name alone; None is no permission."""
        return self._policy.refusal_by_name(host, port)


def control_plane(settings: Settings) -> Iterator[Destination]:
    """Where the services of this deployment are, as far as its settings say."""
    secrets = (settings.redis_url, settings.broker_url)
    urls = [secret.get_secret_value() for secret in secrets if secret]
    urls += [url for url in (settings.gateway_internal_url, settings.guest_api_url) if url]
    for url in map(urlsplit, urls):
        port = url.port or PORTS.get(url.scheme)
        if url.hostname and port:
            yield Destination.parse(f"[{url.hostname}]:{port}" if ":" in url.hostname else f"{url.hostname}:{port}")


def ours(address: Address) -> bool:
    """Whether the address is one of this machine's."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((str(address), 0))
        return True
    return False
