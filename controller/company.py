"""The parts of one guest as one: every moment comes to all of them at once.

At the start, one part's failure is the session's, and the others have stopped before it is told. At the end, no part's
failure keeps the others from what they have to put away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from controller.parts import Browser, Guest, Handler, Launch, Part
from controller.parts.certificates import Certificates
from controller.parts.downloads import Downloads
from controller.parts.egress import EgressPart
from controller.parts.extensions import Extensions
from controller.parts.journal import Journal
from controller.parts.liveview import LiveView
from controller.parts.profile import Profile
from controller.parts.selenium import Selenium
from controller.parts.uploads import Uploads
from wallcrawler import log as logs

log = logs.get()

#: The parts of every guest; the assignment's plan says what each has to do.
PARTS: Final[tuple[type[Part], ...]] = (
    EgressPart,
    Profile,
    Certificates,
    Extensions,
    LiveView,
    Downloads,
    Uploads,
    Journal,
    Selenium,
)


class Company:
    """All parts of one guest."""

    def __init__(self, guest: Guest) -> None:
        self._parts = [part(guest) for part in PARTS]

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {name: handler for part in self._parts for name, handler in part.handlers.items()}

    @property
    def keeps_profile(self) -> bool:
        return any(part.keeps_profile for part in self._parts)

    @property
    def proxy_bytes(self) -> int:
        return sum(part.proxy_bytes for part in self._parts)

    async def prepare(self, launch: Launch) -> None:
        """Raises PartFailed."""
        await _together(part.prepare(launch) for part in self._parts)

    async def begin(self, browser: Browser) -> None:
        """Raises PartFailed, and OSError where Chrome went away."""
        await _together(part.begin(browser) for part in self._parts)

    async def drain(self, browser: Browser) -> None:
        await asyncio.gather(*(_guarded(part, part.drain(browser)) for part in self._parts))

    async def close(self) -> None:
        await asyncio.gather(*(_guarded(part, part.close()) for part in self._parts))

    def crashed(self) -> None:
        """The browser's end was none that was asked for."""
        for part in self._parts:
            part.crashed = True


async def _together(moments: Any) -> None:
    tasks = [asyncio.ensure_future(moment) for moment in moments]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise


async def _guarded(part: Part, moment: Coroutine[Any, Any, None]) -> None:
    try:
        await moment
    except Exception:
        log.exception("part.failed", part=part.name)
