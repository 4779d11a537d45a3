"""The port that Chrome makes all of its connections through: SOCKS 5, a tunnel for each, opened to a checked address.

A tunnel costs a check and a copy of bytes; nothing of HTTP is parsed, kept or changed, but where plain HTTP goes
through an HTTP proxy. A refusal is answered with a page where the request is plain HTTP; to TLS nothing can be said,
and its connection fails.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.egress import pages, socks, upstream
from controller.egress.absolute import Rewriter
from controller.egress.dialing import dial
from controller.egress.rules import Blocked, Refused, Rules, Way
from controller.egress.socks import Reply, Target
from controller.egress.tunnel import End, join
from wallcrawler import log as logs
from wallcrawler.egress.routes import Upstream

log = logs.get()

#: Bytes of the first request on a connection, until it is known what it speaks.
EARLY_LIMIT = 262_144

#: Seconds for Chrome to say where it wants to, and to say something where it is sniffed at.
GREETED_WITHIN, SPEAKS_WITHIN = 10.0, 60.0

#: The port of which is known that no page can be shown.
HTTPS = 443

#: What an upgraded connection needs: a tunnel of its own.
UPGRADE = b"\r\nupgrade:"


@dataclass(slots=True)
class Counts:
    """What went through."""

    connections: int = 0
    refused: int = 0
    blocked: int = 0
    proxy_bytes: int = 0

    def proxied(self, size: int) -> None:
        self.proxy_bytes += size


@dataclass(slots=True)
class Egress:
    """All connections of one session's Chrome. `refused` is called with every refusal: the host, and a sentence."""

    rules: Rules
    refused: Callable[[str, str], None]
    counts: Counts = field(default_factory=Counts)
    _server: asyncio.Server | None = None

    async def listen(self) -> int:
        """Returns the port, on loopback."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._server = await asyncio.get_running_loop().create_server(lambda: Connection(self), sock=listener)
        return int(listener.getsockname()[1])

    def close(self) -> None:
        """No more connections; those that are left end with Chrome."""
        if self._server is not None:
            self._server.close()


class Connection(asyncio.Protocol):
    """One connection of Chrome's, until it is a tunnel."""

    transport: asyncio.Transport

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._host: socks.Host | None = socks.Host()
        self._early = b""
        self._spoke = asyncio.Event()
        self._accepted = self._paused = False
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._patience = asyncio.get_running_loop().call_later(GREETED_WITHIN, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._host is None:
            self._early += data
            self._spoke.set()
            if len(self._early) > EARLY_LIMIT:
                self.transport.pause_reading()
                self._paused = True
            return
        try:
            if answer := self._host.feed(data):
                self.transport.write(answer)
        except socks.NotSocks:
            self.transport.abort()
            return
        if target := self._host.target:
            self._patience.cancel()
            self._early, self._host = self._host.early, None
            self._egress.counts.connections += 1
            self._task = asyncio.create_task(self._serve(target))

    async def _serve(self, target: Target) -> None:
        try:
            way = await self._egress.rules.way(target.host, target.port)
            if way.upstream is None:
                await self._directly(way, target.port)
            else:
                await self._through(way, way.upstream, Target(way.host, target.port))
        except Refused as refused:
            self._egress.counts.refused += 1
            self._egress.refused(target.host, str(refused))
            await self._tell(target.port, Reply.REFUSED, pages.refusal(str(refused)))
        except Blocked:
            self._egress.counts.blocked += 1
            self._end(Reply.REFUSED)
        except upstream.ProxyFailed as failed:
            log.warning("egress.proxy_failed", why=str(failed))
            await self._tell(target.port, Reply.FAILED, pages.failure(str(failed)))
        except OSError as away:
            log.debug("egress.unreachable", host=target.host, port=target.port, why=str(away) or type(away).__name__)
            self._end(Reply.UNREACHABLE)

    async def _directly(self, way: Way, port: int) -> None:
        _, end = await dial(way.addresses, port, End)
        self._accept()
        join(self.transport, end, early=self._handed_over())

    async def _through(self, way: Way, proxy: Upstream, target: Target) -> None:
        """By a proxy. http and https ones get plain HTTP in its absolute form, as from a browser: many refuse to open a
        tunnel for it."""
        rewriter = None
        if proxy.scheme != "socks5" and target.port != HTTPS and await self._speaks_plainly():
            rewriter = Rewriter(_origin(target), upstream.authorization(proxy))
        count = self._egress.counts.proxied
        talk = await upstream.connect(proxy, way.addresses, count)
        try:
            if rewriter is None:
                await upstream.open_tunnel(talk, proxy, target)
            said = talk.leave()
        except (OSError, asyncio.CancelledError):
            talk.transport.abort()
            raise
        self._accept()
        if said:
            self.transport.write(said)
        end = End(count, _Answers(proxy).feed if rewriter else None)
        end.connection_made(talk.transport)
        talk.transport.set_protocol(end)
        changed = rewriter.feed if rewriter else None
        join(self.transport, end, early=self._handed_over(), count=count, changed=changed)

    async def _speaks_plainly(self) -> bool:
        """Whether its first request is plain HTTP, and no upgrade of it."""
        self._accept()
        async with asyncio.timeout(SPEAKS_WITHIN):
            while b"\r\n\r\n" not in self._early:
                # TLS, and whatever else is not a word, will never have a head.
                if (self._early and not self._early[:1].isalpha()) or len(self._early) > EARLY_LIMIT:
                    return False
                self._spoke.clear()
                await self._spoke.wait()
        head = self._early.partition(b"\r\n\r\n")[0].lower()
        return head.split(b"\r\n", 1)[0].endswith(b" http/1.1") and UPGRADE not in head

    async def _tell(self, port: int, outcome: Reply, page: bytes) -> None:
        """Why there is no tunnel: in a page where it is plain HTTP, that of a WebSocket included."""
        if port == HTTPS or not (await self._speaks_plainly() or UPGRADE in self._early.lower()):
            self._end(outcome)
        else:
            self.transport.write(page)
            self.transport.close()

    def _accept(self) -> None:
        """Say that there is a tunnel, if that was not said already."""
        if not self._accepted:
            self._accepted = True
            self.transport.write(socks.reply(Reply.DONE))

    def _end(self, outcome: Reply) -> None:
        if self._accepted:
            self.transport.abort()
        else:
            self.transport.write(socks.reply(outcome))
            self.transport.close()

    def _handed_over(self) -> bytes:
        """The transport gets another protocol: this one ends without ending its task; what came early."""
        self._task = None
        if self._paused:
            self.transport.resume_reading()
        return self._early


class _Answers:
    """A proxy's answers to requests in absolute form: its own "authenticate yourself" is not for Chrome to answer."""

    def __init__(self, proxy: Upstream) -> None:
        self._proxy = proxy

    def feed(self, data: bytes) -> bytes:
        if not (data.startswith(b"HTTP/1.") and data[9:12] == b"407"):
            return data
        why = f"the proxy {self._proxy.place} does not accept the username and password (407)"
        log.warning("egress.proxy_failed", why=why)
        return pages.failure(why)


def _origin(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == 80 else f"{host}:{target.port}"
