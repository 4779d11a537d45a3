"""What a part has around it: a guest without a browser, an API of paper, and a store that keeps what is put."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.api import Final
from controller.parts import Guest
from tests.eventually import eventually
from wallcrawler.assignment import Assignment, Note

ASSIGNMENT = Assignment("session-1", "project-1", (1280, 720), False, 4_000_000_000.0, 300.0, 1.0)


async def until(holds: Callable[[], object]) -> None:
    """`eventually`, for who shares a loop with what is waited for."""
    await asyncio.to_thread(eventually, holds)


def a_guest(directory: Path, api: Any, notes: list[Note]) -> Guest:
    return Guest(ASSIGNMENT, directory, 0, api, notes.append, directory / "uploads")


@dataclass
class PaperApi:
    """The routes of downloads, as long as `refusal` is not set; keeps what it was asked."""

    store: str = ""
    refusal: Final | None = None
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        self.asked.append((method, path, body))
        if self.refusal is not None:
            raise self.refusal
        number = len(self.asked)
        return {"number": number, "url": f"{self.store}/{number}"} if method == "POST" else {}

    def said(self, method: str) -> list[Any]:
        return [body for asked, _, body in self.asked if asked == method]


@dataclass
class Store:
    """Takes PUTs. `answers` are its next ones: a status, or None for silence; then it says 200."""

    url: str = ""
    answers: list[int | None] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        answer = self.answers.pop(0) if self.answers else 200
        if answer is not None:
            self.bodies += [body] if answer == 200 else []
            writer.write(f"HTTP/1.1 {answer} So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            writer.close()
