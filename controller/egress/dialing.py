"""Connect to one of several addresses, without waiting long for one that does not answer (RFC 8305, the light way)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from wallcrawler.egress.addresses import Address

#: Seconds that one address has before the next is tried beside it.
HEAD_START = 0.25

#: Seconds for a connection.
WITHIN = 30.0

AnyProtocol = TypeVar("AnyProtocol", bound=asyncio.Protocol)

Dialled = tuple[asyncio.Transport, AnyProtocol]


async def dial(
    addresses: Sequence[Address], port: int, protocol: Callable[[], AnyProtocol]
) -> tuple[asyncio.Transport, AnyProtocol]:
    """The first connection that stands. Raises OSError, TimeoutError included."""
    async with asyncio.timeout(WITHIN):
        if len(addresses) == 1:
            return await _one(addresses[0], port, protocol)
        return await _first(addresses, port, protocol)


async def _one(
    address: Address, port: int, protocol: Callable[[], AnyProtocol]
) -> tuple[asyncio.Transport, AnyProtocol]:
    transport, made = await asyncio.get_running_loop().create_connection(protocol, str(address), port)
    return transport, made


async def _first(
    addresses: Sequence[Address], port: int, protocol: Callable[[], AnyProtocol]
) -> tuple[asyncio.Transport, AnyProtocol]:
    attempts: set[asyncio.Task[tuple[asyncio.Transport, AnyProtocol]]] = set()
    waiting, failed = list(addresses), OSError("no address")
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.create_task(_one(waiting.pop(0), port, protocol)))
            done, attempts = await asyncio.wait(
                attempts, timeout=HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                if wrong := attempt.exception():
                    failed = wrong if isinstance(wrong, OSError) else failed
                    continue
                attempts |= done - {attempt}
                return attempt.result()
        raise failed
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_hang_up)
            attempt.cancel()


def _hang_up(attempt: asyncio.Task[tuple[asyncio.Transport, AnyProtocol]]) -> None:
    """One that came too late."""
    with suppress(OSError, asyncio.CancelledError):
        attempt.result()[0].abort()
