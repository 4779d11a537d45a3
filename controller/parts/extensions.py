"""The session's extensions: fetched and unpacked before Chrome starts, and seen to be enabled, with
their service workers in charge, before READY."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from controller import workers
from controller.api import Final
from controller.cdp import Refused
from controller.parts import Browser, Guest, Launch, Part, PartFailed
from wallcrawler import log as logs
from wallcrawler.lifecycle import Reason

log = logs.get()

#: Seconds in which Chrome has to load what it did not at its start, or say why not.
LOADED_WITHIN = 10.0

#: Seconds in which their service workers have to be in charge; one that is not is not waited for any longer.
WORKERS_WITHIN = 2.0

#: Characters of somebody else's text in a reason.
WHY = 200


class Extensions(Part):
    """Plan: a list of {"id", "name", "sha256"}."""

    name = "extensions"

    def __init__(self, guest: Guest) -> None:
        super().__init__(guest)
        #: Folders of those behind which a service worker stands.
        self._with_workers: set[Path] = set()

    async def prepare(self, launch: Launch) -> None:
        for planned in self.plan or ():
            launch.extensions.append(await self._unpacked(planned))

    async def _unpacked(self, planned: dict[str, Any]) -> Path:
        """The folder of an extension; of its own, so that what is deleted later is still this session's."""
        # Only a session with extensions pays for these.
        from wallcrawler.wire import package, transfer  # noqa: PLC0415

        folder = self._folder(planned)
        archive = folder.with_suffix(".zip")
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            offered = await self.guest.api.call("GET", f"/extensions/{planned['id']}")
            await transfer.download(offered["url"], archive, limit=package.LIMIT, sha256=planned["sha256"])
            unpacked = await asyncio.to_thread(package.unpack, archive, folder)
        except (Final, OSError, package.NotAnExtension) as failed:
            raise _failed(planned, str(failed)) from None
        finally:
            archive.unlink(missing_ok=True)
        if unpacked.worker:
            self._with_workers.add(_real(folder))
        return folder

    def _folder(self, planned: dict[str, Any]) -> Path:
        return self.guest.directory / "extensions" / str(planned["id"])

    async def begin(self, browser: Browser) -> None:
        """Chrome loads what its command line names before it answers, and is silent about what it can't. Asked to load
        that again, it says why."""
        if not self.plan:
            return
        enabled = await _enabled(browser)
        for planned in self.plan:
            if (folder := _real(self._folder(planned))) not in enabled:
                try:
                    async with asyncio.timeout(LOADED_WITHIN):
                        await browser.observer.call("Extensions.loadUnpacked", path=str(folder))
                except TimeoutError:
                    raise _failed(planned, f"Chrome did not load it within {LOADED_WITHIN:g} s") from None
                except Refused as refused:
                    raise _failed(planned, str(refused).removeprefix("Extensions.loadUnpacked: ")) from None
                enabled = await _enabled(browser)
                if folder not in enabled:
                    raise _failed(planned, "Chrome loaded it and left it disabled")
            log.info("extension.enabled", extension=planned["id"], chrome_id=enabled[folder])
        working = {enabled[folder] for folder in self._with_workers}
        if working and not await workers.in_charge(browser.endpoint, working, within=WORKERS_WITHIN):
            log.warning("extension.worker_late", seconds=WORKERS_WITHIN)


async def _enabled(browser: Browser) -> dict[Path, str]:
    """Chrome's ids of the extensions that run, by their folders."""
    listed = (await browser.observer.call("Extensions.getExtensions"))["extensions"]
    return {_real(Path(one["path"])): one["id"] for one in listed if one["enabled"]}


def _real(path: Path) -> Path:
    """Chrome knows folders without the links that lead to them."""
    return path.resolve()


def _failed(planned: dict[str, Any], why: str) -> PartFailed:
    detail = f"extension {planned['id']} ({planned['name'][:WHY]}): {why[:WHY]}"
    return PartFailed(Reason.LAUNCH_FAILED.because(detail), detail)
