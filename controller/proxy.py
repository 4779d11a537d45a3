"""The one port of a guest: reads a request's head, asks the gate, and splices.

After an authorised upgrade the two sockets are spliced: bytes are copied both ways with back-pressure and no frame is
parsed. Only where frames end is followed, so that at the session's end its reason can be said in a close frame.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import replace

import h11

from controller import gate
from controller.frames import close
from controller.gate import Head, Kind, Pass, Policy, Refusal
from controller.http import ask
from controller.splice import Splice
from wallcrawler import log as logs
from wallcrawler.lifecycle import close_frame

log = logs.get()

#: Bytes of the largest head, and seconds for it to arrive.
HEAD_LIMIT = 65_536
HEAD_WITHIN = 10.0

#: Seconds for Chrome to answer one of its HTTP requests.
CHROME_WITHIN = 10.0

#: Seconds for which a socket whose Chrome went away is held, so that it can still be told why.
REASON_WITHIN = 0.5


class Proxy:
    """All connections of one guest. `clients_changed` is called with the number of clients that drive the browser."""

    def __init__(self, session_id: str, clients_changed: Callable[[int], None]) -> None:
        self.policy = Policy(session_id)
        self.phase = "boot"
        self._clients_changed = clients_changed
        self._splices: set[Splice] = set()
        self._reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._server: asyncio.Server | None = None

    async def listen(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Caller(self), sock=listener)

    def admit(self, policy: Policy) -> None:
        """From now on who has a token may pass."""
        self.policy = policy

    def refuse(self, reason: str) -> None:
        """From now on nobody passes; who is connected stays until `end`."""
        self.policy = replace(self.policy, ended_reason=reason)

    def end(self, reason: str) -> None:
        """Tell everybody who is connected why it ends, and take no more connections."""
        self.refuse(reason)
        if not self._reason.done():
            self._reason.set_result(reason)
        if self._server is not None:
            self._server.close()
        for splice in list(self._splices):
            splice.finish(close(*close_frame(reason)))

    @property
    def clients(self) -> int:
        return sum(splice.drives for splice in self._splices)

    def joined(self, splice: Splice) -> None:
        self._splices.add(splice)
        if splice.drives:
            self._clients_changed(self.clients)

    def left(self, splice: Splice) -> None:
        if splice in self._splices:
            self._splices.discard(splice)
            if splice.drives:
                self._clients_changed(self.clients)

    async def why(self) -> bytes | None:
        """The close frame for a client whose Chrome went away; None where Chrome only closed this one target."""
        try:
            reason = await asyncio.wait_for(asyncio.shield(self._reason), REASON_WITHIN)
        except TimeoutError:
            return None
        return close(*close_frame(reason))


class Caller(asyncio.Protocol):
    """One connection until its request is understood; then it is a splice's, or answered and closed."""

    transport: asyncio.Transport

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._task: asyncio.Task[None] | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._patience = asyncio.get_running_loop().call_later(
            HEAD_WITHIN, self._refuse, Refusal(408, "no request came")
        )

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            # A client that speaks before its upgrade is answered; bounded, because it has no reason to say much.
            self._early += data
            if len(self._early) > HEAD_LIMIT:
                self.transport.abort()
            return
        try:
            self._parser.receive_data(data)
            event = self._parser.next_event()
        except h11.RemoteProtocolError as wrong:
            self._refuse(Refusal(431 if wrong.error_status_hint == 431 else 400, "the request is not HTTP/1.1"))
            return
        if isinstance(event, h11.Request):
            self._patience.cancel()
            self._early = self._parser.trailing_data[0]
            head = Head(
                event.method.decode("ascii"),
                event.target.decode("latin-1"),
                [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers],
            )
            self._task = asyncio.create_task(self._serve(head))

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _serve(self, head: Head) -> None:
        if head.target.partition("?")[0] == "/health":
            self._answer(200, {"phase": self._proxy.phase})
            return
        decision = gate.decide(head, self._proxy.policy)
        if isinstance(decision, Refusal):
            self._refuse(decision)
        elif decision.kind is Kind.SOCKET:
            await self._splice(decision)
        else:
            await self._fetch(decision, head)

    async def _splice(self, passed: Pass) -> None:
        loop = asyncio.get_running_loop()
        splice = Splice(self.transport, self._proxy, drives=passed.audience == "cdp")
        try:
            await loop.create_connection(lambda: splice.chrome, "127.0.0.1", self._proxy.policy.port)
        except OSError:
            self._refuse(Refusal(502, "the browser does not answer"))
            return
        self._task = None
        splice.begin(gate.request_bytes(passed), self._early)

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
            self._refuse(Refusal(502, "the browser does not answer"))
            return
        body = answer.body
        if passed.kind is Kind.JSON:
            secure = head.header("x-forwarded-proto") == "https"
            text = body.decode(errors="replace")
            body = gate.rewritten(text, passed=passed, host=head.header("host"), secure=secure, port=port).encode()
        self._send(answer.status, body, answer.headers.get("content-type", "text/plain"))

    def _refuse(self, refusal: Refusal) -> None:
        log.info("gate.refused", status=refusal.status, why=refusal.message)
        phrase = gate.phrase(refusal.status)
        self._answer(refusal.status, {"statusCode": refusal.status, "error": phrase, "message": refusal.message})

    def _answer(self, status: int, body: object) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        head = (
            f"HTTP/1.1 {status} {gate.phrase(status)}\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("latin-1") + body)
        self.transport.close()
