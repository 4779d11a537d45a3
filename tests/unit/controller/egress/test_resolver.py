"""Names to addresses."""

from __future__ import annotations

import asyncio
import threading
from ipaddress import ip_address

import pytest

from controller.egress import resolver
from controller.egress.resolver import NoSuchName, Resolver

ADDRESS = ip_address("192.0.2.7")


def test_a_name_is_looked_up_once_for_all_who_ask() -> None:
    """At the same time and for a while after; addresses and this machine's own names are not looked up at all."""
    asked = []

    async def ask() -> list[object]:
        names = Resolver(lambda name: asked.append(name) or [ADDRESS])  # type: ignore[func-returns-value]
        found = await asyncio.gather(*(names.addresses("a.example") for _ in range(20)))
        found.append(await names.addresses("a.example"))
        more = [await names.addresses(host) for host in ("192.0.2.1", "::1", "localhost", "app.localhost")]
        names.close()
        return [*found, *more]

    answers = asyncio.run(ask())

    assert asked == ["a.example"]
    assert answers[:21] == [[ADDRESS]] * 21
    assert answers[21:] == [(ip_address("192.0.2.1"),), (ip_address("::1"),), resolver.LOOPBACK, resolver.LOOPBACK]


def test_a_name_without_an_address_is_no_such_name() -> None:
    """Also one of which the system says so by failing."""

    def lookup(name: str) -> list[object]:
        if name == "failing.example":
            raise OSError("Name or service not known")
        return []

    async def ask() -> None:
        names = Resolver(lookup)  # type: ignore[arg-type]
        for host in ("failing.example", "empty.example"):
            with pytest.raises(NoSuchName, match=host):
                await names.addresses(host)
        names.close()

    asyncio.run(ask())


def test_names_that_hang_hold_nobody_else_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until all threads hang; then the others wait, and are told so."""
    monkeypatch.setattr(resolver, "WITHIN", 0.1)
    hanging, hung = threading.Event(), threading.Semaphore(0)

    def lookup(name: str) -> list[object]:
        if name.startswith("hanging"):
            hung.release()
            hanging.wait(10)
        return [ADDRESS]

    async def ask() -> None:
        names = Resolver(lookup)  # type: ignore[arg-type]
        waiting = [asyncio.create_task(names.addresses(f"hanging{n}.example")) for n in range(resolver.THREADS - 1)]
        assert await names.addresses("quick.example") == [ADDRESS]
        waiting.append(asyncio.create_task(names.addresses("hanging.example")))
        await asyncio.sleep(0)
        with pytest.raises(NoSuchName, match="no answer"):
            await names.addresses("late.example")
        hanging.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        names.close()

    asyncio.run(ask())


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may ask for as many names as it likes."""
    monkeypatch.setattr(resolver, "REMEMBERED", 10)

    async def ask() -> int:
        names = Resolver(lambda _: [ADDRESS])
        for number in range(50):
            await names.addresses(f"{number}.example")
        names.close()
        return len(names._known)

    assert asyncio.run(ask()) == 10


def test_the_systems_own_lookup_knows_this_machine() -> None:
    """IPv4 and IPv6 by turns, without repetitions."""
    found = resolver.system_lookup("127.0.0.1")

    assert found == [ip_address("127.0.0.1")]
