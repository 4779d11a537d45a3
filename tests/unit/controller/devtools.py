"""A DevTools endpoint that answers as a test has it answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from controller.chrome import Endpoint

#: A command's result; None where it is never answered, GONE where Chrome goes instead.
Answers = Callable[[str, dict[str, Any]], dict[str, Any] | None]
GONE: dict[str, Any] = {"gone": True}


class Devtools:
    """What was `asked` of it, in order."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._sockets: set[ServerConnection] = set()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Endpoint]:
        async with serve(self._speak, "127.0.0.1", 0) as server, asyncio.timeout(10):
            yield Endpoint(server.sockets[0].getsockname()[1], "/devtools/browser/1")

    async def says(self, event: str, **params: Any) -> None:
        for socket in self._sockets:
            await socket.send(json.dumps({"method": event, "params": params}, separators=(",", ":")))

    async def _speak(self, socket: ServerConnection) -> None:
        self._sockets.add(socket)
        async for text in socket:
            command = json.loads(text)
            self.asked.append((command["method"], command["params"]))
            result = self._answers(command["method"], command["params"])
            if result is GONE:
                await socket.close()
            elif result is not None:
                key = "error" if "message" in result else "result"
                await socket.send(json.dumps({"id": command["id"], key: result}))
        self._sockets.discard(socket)
