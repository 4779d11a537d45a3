"""What loads and runs things in the browser, and is attached to: pages, popups, and their frames of other sites and
their workers.

Clients hold new targets until they have dealt with them, and rely on it. Chrome lets go of a target as soon as one who
is attached says so, and has a window that a page opens wait for everybody who attaches to pages by themselves
(Target.setAutoAttach), whatever they ask for. So pages are attached to when they are seen, which holds nothing and lets
go of nothing; what a page does before that is missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from controller.cdp import Connection, Refused
from wallcrawler import log as logs

log = logs.get()

#: Seconds for the first pages to be met; one that does not answer is met when it does.
MET_WITHIN = 1.0

#: Kinds of targets that are attached to.
KINDS = frozenset({"page", "iframe", "worker"})


@dataclass(frozen=True, slots=True)
class Target:
    """One target. `session` is ours with it, and in every event of it."""

    session: str
    #: Chrome's word, one of KINDS.
    kind: str
    #: The page that it is, or is of: pages are counted from 0, in the order in which they appeared.
    page: int
    #: Chrome's own account of it.
    info: dict[str, Any] = field(repr=False)


#: Deals with a new target. May raise OSError and Refused, where the target goes meanwhile.
Watcher = Callable[[Target], Coroutine[Any, Any, None]]


class Targets:
    """The targets of one browser, as one watcher is told of them. Others may be attached to them as well."""

    def __init__(self, observer: Connection, watcher: Watcher) -> None:
        self._observer = observer
        self._watcher = watcher
        self._pages = count()
        #: By our sessions with them.
        self._attached: dict[str, Target] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """From now on; returns when the pages that are there have been met. Raises OSError."""
        self._observer.on("Target.targetCreated", self._created)
        self._observer.on("Target.attachedToTarget", self._attached_below)
        self._observer.on("Target.detachedFromTarget", self._left)
        only_pages = [{"type": "page", "exclude": False}]
        await self._observer.call("Target.setDiscoverTargets", discover=True, filter=only_pages)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=MET_WITHIN)

    def of(self, session: str | None) -> Target | None:
        """The target that an event is of."""
        return self._attached.get(session or "")

    def _created(self, params: dict[str, Any], _parent: str | None) -> None:
        self._run(self._attach(params["targetInfo"], next(self._pages)))

    async def _attach(self, page: dict[str, Any], number: int) -> None:
        answer = await self._observer.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        await self._meet(Target(answer["sessionId"], "page", number, page))

    def _attached_below(self, params: dict[str, Any], parent: str | None) -> None:
        # What has no parent is a page, and ours or another part's.
        if above := self.of(parent):
            info = params["targetInfo"]
            self._run(self._meet(Target(params["sessionId"], info["type"], above.page, info)))

    async def _meet(self, target: Target) -> None:
        if target.kind not in KINDS:
            return
        self._attached[target.session] = target
        below = self._observer.call(
            "Target.setAutoAttach", target.session, autoAttach=True, waitForDebuggerOnStart=False, flatten=True
        )
        await asyncio.gather(self._watcher(target), below)

    def _left(self, params: dict[str, Any], _parent: str | None) -> None:
        self._attached.pop(params["sessionId"], None)

    def _run(self, dealing: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await dealing
            except (OSError, Refused) as gone:
                log.debug("target.gone", why=str(gone))

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
