"""Names to addresses, in a few threads of its own, remembered for a moment.

What is remembered saves time and nothing else: whoever connects checks the address that it connects to.
"""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from wallcrawler.egress.addresses import Address, literal

#: Threads that ask the system's resolver; each name that hangs takes one.
THREADS = 8

#: Seconds for which an answer, and a failure, is remembered. The system's resolver tells nobody the record's TTL.
KEPT, FAILURE_KEPT = 30.0, 1.0

#: Names that are remembered.
REMEMBERED = 1000

#: Seconds for an answer.
WITHIN = 10.0

#: Names of this machine (RFC 6761): no resolver is asked for them.
LOOPBACK: tuple[Address, ...] = (ip_address("127.0.0.1"), ip_address("::1"))

#: Returns addresses. Raises OSError.
Lookup = Callable[[str], Sequence[Address]]


class NoSuchName(OSError):
    """The name has no address, or nobody said which within the time."""


def system_lookup(name: str) -> list[Address]:
    """IPv4 and IPv6 by turns, in the order in which the system would try them."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(ip_address(str(place[0]).partition("%")[0]) for *_, place in found))
    first = addresses[0].version
    ours, others = ([a for a in addresses if (a.version == first) is same] for same in (True, False))
    mixed = [address for pair in zip(ours, others, strict=False) for address in pair]
    return mixed + ours[len(others) :] + others[len(ours) :]


class Resolver:
    """Safe to ask for the same name many times at once: it is looked up once."""

    def __init__(self, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup
        self._jobs: queue.SimpleQueue[tuple[str, asyncio.Future[Sequence[Address]]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._known: OrderedDict[str, tuple[float, asyncio.Future[Sequence[Address]]]] = OrderedDict()

    async def addresses(self, host: str) -> Sequence[Address]:
        """Of a canonical host, best first; at least one. Raises NoSuchName."""
        if address := literal(host):
            return (address,)
        if host == "localhost" or host.endswith(".localhost"):
            return LOOPBACK
        until, known = self._known.get(host, (0.0, None))
        if known is None or (known.done() and time.monotonic() > until):
            known = self._ask(host)
        try:
            async with asyncio.timeout(WITHIN):
                return await asyncio.shield(known)
        except TimeoutError:
            raise NoSuchName(f"{host}: no answer from DNS within {WITHIN:g} s") from None

    def _ask(self, host: str) -> asyncio.Future[Sequence[Address]]:
        answer: asyncio.Future[Sequence[Address]] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda done: self._remember(host, done))
        self._known[host] = (0.0, answer)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        self._jobs.put((host, answer))
        waiting = sum(not known.done() for _, known in self._known.values())
        if len(self._threads) < min(waiting, THREADS):
            # Daemons: a guest that ends does not wait for a DNS server.
            thread = threading.Thread(target=self._work, args=(answer.get_loop(),), name="resolver", daemon=True)
            self._threads.append(thread)
            thread.start()
        return answer

    def _remember(self, host: str, done: asyncio.Future[Sequence[Address]]) -> None:
        kept = FAILURE_KEPT if done.cancelled() or done.exception() else KEPT
        if self._known.get(host, (0.0, None))[1] is done:
            self._known[host] = (time.monotonic() + kept, done)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while job := self._jobs.get():
            host, answer = job
            try:
                result: Sequence[Address] | NoSuchName = self._lookup(host) or NoSuchName(f"{host} has no address")
            except (OSError, ValueError) as failed:
                result = NoSuchName(f"{host}: {getattr(failed, 'strerror', None) or failed}")
            try:
                loop.call_soon_threadsafe(_settle, answer, result)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

    def close(self) -> None:
        """Threads that wait for nobody end; one that waits for DNS ends with that, or with the process."""
        for _ in self._threads:
            self._jobs.put(None)
        self._threads.clear()


def _settle(answer: asyncio.Future[Sequence[Address]], result: Sequence[Address] | NoSuchName) -> None:
    if answer.done():
        return
    if isinstance(result, NoSuchName):
        answer.set_exception(result)
        # Whoever asked may have given up.
        answer.exception()
    else:
        answer.set_result(result)
