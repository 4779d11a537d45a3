"""Tunnels through proxies: `CONNECT` to http and https ones, SOCKS 5 to those that speak it. They resolve names.

A password is in what is sent to its proxy, and in no exception and no log line.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from controller.egress import socks
from controller.egress.tunnel import Count
from wallcrawler.egress.addresses import Address
from wallcrawler.egress.routes import Upstream

#: Seconds for a proxy to have the tunnel ready.
WITHIN = 30.0

#: Bytes of the largest answer to a CONNECT.
ANSWER_LIMIT = 65_536


class ProxyFailed(OSError):
    """The proxy did not do what it is there for; a sentence that names it."""


class Talk(asyncio.Protocol):
    """What is said to a proxy before its tunnel stands. `count` is told of every byte."""

    transport: asyncio.Transport

    def __init__(self, count: Count) -> None:
        self._count = count
        self._unread = b""
        self._lost = False
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._count(len(data))
        self._unread += data
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._changed.set()

    def say(self, data: bytes) -> None:
        self._count(len(data))
        self.transport.write(data)

    async def hear(self, size: int) -> bytes:
        """Exactly so many bytes. Raises EOFError."""
        while len(self._unread) < size:
            await self._more()
        heard, self._unread = self._unread[:size], self._unread[size:]
        return heard

    async def hear_head(self) -> bytes:
        """Up to an empty line. Raises EOFError."""
        while b"\r\n\r\n" not in self._unread:
            if len(self._unread) > ANSWER_LIMIT:
                raise EOFError
            await self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        return head

    async def _more(self) -> None:
        if self._lost:
            raise EOFError
        self._changed.clear()
        await self._changed.wait()

    def leave(self) -> bytes:
        """What was heard and belongs to the tunnel already; raises EOFError where that has ended."""
        if self._lost:
            raise EOFError
        return self._unread


def authorization(upstream: Upstream) -> str | None:
    """The value of Proxy-Authorization (RFC 7617)."""
    if not upstream.username and not upstream.password:
        return None
    return "Basic " + b64encode(f"{upstream.username}:{upstream.password}".encode()).decode()


def tls(upstream: Upstream) -> dict[str, Any]:
    """How to connect to it, for asyncio's create_connection."""
    if upstream.scheme != "https":
        return {}
    import ssl  # noqa: PLC0415 - 15 ms that only sessions with such a proxy pay

    return {"ssl": ssl.create_default_context(), "server_hostname": upstream.host}


async def connect(upstream: Upstream, addresses: Sequence[Address], count: Count) -> Talk:
    """A connection to the proxy, at the first of these addresses that answers. Raises ProxyFailed."""
    loop, why = asyncio.get_running_loop(), "no address"
    for address in addresses:
        try:
            async with asyncio.timeout(WITHIN):
                _, talk = await loop.create_connection(
                    lambda: Talk(count), str(address), upstream.port, **tls(upstream)
                )
                return talk
        except TimeoutError:
            why = "no answer"
        except OSError as refused:
            why = refused.strerror or type(refused).__name__
    raise ProxyFailed(f"the proxy {upstream.place} can't be connected to: {why}")


async def open_tunnel(talk: Talk, upstream: Upstream, target: socks.Target) -> None:
    """Have the proxy connect to the target; raises ProxyFailed."""
    speak = _speak_socks if upstream.scheme == "socks5" else _speak_http
    try:
        async with asyncio.timeout(WITHIN):
            await speak(talk, upstream, target)
    except TimeoutError:
        raise ProxyFailed(f"the proxy {upstream.place} does not answer") from None
    except EOFError:
        raise ProxyFailed(f"the proxy {upstream.place} closed the connection") from None


async def _speak_http(talk: Talk, upstream: Upstream, target: socks.Target) -> None:
    origin = f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"
    password = authorization(upstream)
    secret = f"Proxy-Authorization: {password}\r\n" if password else ""
    talk.say(f"CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n{secret}\r\n".encode())
    status = b""
    while not status or status.startswith(b"1"):
        version, _, rest = (await talk.hear_head()).partition(b" ")
        status = rest[:3]
        if not version.startswith(b"HTTP/1.") or not status.isdigit():
            raise ProxyFailed(f"the proxy {upstream.place} does not speak HTTP")
    if status == b"407":
        raise ProxyFailed(f"the proxy {upstream.place} does not accept the username and password (407)")
    if not status.startswith(b"2"):
        raise ProxyFailed(f"the proxy {upstream.place} answered {status.decode()} for {target.host}")


async def _speak_socks(talk: Talk, upstream: Upstream, target: socks.Target) -> None:
    wants_password = bool(upstream.username or upstream.password)
    talk.say(socks.greeting(with_password=wants_password))
    version, method = await talk.hear(2)
    if version != socks.VERSION:
        raise ProxyFailed(f"the proxy {upstream.place} does not speak SOCKS 5")
    if method == socks.NOTHING_ACCEPTABLE:
        raise ProxyFailed(f"the proxy {upstream.place} wants to be authenticated with in another way")
    if method == socks.PASSWORD and wants_password:
        talk.say(socks.password(upstream.username, upstream.password))
        if (await talk.hear(2))[1] != 0:
            raise ProxyFailed(f"the proxy {upstream.place} does not accept the username and password")
    talk.say(socks.request(target))
    _, outcome, _, kind = await talk.hear(4)
    length = {socks.V4: 4, socks.V6: 16}.get(kind) or (await talk.hear(1))[0]
    await talk.hear(length + 2)
    if outcome != socks.Reply.DONE:
        raise ProxyFailed(f"the proxy {upstream.place} could not connect to {target.host} (SOCKS reply {outcome})")
