"""Chrome and the API as a part of the guest sees them, without either."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, cast

from controller.api import Final
from controller.cdp import Refused
from controller.chrome import Endpoint
from controller.parts import Browser, Guest
from wallcrawler.assignment import Assignment


async def until(holds: Callable[[], object]) -> None:
    """Return as soon as `holds()` is true, on a loop that goes on meanwhile. Raises TimeoutError after 5 s."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for is said by nobody
            await asyncio.sleep(0.001)


class TalkativeChrome:
    """The observer's connection: answers commands with next to nothing, and says what a test has it say."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []
        self.refuses: set[str] = set()
        #: What it says, to whom, before it answers a command.
        self.upon: dict[str, Callable[[str | None], None]] = {}
        #: Where its pages are when they are asked.
        self.where = "about:blank"
        self._listeners: dict[str, list[Callable[[dict[str, Any], str | None], None]]] = {}
        self._numbers = count(1)

    def on(self, event: str, listener: Callable[[dict[str, Any], str | None], None]) -> None:
        self._listeners.setdefault(event, []).append(listener)

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self.asked.append((method, session, params))
        if method in self.refuses:
            raise Refused(f"{method}: not here")
        if method in self.upon:
            self.upon[method](session)
        if method == "Target.attachToTarget":
            return {"sessionId": f"session with {params['targetId']}"}
        if method == "Page.getFrameTree":
            return {"frameTree": {"frame": {"id": "F", "loaderId": "L", "url": self.where}}}
        return {}

    def says(self, event: str, session: str | None = None, **params: Any) -> None:
        for listener in self._listeners.get(event, ()):
            listener(params, session)

    async def opens(self, kind: str = "page", *, above: str | None = None) -> str:
        """A new target, which whoever watches has met; the session with it."""
        info = {"targetId": f"{kind} {next(self._numbers)}", "type": kind, "url": "about:blank"}
        session = f"session with {info['targetId']}"
        if above is None:
            self.says("Target.targetCreated", targetInfo=info)
        else:
            self.says("Target.attachedToTarget", above, sessionId=session, targetInfo=info, waitingForDebugger=False)
        for _ in range(5):
            await asyncio.sleep(0)
        return session

    def closes(self, session: str) -> None:
        self.says("Target.detachedFromTarget", sessionId=session)

    def commands(self, session: str) -> list[str]:
        return [method for method, of, _ in self.asked if of == session]


class KeepingApi:
    """The API's side of the journal: keeps the last of each chunk."""

    def __init__(self) -> None:
        self.chunks: dict[int, dict[str, Any]] = {}
        self.away = False
        self.refusal: Final | None = None

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        assert (method, path) == ("POST", "/journal")
        if self.away:
            await asyncio.Event().wait()
        if self.refusal is not None:
            raise self.refusal
        chunk = json.loads(body)
        self.chunks[chunk["number"]] = chunk
        return {}

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [entry for number in sorted(self.chunks) for entry in self.chunks[number]["entries"]]

    @property
    def methods(self) -> list[str]:
        return [entry["method"] for entry in self.entries]


def browser_of(chrome: TalkativeChrome) -> Browser:
    return Browser(Endpoint(0, ""), cast(Any, chrome))


def guest_of(api: KeepingApi, *, plan: dict[str, Any] | None = None) -> Guest:
    assignment = Assignment("session-1", "project-1", (1280, 720), False, 0, 0, 0, plan=plan or {})
    return Guest(assignment, Path("/nowhere"), 0, cast(Any, api), lambda _: None, Path("/nowhere"))
