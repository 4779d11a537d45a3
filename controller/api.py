"""The guest's side of wallcrawler/assignment.py: fetch the assignment, ask for the standing, report in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wallcrawler import log as logs
from wallcrawler.assignment import Assignment, Note, Report, Standing
from wallcrawler.wire.http import ask

log = logs.get()

#: Seconds between attempts, the first and the longest; a guest that cannot reach its API for long has lost its session.
BACKOFF = (0.1, 2.0)
#: Seconds for which the assignment is asked for: no caller waits longer.
ASSIGNED_WITHIN = 45.0


class Final(Exception):
    """The API's answer will not change by asking again."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """The API, for one session. The token is in no exception and no log line."""

    def __init__(self, url: str, session_id: str, token: str) -> None:
        self._base = f"{url}/guest/v1/sessions/{session_id}"
        self._headers = [("authorization", f"Bearer {token}"), ("content-type", "application/json")]

    async def assignment(self) -> Assignment:
        """Raises Final where the session is unknown or over, TimeoutError where the API does not answer."""
        async with asyncio.timeout(ASSIGNED_WITHIN):
            return Assignment.from_wire(await self._persistently("GET", "/assignment"))

    async def standing(self) -> Standing:
        """How the session stands. Raises Final or OSError; asks once."""
        return Standing.from_wire(await self._once("GET", ""))

    async def report(self, report: Report) -> Standing:
        """Say what was seen, until it is heard. Raises Final."""
        return Standing.from_wire(await self._persistently("POST", "/reports", report.as_wire()))

    async def note(self, note: Note) -> Standing:
        """Have a line put into the history, until it is heard. Raises Final."""
        return Standing.from_wire(await self._persistently("POST", "/notes", note.as_wire()))

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One of the routes of a part, until it answers. Raises Final. `path` is behind the session's; a body of bytes
        is JSON already."""
        return await self._persistently(method, path, body)

    async def _persistently(self, method: str, path: str, body: Any = None) -> Any:
        pause, longest = BACKOFF
        while True:
            try:
                return await self._once(method, path, body)
            except OSError as away:
                log.warning("api.unreachable", path=path, why=str(away) or type(away).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)

    async def _once(self, method: str, path: str, body: Any = None) -> Any:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        answer = await ask(self._base + path, method=method, headers=self._headers, body=sent)
        if answer.status >= 500:
            raise OSError(f"the API answered {answer.status}")
        try:
            told = json.loads(answer.body)
        except ValueError:
            raise OSError("the API's answer is not JSON") from None
        if answer.status >= 400:
            raise Final(answer.status, str(told.get("message")))
        return told


class Outbox:
    """Reports, one after another, in the order in which they were put in; each says how many bytes went through
    proxies until it is sent."""

    def __init__(self, api: Api, heard: Callable[[Standing], None], proxy_bytes: Callable[[], int] = int) -> None:
        self._api = api
        self._heard = heard
        self._proxy_bytes = proxy_bytes
        self._waiting: asyncio.Queue[Report | Note] = asyncio.Queue()
        self._task = asyncio.create_task(self._send())

    def put(self, report: Report | Note) -> None:
        self._waiting.put_nowait(report)

    async def _send(self) -> None:
        while True:
            report = await self._waiting.get()
            happened = report.happened if isinstance(report, Note) else report.event
            if isinstance(report, Note):
                saying = self._api.note(report)
            else:
                saying = self._api.report(replace(report, proxy_bytes=self._proxy_bytes()))
            try:
                self._heard(await saying)
                log.debug("report.heard", happened=happened)
            except Final as refused:
                log.warning("report.refused", happened=happened, status=refused.status, why=str(refused))
            finally:
                self._waiting.task_done()

    async def flush(self, within: float) -> None:
        """Wait until everything was heard, at most so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._waiting.join()
        except TimeoutError:
            log.error("report.unheard", reports=self._waiting.qsize() + 1)
        self._task.cancel()
