"""The way out: Chrome can connect to one port of this guest and to nothing else, and what is there decides.

Chrome resolves no name and no address but the one of that port; so a proxy that an extension or a client's browser
context sets in its place leads nowhere. WebRTC keeps to it as well, without UDP.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.api import Final
from controller.egress.fence import Fence
from controller.egress.machine import Machine, primary_address
from controller.egress.resolver import Resolver
from controller.egress.rules import Rules
from controller.egress.server import Egress
from controller.parts import Browser, Guest, Launch, Part, PartFailed
from wallcrawler import log as logs
from wallcrawler.assignment import Note
from wallcrawler.egress.domains import Domains
from wallcrawler.egress.policy import Destination, Policy, destinations
from wallcrawler.egress.routes import Routes, Rule
from wallcrawler.lifecycle import Reason

log = logs.get()

#: The name by which Chrome knows the port; it is in no DNS.
NAME = "wallcrawler-egress"

#: Refusals of one session that are told, each host and reason once: a page can be refused as often as it likes.
TOLD = 50


class EgressPart(Part):
    """Plan: {"policy", "direct", "rules", "blockAds", "allowedDomains"}; without one, nothing private is reached."""

    name = "egress"

    def __init__(self, guest: Guest) -> None:
        super().__init__(guest)
        plan: dict[str, Any] = self.plan or {}
        self._resolver = Resolver()
        self._machine = Machine(guest.directory, destinations(guest.internal), self._resolver)
        self._policy = self._with_own(Policy.from_wire(plan.get("policy", {})), direct=plan.get("direct", False))
        self._routes = Routes([Rule.from_wire(rule) for rule in plan.get("rules", ())])
        self._allowed = plan.get("allowedDomains", ())
        self._blocks_ads = plan.get("blockAds", False)
        self._told: set[tuple[str, str]] = set()
        self._egress: Egress | None = None
        self._fence: Fence | None = None

    def _with_own(self, policy: Policy, *, direct: bool) -> Policy:
        """The session's connect URL, as this guest knows it: a host without a port is where clients reach its own."""
        port = self.guest.port
        own = [place if place.port else replace(place, port=port) for place in policy.own]
        if direct and (address := primary_address()):
            own.append(Destination(address, port))
        return replace(policy, own=tuple(own))

    @property
    def proxy_bytes(self) -> int:
        return self._egress.counts.proxy_bytes if self._egress else 0

    async def prepare(self, launch: Launch) -> None:
        rules = Rules(self._policy, self._routes, await self._ads(), self._machine, self._resolver)
        self._egress = Egress(rules, self._refused)
        port = await self._egress.listen()
        self._machine.mark(port, self.guest.port)
        launch.arguments.extend(switches(port))

    async def _ads(self) -> Domains:
        """The hosts to block. Raises PartFailed: a session that asked to be without ads is not given with them."""
        if not self._blocks_ads:
            return Domains(())
        try:
            told = await self.guest.api.call("GET", "/ads")
        except Final as refused:
            raise PartFailed(Reason.LAUNCH_FAILED.because(f"blockAds: {refused}"), f"blockAds: {refused}") from None
        return Domains(told["domains"], without=told["without"])

    async def begin(self, browser: Browser) -> None:
        self._machine.mark(browser.endpoint.port)
        self._machine.complete.set()
        if self._allowed:
            self._fence = Fence(Domains(self._allowed), self._refused)
            await self._fence.raise_around(browser.endpoint)

    def _refused(self, host: str, why: str) -> None:
        if (host, why) in self._told or len(self._told) >= TOLD:
            return
        self._told.add((host, why))
        log.warning("egress.refused", host=host, why=why)
        self.guest.note(Note("EGRESS_REFUSED", why))

    async def close(self) -> None:
        if self._fence is not None:
            await self._fence.close()
        if self._egress is not None:
            self._egress.close()
            counts = self._egress.counts
            log.info(
                "egress.closed",
                connections=counts.connections,
                refused=counts.refused,
                blocked=counts.blocked,
                proxy_bytes=counts.proxy_bytes,
            )
        self._resolver.close()


def switches(port: int) -> list[str]:
    """Chrome's, for an egress at this port of loopback."""
    return [
        f"--proxy-server=socks5://{NAME}:{port}",
        # Chrome's own rule is to let loopback past a proxy.
        "--proxy-bypass-list=<-loopback>",
        f"--host-resolver-rules=MAP {NAME}:{port} 127.0.0.1:{port}, MAP * ~NOTFOUND",
        "--disable-quic",
        # The newer name and the older one.
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    ]
