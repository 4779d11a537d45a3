"""What the egress adds to page loads: a page with 60 sub-resources, in two Chromes by turns, one behind an egress.

They are bare ones that are alike otherwise, so that it is the egress that is measured and nothing else of a session; it
has a process of its own, as in a guest. Every load is of a host that was never loaded before, so that its connections
are made anew: that is where the egress works. The site is on loopback, and has no way to hide behind.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import multiprocessing
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.floor import bare
from benchmarks.proxy import Cdp
from controller.egress.machine import Machine
from controller.egress.resolver import Resolver
from controller.egress.rules import Rules
from controller.egress.server import Egress
from controller.parts.egress import switches
from tests.authority import issue
from wallcrawler import log as logs
from wallcrawler.egress.domains import Domains
from wallcrawler.egress.policy import Policy
from wallcrawler.egress.routes import Routes

#: Sub-resources of each kind, and their bytes: a page of 61 requests and 0.6 MB.
EACH = 20
SIZES = {"js": 12_000, "css": 8_000, "svg": 10_000}
TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}

#: Loads of each way before it counts.
WARM = 3


def content(path: str) -> tuple[str, bytes]:
    """A type and a body."""
    kind = path.rpartition(".")[2]
    if kind not in SIZES:
        numbers = range(EACH)
        return "text/html", "".join(
            [
                "<!doctype html><link rel=icon href=data:,><title>a page</title>",
                *(f"<link rel=stylesheet href=/{n}.css>" for n in numbers),
                *(f"<script src=/{n}.js defer></script>" for n in numbers),
                *(f"<img src=/{n}.svg>" for n in numbers),
            ]
        ).encode()
    if kind == "svg":
        return TYPES[kind], b'<svg xmlns="http://www.w3.org/2000/svg"><desc>' + b"x" * SIZES[kind] + b"</desc></svg>"
    return TYPES[kind], b"/*" + b"x" * SIZES[kind] + b"*/"


class _Site(asyncio.Protocol):
    """Answers requests without a body, one after another on a connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._unread = b""

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while b"\r\n\r\n" in self._unread:
            head, _, self._unread = self._unread.partition(b"\r\n\r\n")
            kind, body = content(head.split(b" ", 2)[1].decode())
            fields = f"content-type: {kind}\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\n\r\n"
            self._transport.write(b"HTTP/1.1 200 OK\r\n" + fields.encode() + body)


def _serve_site(pipe: Connection, certificate: str | None) -> None:
    async def serve() -> None:
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        server = await asyncio.get_running_loop().create_server(_Site, "127.0.0.1", 0, ssl=context)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


def _serve_egress(pipe: Connection, directory: str) -> None:
    async def serve() -> None:
        resolver = Resolver()
        machine = Machine(Path(directory) / "session", (), resolver)
        machine.complete.set()
        rules = Rules(Policy(private=True), Routes([]), Domains([]), machine, resolver)
        pipe.send(await Egress(rules, lambda *_: None).listen())
        await asyncio.Event().wait()

    logs.configure(service="bench", fmt="console", level="ERROR")
    uvloop.run(serve())


@contextmanager
def beside(serve: Callable[[Connection, Any], None], argument: object) -> Iterator[int]:
    """A server in a process of its own, so that it is nobody else's loop that is measured; its port."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=serve, args=(theirs, argument), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


class Page(Cdp):
    """A page that is timed."""

    def load(self, url: str) -> float:
        """Milliseconds from the command until the page's load event."""
        began = time.perf_counter()
        message = {"id": next(self._numbers), "method": "Page.navigate", "params": {"url": url}, **self._session}
        self._send(json.dumps(message).encode())
        while json.loads(self._receive()).get("method") != "Page.loadEventFired":
            pass
        return (time.perf_counter() - began) * 1e3

    @classmethod
    def of(cls, url: str) -> Page:
        page = cls(url)
        page.attach()
        page.call("Page.enable")
        return page


@contextmanager
def pages() -> Iterator[dict[str, Page]]:
    """One behind an egress and one without."""
    lenient = "--ignore-certificate-errors"
    with (
        tempfile.TemporaryDirectory() as directory,
        beside(_serve_egress, directory) as port,
        bare(lenient, *switches(port)) as behind,
        bare(lenient) as without,
    ):
        ways = {"egress": Page.of(behind.url), "direct": Page.of(without.url)}
        yield ways
        for page in ways.values():
            page.close()


def measure(rounds: int) -> dict[str, float]:
    """Median milliseconds of a load, by scheme and way: `http_egress`, `http_direct`, and the same of https."""
    taken: dict[str, list[float]] = {}
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "site.pem"
        identity = issue("a site")
        certificate.write_bytes(identity.pem + identity.key_bytes())
        with (
            beside(_serve_site, None) as http,
            beside(_serve_site, str(certificate)) as https,
            pages() as ways,
        ):
            for turn in range(-WARM, rounds):
                for scheme, port in (("http", http), ("https", https)):
                    # Whoever is first in one turn is second in the next.
                    for name in sorted(ways, reverse=turn % 2 == 0):
                        took = ways[name].load(f"{scheme}://site{next(numbers)}.localhost:{port}/")
                        if turn >= 0:
                            taken.setdefault(f"{scheme}_{name}", []).append(took)
    return {name: statistics.median(values) for name, values in taken.items()}
