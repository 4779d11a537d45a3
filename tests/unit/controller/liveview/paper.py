"""Sockets and connections of paper: they take what is said, and a test says what comes back."""

from __future__ import annotations

import asyncio
import base64
import json
import selectors
from typing import Any


class PaperSocket:
    """A viewer's WebSocket; `full` while its other side does not read."""

    def __init__(self) -> None:
        self.said: list[str | bytes] = []
        self.full = False
        self.aborted = False
        self.closed: tuple[int, str] | None = None

    def say(self, message: str | bytes) -> None:
        self.said.append(message)

    def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)

    def abort(self) -> None:
        self.aborted = True

    @property
    def frames(self) -> list[bytes]:
        return [message for message in self.said if isinstance(message, bytes)]

    def told(self, kind: str) -> list[dict[str, Any]]:
        messages = [json.loads(message) for message in self.said if isinstance(message, str)]
        return [message for message in messages if message["type"] == kind]


class PaperConnection:
    """A CDP connection that writes down its commands. Those named in `silent` get no answer."""

    def __init__(self, *silent: str) -> None:
        self.called: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self._silent = silent

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self.called.append((method, params))
        if method in self._silent:
            await asyncio.get_running_loop().create_future()
        answer = self.answers.get(method, {})
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def count(self, method: str) -> int:
        return sum(called == method for called, _ in self.called)

    def params(self, method: str) -> list[dict[str, Any]]:
        return [params for called, params in self.called if called == method]


def frame(picture: bytes, number: int = 1) -> dict[str, Any]:
    """Page.screencastFrame, of a page of 1000 by 500."""
    metadata = {"deviceWidth": 1000, "deviceHeight": 500}
    return {"data": base64.b64encode(picture).decode(), "metadata": metadata, "sessionId": number}


class Timelapse(selectors.SelectSelector):
    """Waits for nothing: where a loop would sleep, its time goes on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen"
        self.now += timeout
        return super().select(0)


def timelapse() -> asyncio.AbstractEventLoop:
    selector = Timelapse()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    return loop


async def turns(count: int = 5) -> None:
    """Let tasks that are ready go on."""
    for _ in range(count):
        await asyncio.sleep(0)
