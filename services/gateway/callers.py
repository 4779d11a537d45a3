"""One connection to the gateway until its request is understood; then it is a route's, or answered and closed."""

from __future__ import annotations

import asyncio
from typing import Final

from services.gateway import door, meters
from services.gateway.door import Detour, Refusal, Wish
from services.gateway.gateway import Gateway, Route
from services.gateway.health import Health
from services.gateway.pulse import CLIENT_DEAD_AFTER, GUEST_DEAD_AFTER, keep_alive
from wallcrawler import log as logs
from wallcrawler.wire.caller import Caller, Head

log = logs.get()

#: Seconds for a guest's machine to take a connection.
CONNECT_WITHIN: Final = 5.0

#: The answer while this gateway goes: there are others, and the load balancer knows them.
GOING: Final = Refusal(503, "this gateway is going away; connect again", after=1)


class GatewayCaller(Caller):
    """Anybody on the internet."""

    def __init__(self, gateway: Gateway, health: Health) -> None:
        super().__init__()
        self._gateway = gateway
        self._health = health

    async def serve(self, head: Head) -> None:
        try:
            await self._serve(head)
        except Exception:
            # The last resort of a connection: a defect is in the log, and the client is not left waiting.
            log.exception("gateway.failed")
            self.refuse(500, "something broke in the gateway; its log has it")

    async def _serve(self, head: Head) -> None:
        if answer := await self._health.answer(head):
            self._send(door.answer_bytes(answer.status, answer.body, [("content-type", answer.content_type)]))
            return
        wish = door.read(head, self._gateway.verifier)
        if isinstance(wish, Refusal):
            self._refuse(wish)
        elif isinstance(wish, Detour):
            self._send(door.answer_bytes(302, b"", [("location", wish.location), ("cache-control", "no-store")]))
        elif self._gateway.draining:
            self._refuse(GOING)
        else:
            with logs.about(session_id=wish.session_id):
                await self._connect(head, wish)

    async def _connect(self, head: Head, wish: Wish) -> None:
        session = await self._gateway.find(wish.session_id)
        if isinstance(session, Refusal):
            self._refuse(session)
            return
        address = session.address or ""
        route = Route(self._gateway, self.transport, session, wants_socket=door.wants_socket(head))
        if not await _connected(route, address):
            self._refuse(await self._gateway.unanswered(session))
            return
        keep_alive(route.chrome.transport, dead_after=GUEST_DEAD_AFTER)
        keep_alive(self.transport, dead_after=CLIENT_DEAD_AFTER)
        self._gateway.begun(route)
        # A client that is gone already has no name.
        peer, *_ = self.transport.get_extra_info("peername") or ("unknown",)
        route.begin(door.request_bytes(head, wish, address=address, peer=peer), self.taken_over())

    def refuse(self, status: int, message: str) -> None:
        self._refuse(Refusal(status, message))

    def _refuse(self, refusal: Refusal) -> None:
        meters.REFUSALS.labels(refusal.status).inc()
        log.info("gate.refused", status=refusal.status, why=refusal.message)
        self._send(door.refusal_bytes(refusal))

    def _send(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.close()


async def _connected(route: Route, address: str) -> bool:
    """Whether the guest takes the connection."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            await loop.create_connection(lambda: route.chrome, host.strip("[]"), int(port))
    except OSError:
        return False
    return True
