"""What is internal on this machine and beside it: ports that no page may reach, whatever the settings open.

A guest's own ports are its DevTools', its egress', and the one that clients use. Where several guests share a machine,
each leaves a mark for its ports in its session's directory, so that the others find them; the mark goes with it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from controller.egress.resolver import Resolver
from wallcrawler.egress.addresses import Address
from wallcrawler.egress.policy import Destination

#: The folder of a session's directory that holds the marks, files that are named for ports.
MARKS = "ports"

#: Addresses of which is remembered whether they are this machine's.
REMEMBERED = 1000

#: Where a packet would go that is never sent, to learn from which address; a documentation network.
ELSEWHERE = ("192.0.2.1", 9)


class Machine:
    """`directory` is the session's own. `places` are the control plane's: hosts with ports."""

    def __init__(self, directory: Path, places: Sequence[Destination], resolver: Resolver) -> None:
        self._directory = directory
        self._places = places
        self._resolver = resolver
        self._ours: dict[Address, bool] = {}
        #: Set when Chrome's own port is known. Nothing of this machine is reached before.
        self.complete = asyncio.Event()

    def mark(self, *ports: int) -> None:
        """These are internal from now on, to every guest of this machine."""
        folder = self._directory / MARKS
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for port in ports:
            (folder / str(port)).touch()

    async def internal(self, host: str, port: int, address: Address) -> bool:
        """Whether this leads to a guest's own port or to the control plane; `host` is canonical."""
        ours = self.ours(address)
        if ours:
            await self.complete.wait()
            if self._marked(port):
                return True
        for place in self._places:
            if place.port != port:
                continue
            if place.host == host or await self._leads(place.host, address, ours=ours):
                return True
        return False

    def named(self, host: str, port: int) -> bool:
        """What can be said of a name that somebody else resolves."""
        return any(place.host == host and place.port == port for place in self._places)

    def ours(self, address: Address) -> bool:
        """Whether the address is one of this machine's."""
        if address.is_loopback:
            return True
        if address not in self._ours:
            if len(self._ours) > REMEMBERED:
                self._ours.clear()
            self._ours[address] = _bindable(address)
        return self._ours[address]

    def _marked(self, port: int) -> bool:
        with suppress(FileNotFoundError), os.scandir(self._directory.parent) as sessions:
            return any(os.path.exists(f"{session.path}/{MARKS}/{port}") for session in sessions)
        return False

    async def _leads(self, place: str, address: Address, *, ours: bool) -> bool:
        with suppress(OSError):
            found = await self._resolver.addresses(place)
            return address in found or (ours and any(self.ours(other) for other in found))
        return False


def _bindable(address: Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((str(address), 0))
        return True
    return False


def primary_address() -> str | None:
    """The address that this machine has in its network; None where it is in none."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(ELSEWHERE)
        return str(probe.getsockname()[0])
    return None
