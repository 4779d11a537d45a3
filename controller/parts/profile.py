"""The session's context: Chrome's profile, fetched before it starts, and taken back when it has ended.

Plan: {"id", "persist", "limit"}. A profile that can't be had ends the session; it never begins with an empty one in its
place. What a crashed Chrome left is not kept.

Chrome writes cookies of the session to its database as well, and drops them when it starts: unless it is told to go on
where it was. It is, and because an archive has no record of pages that were open, it opens none of them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from controller.api import Final
from controller.parts import Browser, Guest, Launch, Part, PartFailed
from wallcrawler import log as logs
from wallcrawler.assignment import Note
from wallcrawler.lifecycle import Reason

log = logs.get()

#: How often a transfer is tried: a store may be away for a moment, and a version may be dropped while it is fetched.
TRIES = 3
#: Seconds for all of persisting. A task that is stopped by force has less.
PERSISTED_WITHIN = 100.0


class Profile(Part):
    """Hydrates and persists."""

    name = "context"

    def __init__(self, guest: Guest) -> None:
        super().__init__(guest)
        self.keeps_profile = bool(self.plan and self.plan["persist"])
        self._began = False
        #: The version that the session began with.
        self._based_on: int | None = None

    async def prepare(self, launch: Launch) -> None:
        if self.plan is None:
            return
        for left in reversed(range(TRIES)):
            try:
                await self._hydrate()
                break
            except OSError as broken:
                if not left:
                    raise _failed(f"context {self.plan['id']} can't be fetched: {broken}") from None
                log.warning("context.not_fetched", why=str(broken) or type(broken).__name__)
        launch.arguments.append("--restore-last-session")

    async def _hydrate(self) -> None:
        """Raises PartFailed, and OSError where trying again may help."""
        # Only sessions with a context pay for these.
        from wallcrawler.wire import archive, transfer  # noqa: PLC0415

        try:
            source = await self.guest.api.call("GET", "/context")
        except Final as final:
            raise _failed(f"context {self.plan['id']}: {final}") from None
        if source["version"] is None:
            return
        file = self._archive()
        try:
            await transfer.download(source["url"], file, limit=self.plan["limit"], sha256=source["sha256"])
            found = await asyncio.to_thread(
                archive.unpack, file, self.guest.directory / "profile", limit=self.plan["limit"]
            )
        except archive.BadArchive as bad:
            raise _failed(f"version {source['version']} of context {self.plan['id']} is damaged: {bad}") from None
        finally:
            await asyncio.to_thread(file.unlink, missing_ok=True)
        self._based_on = source["version"]
        log.info("context.hydrated", context_id=self.plan["id"], number=self._based_on, size=found.size)

    def _archive(self) -> Path:
        return self.guest.directory / "context.tar.zst"

    async def begin(self, browser: Browser) -> None:
        self._began = True

    async def close(self) -> None:
        if not (self.keeps_profile and self._began):
            return
        if self.crashed:
            self._not_persisted("the browser crashed, and what it left may be broken")
            return
        try:
            async with asyncio.timeout(PERSISTED_WITHIN):
                await self._persist()
        except Final as final:
            self._not_persisted(str(final))
        except TimeoutError:
            self._not_persisted(f"it took more than {PERSISTED_WITHIN:g} s")
        except (OSError, ValueError) as failed:
            self._not_persisted(str(failed))

    def _not_persisted(self, why: str) -> None:
        log.warning("context.not_persisted", context_id=self.plan["id"], why=why)
        self.guest.note(Note("CONTEXT_NOT_PERSISTED", f"context {self.plan['id']}: {why}"))

    async def _persist(self) -> None:
        """Raises Final, OSError, and ValueError for a profile that is too large."""
        from wallcrawler.wire import archive  # noqa: PLC0415

        file, profile = self._archive(), self.guest.directory / "profile"
        packed = await asyncio.to_thread(archive.pack, profile, file, limit=self.plan["limit"])
        number = await self._upload(file)
        facts = {"size": packed.size, "sha256": packed.sha256, "basedOn": self._based_on}
        await self.guest.api.call("POST", f"/context/versions/{number}", facts)

    async def _upload(self, file: Path) -> int:
        """The number under which it was uploaded; a new one for each try, because none is written twice."""
        from wallcrawler.wire import transfer  # noqa: PLC0415

        for left in reversed(range(TRIES)):
            reserved: dict[str, Any] = await self.guest.api.call("POST", "/context/versions", {})
            try:
                await transfer.upload(reserved["url"], file, once=True)
                return int(reserved["version"])
            except OSError as broken:
                if not left:
                    raise
                log.warning("context.not_uploaded", why=str(broken) or type(broken).__name__)
        raise AssertionError("the last try returns or raises")


def _failed(detail: str) -> PartFailed:
    return PartFailed(Reason.CONTEXT_FAILED, detail)
