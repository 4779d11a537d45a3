"""The one port of a guest: reads a request's head, asks the gate, and splices.

After an authorised upgrade the two sockets are spliced: bytes are copied both ways with back-pressure and no frame is
parsed. Only where frames end is followed, so that at the session's end its reason can be said in a close frame.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

from controller import gate
from controller.gate import Kind, Pass, Policy, Refusal
from controller.parts import Handler, Request
from wallcrawler.lifecycle import close_frame
from wallcrawler.wire.caller import BadBody, Caller, Head
from wallcrawler.wire.frames import close
from wallcrawler.wire.http import ask
from wallcrawler.wire.splice import Splice

#: Seconds for Chrome to answer one of its HTTP requests.
CHROME_WITHIN = 10.0

#: Seconds for which a socket whose Chrome went away is held, so that it can still be told why.
REASON_WITHIN = 0.5


Introduce = Callable[[Head], Awaitable[Head | Refusal]]


class Proxy:
    """All connections of one guest. `clients_changed` is called with the number of clients that drive the browser."""

    def __init__(self, session_id: str, clients_changed: Callable[[int], None]) -> None:
        self.policy = Policy(session_id)
        self.phase = "boot"
        #: Who answers what is the guest's own, by gate.OWN's names.
        self.handlers: dict[str, Handler] = {}
        #: Has callers of old forms introduced to the gate.
        self.introduce: Introduce | None = None
        #: Not set while the browser is being made what was asked for; callers wait for that.
        self._presentable = asyncio.Event()
        self._presentable.set()
        self._clients_changed = clients_changed
        self._splices: set[Splice] = set()
        self._attending = 0
        self._reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._servers: list[asyncio.Server] = []

    async def listen(self, listener: socket.socket) -> None:
        """Serve what comes to this port. There may be several."""
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(lambda: GuestCaller(self), sock=listener))

    def admit(self, policy: Policy) -> None:
        """From now on who has a token may pass, but waits until `present`."""
        self.policy = policy
        self._presentable.clear()

    def present(self) -> None:
        """The browser is as it was asked for. Safe to repeat."""
        self._presentable.set()

    async def presentable(self) -> None:
        """Returns when nothing is on its way to being made what was asked for."""
        await self._presentable.wait()

    def refuse(self, reason: str) -> None:
        """From now on nobody passes; who is connected stays until `end`."""
        self.policy = replace(self.policy, ended_reason=reason)

    def end(self, reason: str) -> None:
        """Tell everybody who is connected why it ends, and take no more connections."""
        self.refuse(reason)
        if not self._reason.done():
            self._reason.set_result(reason)
        self.present()
        for server in self._servers:
            server.close()
        for splice in list(self._splices):
            splice.finish(close(*close_frame(reason)))

    @property
    def ended(self) -> asyncio.Future[str]:
        """Done when everybody was told why it ends."""
        return self._reason

    @property
    def clients(self) -> int:
        return sum(splice.drives for splice in self._splices) + self._attending

    def attend(self, clients: int) -> None:
        """So many clients drive the browser in another way than by a socket."""
        self._attending = clients
        self._clients_changed(self.clients)

    def joined(self, splice: Splice) -> None:
        self._splices.add(splice)
        if splice.drives:
            self._clients_changed(self.clients)

    def left(self, splice: Splice) -> None:
        if splice in self._splices:
            self._splices.discard(splice)
            if splice.drives:
                self._clients_changed(self.clients)

    async def why(self, splice: Splice) -> bytes | None:
        """The close frame for a client whose Chrome went away; None where Chrome only closed this one target."""
        # Where the guest ends, it always comes to say why; it may have to ask first.
        within = None if self.policy.ended_reason else REASON_WITHIN
        try:
            reason = await asyncio.wait_for(asyncio.shield(self._reason), within)
        except TimeoutError:
            return None
        return close(*close_frame(reason))


class GuestCaller(Caller):
    """One connection to the guest's port."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__()
        self._proxy = proxy

    async def serve(self, head: Head) -> None:
        if head.target.partition("?")[0] == "/health":
            self.answer(200, {"phase": self._proxy.phase})
            return
        await self._proxy.presentable()
        decision = gate.decide(head, self._proxy.policy)
        if isinstance(decision, Refusal) and decision.status == 401 and self._proxy.introduce is not None:
            introduced = await self._proxy.introduce(head)
            decision = introduced if isinstance(introduced, Refusal) else gate.decide(introduced, self._proxy.policy)
        if isinstance(decision, Refusal):
            self.refuse(decision.status, decision.message)
        elif decision.kind is Kind.SOCKET:
            await self._splice(decision)
        elif decision.kind is Kind.OWN:
            await self._to_part(decision, head)
        else:
            await self._fetch(decision, head)

    async def _to_part(self, passed: Pass, head: Head) -> None:
        path, _, query = passed.target.partition("?")
        # Several parts may share one of the gate's paths: the first step behind it then says whose it is.
        step, slash, rest = path.removeprefix("/").partition("/")
        if shared := self._proxy.handlers.get(f"{passed.own}/{step}"):
            path = slash + rest or "/"
        handler = shared or self._proxy.handlers.get(passed.own)
        if handler is None:
            self.refuse(404, "no such path")
            return
        try:
            await handler(Request(head, path, query, passed.audience, self, self._proxy.ended, passed.token))
        except BadBody as wrong:
            self.refuse(wrong.status, str(wrong))

    async def _splice(self, passed: Pass) -> None:
        loop = asyncio.get_running_loop()
        splice = Splice(self.transport, self._proxy, drives=passed.audience == "cdp")
        try:
            await loop.create_connection(lambda: splice.chrome, "127.0.0.1", self._proxy.policy.port)
        except OSError:
            self.refuse(502, "the browser does not answer")
            return
        splice.begin(gate.request_bytes(passed), self.taken_over())

    async def _fetch(self, passed: Pass, head: Head) -> None:
        port = self._proxy.policy.port
        try:
            answer = await ask(
                f"http://127.0.0.1:{port}{passed.target}",
                method=passed.method,
                headers=passed.headers,
                within=CHROME_WITHIN,
            )
        except OSError:
            self.refuse(502, "the browser does not answer")
            return
        body = answer.body
        if passed.kind is Kind.JSON:
            secure = head.header("x-forwarded-proto") == "https"
            text = body.decode(errors="replace")
            body = gate.rewritten(text, passed=passed, host=head.header("host"), secure=secure, port=port).encode()
        self.send(answer.status, body, answer.headers.get("content-type", "text/plain"))
