"""The gateway's life: listen, serve, and go in such a way that no client is cut off in the middle of a word."""

from __future__ import annotations

import asyncio
import importlib
import resource
import signal
import socket
from collections.abc import Callable, Mapping

from services.gateway.callers import GatewayCaller
from services.gateway.directory import FRESH, Directory
from services.gateway.gateway import Gateway
from services.gateway.health import Health
from services.gateway.pulse import PING_EVERY
from wallcrawler import log as logs
from wallcrawler.listening import listening
from wallcrawler.ports import Bell
from wallcrawler.sessions import Sessions
from wallcrawler.tokens import Verifier

log = logs.get()


async def serve(
    *,
    sessions: Sessions,
    bell: Bell,
    verifier: Verifier,
    dependencies: Mapping[str, Callable[[], None]],
    listener: socket.socket,
    drain: float,
    stopping: asyncio.Event,
    ping_every: float = PING_EVERY,
    fresh: float = FRESH,
) -> None:
    """Serve until `stopping` is set, and then for as long as there are clients, at most `drain` seconds.

    `dependencies` are what /readyz pings, by name. The port answers until the end, so that /readyz can say that this
    gateway is going.
    """
    directory = Directory(sessions, bell, fresh=fresh)
    gateway = Gateway(directory, verifier)
    health = Health(gateway, dependencies)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: GatewayCaller(gateway, health), sock=listener)
    beating = asyncio.create_task(gateway.beat(ping_every))
    log.info("process.started", port=listener.getsockname()[1], loop=type(loop).__module__)
    try:
        await _until_set(stopping, unless=beating)
        log.info("process.stopping")
        await gateway.drain(drain)
    finally:
        beating.cancel()
        server.close()
        directory.close()
    log.info("process.stopped")


async def _until_set(stopping: asyncio.Event, *, unless: asyncio.Task[None]) -> None:
    """Raises what ended the other task, should it end."""
    waiting = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({waiting, unless}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if unless in done:
        unless.result()


def run(
    *,
    sessions: Sessions,
    bell: Bell,
    verifier: Verifier,
    dependencies: Mapping[str, Callable[[], None]],
    host: str,
    port: int,
    drain: float,
    ping_every: float = PING_EVERY,
) -> None:
    """Serve until SIGTERM or SIGINT, and until what that begins is over. Raises SettingsError."""
    _allow_sockets()
    with listening(host, port) as listener:

        async def life() -> None:
            stopping = asyncio.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stopping.set)
            await serve(
                sessions=sessions,
                bell=bell,
                verifier=verifier,
                dependencies=dependencies,
                listener=listener,
                drain=drain,
                stopping=stopping,
                ping_every=ping_every,
            )

        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(life())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's, where that is installed: it takes a third and more off what a gateway adds to a round trip."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return asyncio.new_event_loop
    return factory


def _allow_sockets() -> None:
    """Two to a client: as many as this process may have at all."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
