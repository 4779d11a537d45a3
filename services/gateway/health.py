"""/healthz, /readyz, /metrics: this process answers, so does all that it needs, and its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.gateway.gateway import Gateway
from wallcrawler.errors import TryLater
from wallcrawler.wire.caller import Head

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str


class Health:
    """`dependencies` are pings by name; each raises TryLater where what it pings does not answer."""

    def __init__(self, gateway: Gateway, dependencies: Mapping[str, Callable[[], None]]) -> None:
        self._gateway = gateway
        self._dependencies = dependencies

    async def answer(self, head: Head) -> Answer | None:
        """None where something else was asked for."""
        path = head.target.partition("?")[0]
        if path == "/healthz":
            return Answer(200, b'{"status": "ok"}', JSON)
        if path == "/readyz":
            return await self._ready()
        if path == "/metrics" and not head.header("x-forwarded-for"):
            # Numbers are read from within: who comes through a load balancer gets none.
            self._gateway.meter()
            return Answer(200, generate_latest(), CONTENT_TYPE_LATEST)
        return None

    async def _ready(self) -> Answer:
        """503 names what is missing; so does a gateway that takes no more clients, before anything is asked."""
        if self._gateway.draining:
            return Answer(503, json.dumps({"status": "draining", "dependencies": {}}).encode(), JSON)
        states = {name: await self._state(ping) for name, ping in self._dependencies.items()}
        ready = all(state == "ok" for state in states.values())
        body = {"status": "ok" if ready else "unavailable", "dependencies": states}
        return Answer(200 if ready else 503, json.dumps(body).encode(), JSON)

    async def _state(self, ping: Callable[[], None]) -> str:
        try:
            await self._gateway.directory.ask(ping)
        except TryLater as away:
            return str(away)
        return "ok"
