"""An egress on loopback, without a browser: what Chrome would say to it is said by tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop

from controller.egress.machine import Machine
from controller.egress.resolver import Resolver
from controller.egress.rules import Rules
from controller.egress.server import Egress
from tests.integration.egress.visitor import Visitor
from wallcrawler.egress.addresses import Address
from wallcrawler.egress.domains import Domains
from wallcrawler.egress.policy import Destination, Policy
from wallcrawler.egress.routes import Routes, Rule


@dataclass
class Standing:
    """An egress that runs in a thread, and what it has told."""

    egress: Egress
    machine: Machine
    port: int
    loop: asyncio.AbstractEventLoop
    refused: list[tuple[str, str]] = field(default_factory=list)

    def release(self) -> None:
        """All ports of this machine are marked now."""
        self.loop.call_soon_threadsafe(self.machine.complete.set)

    def visit(self, host: str, port: int) -> Visitor:
        return Visitor(self.port, host, port)


Stand = Callable[..., Standing]


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """Starts one, with a policy that opens private ranges and a resolver that knows these names."""
    with ExitStack() as undo:

        def stand(
            *,
            policy: Policy | None = None,
            rules: Sequence[Rule] = (),
            names: dict[str, list[Address]] | None = None,
            ads: Sequence[str] = (),
            places: Sequence[Destination] = (),
        ) -> Standing:
            loop = uvloop.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, daemon=True)
            thread.start()

            def run(work: Any) -> Any:
                return asyncio.run_coroutine_threadsafe(work, loop).result(10)

            resolver = Resolver(lambda name: (names or {})[name] if name in (names or {}) else _unknown(name))

            async def begin() -> tuple[Egress, Machine, int]:
                machine = Machine(tmp_path / "session", places, resolver)
                machine.complete.set()
                told = Rules(policy or Policy(private=True), Routes(rules), Domains(ads), machine, resolver)
                egress = Egress(told, lambda host, why: standing.refused.append((host, why)))
                return egress, machine, await egress.listen()

            async def end() -> None:
                standing.egress.close()
                resolver.close()

            standing = Standing(*run(begin()), loop)
            undo.callback(loop.close)
            undo.callback(thread.join, 5)
            undo.callback(loop.call_soon_threadsafe, loop.stop)
            undo.callback(lambda: run(end()))
            return standing

        yield stand


def _unknown(name: str) -> list[Address]:
    raise OSError(f"no such name: {name}")
