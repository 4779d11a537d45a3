"""What the session's browser downloads: every file that is complete is put away, by a signed URL of the API's.

Chrome runs in the session's directory, so that the relative path `downloads` of clients is a folder of it; who sets no
path gets the same one. Chrome writes to `<name>.crdownload` and renames at the end. The kernel tells of changes of the
folder by a signal (dnotify): that costs nothing while nothing happens, and unlike inotify's instances, of which a user
has 128 and each Chrome takes some, it does not run out. Where it can't be had, the folder is looked at.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from controller.api import Final
from controller.parts import Browser, Guest, Launch, Part
from wallcrawler import log as logs
from wallcrawler.assignment import Note

log = logs.get()

#: The end of the name of a file that is not complete.
HALF = ".crdownload"

#: Seconds for which an empty file has to stay one: Chrome makes one in the place of a file that it is about to move.
SETTLED = 0.15

#: Seconds between looks where the kernel tells nothing.
LOOK_EVERY = 0.5

#: Seconds after which a file that was put away is deleted here; Chrome may not be done with it at once.
LET_GO = 0.5

#: Files that are put away at once.
AT_ONCE = 3

#: Attempts to put one away, and seconds before the second; each pause is twice the one before.
ATTEMPTS = 3
PAUSE = 0.5

#: Seconds that files which are complete get at the session's end.
DRAINED_WITHIN = 6.0


@dataclass(frozen=True, slots=True)
class Found:
    """A complete file. The inode tells it from the next one of the same name."""

    path: Path
    inode: int


class Folder:
    """Which files of a folder are complete."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: Inodes of files that were found, by name; Chrome writes over them.
        self._found: dict[str, int] = {}
        #: When empty files were first seen, by inode.
        self._empty: dict[int, float] = {}

    def look(self, now: float) -> tuple[list[Found], bool]:
        """Complete files that no look has found before, and whether there is one that may be complete in a moment."""
        there = {entry.name: entry.stat(follow_symlinks=False) for entry in _files(self._path)}
        whole = {name: stat for name, stat in there.items() if not name.endswith(HALF) and name + HALF not in there}
        empty = {stat.st_ino for stat in whole.values() if stat.st_size == 0}
        self._empty = {inode: self._empty.get(inode, now) for inode in empty}
        self._found = {name: inode for name, inode in self._found.items() if name in there}
        new, waiting = [], False
        for name, stat in whole.items():
            if self._found.get(name) == stat.st_ino:
                continue
            if stat.st_size == 0 and now - self._empty[stat.st_ino] < SETTLED:
                waiting = True
                continue
            self._found[name] = stat.st_ino
            new.append(Found(self._path / name, stat.st_ino))
        return new, waiting

    def let_go(self, found: Found) -> None:
        """Delete it, unless another has its name by now."""
        with suppress(FileNotFoundError):
            if found.path.stat().st_ino == found.inode:
                found.path.unlink()
                # The next file of this name may well get the same inode.
                self._found.pop(found.path.name, None)


def _files(path: Path) -> list[os.DirEntry[str]]:
    """Without those that go while they are listed, and Chrome's own, whose names begin with a dot."""
    files = []
    for entry in os.scandir(path):
        with suppress(FileNotFoundError):
            if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                entry.stat(follow_symlinks=False)
                files.append(entry)
    return files


class Downloads(Part):
    """Puts the session's downloads away while it lives, and what is complete at its end."""

    name = "downloads"

    def __init__(self, guest: Guest) -> None:
        super().__init__(guest)
        self._path = guest.directory / "downloads"
        #: A second name of each file that is being put away, under which it stays what it is.
        self._held = guest.directory / "collected"
        self._numbers = count(1)
        self._folder = Folder(self._path)
        self._changed = asyncio.Event()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._watching: asyncio.Task[None] | None = None
        self._watched: int | None = None

    async def prepare(self, launch: Launch) -> None:
        self._make_folders(launch.directory / ".config")

    def _make_folders(self, config: Path) -> None:
        for path in (self._path, self._held, config):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Where Chrome goes back to when a client leaves that had set a path: what others had set goes with that.
        (config / "user-dirs.dirs").write_text(f'XDG_DOWNLOAD_DIR="$HOME/{self._path.name}"\n')

    async def begin(self, browser: Browser) -> None:
        # Without this, Chrome asks its window's user about a second download.
        await browser.observer.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self._path))
        self._watched = watched(self._path, self._changed)
        self._watching = asyncio.create_task(self._watch(LOOK_EVERY if self._watched is None else None))

    async def _watch(self, every: float | None) -> None:
        while True:
            self._changed.clear()
            waiting = self._collect()
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLED if waiting else every):
                    await self._changed.wait()

    def _collect(self) -> bool:
        """Begin to put away what is complete; whether there is one that may be in a moment."""
        new, waiting = self._folder.look(time.monotonic())
        for found in new:
            held = self._held / str(next(self._numbers))
            with suppress(FileNotFoundError):
                os.link(found.path, held, follow_symlinks=False)
                task = asyncio.create_task(self._put_away(found, held))
                self._tasks[task] = found.path.name
                task.add_done_callback(self._tasks.pop)
        return waiting

    async def _put_away(self, found: Found, held: Path) -> None:
        name = found.path.name
        try:
            async with self._turns:
                await self._sent(name, held)
        except Final as refused:
            # 404: the client deleted it while it was on its way.
            if refused.status != 404:
                self._lost(name, str(refused))
        except OSError as failed:
            self._lost(name, str(failed) or type(failed).__name__)
        else:
            asyncio.get_running_loop().call_later(LET_GO, self._folder.let_go, found)
        finally:
            os.unlink(held)

    async def _sent(self, name: str, held: Path) -> None:
        """Raises Final, and OSError where the last attempt failed."""
        from wallcrawler.wire import transfer  # noqa: PLC0415 - most sessions download nothing

        api, size = self.guest.api, held.stat().st_size  # noqa: ASYNC240 - it is there, and on this machine
        for attempt in count(1):
            place = await api.call("POST", "/downloads", {"name": name, "size": size})
            route = f"/downloads/{place['number']}"
            try:
                moved = await transfer.upload(place["url"], held, once=True)
            except OSError as failed:
                await api.call("DELETE", route)
                if attempt == ATTEMPTS:
                    raise
                log.warning("download.unsent", attempt=attempt, why=str(failed) or type(failed).__name__)
                await asyncio.sleep(PAUSE * 2 ** (attempt - 1))
                continue
            await api.call("PUT", route, {"size": moved.size, "sha256": moved.sha256})
            return

    def _lost(self, name: str, why: str) -> None:
        self.guest.note(Note("FILE_LOST", f"download {name}: {why}"))

    async def drain(self, browser: Browser) -> None:
        await self._stop_watching()
        if self._collect():
            await asyncio.sleep(SETTLED)
            self._collect()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAINED_WITHIN)
        for name in self._tasks.values():
            self._lost(name, "the session ended before it was put away")

    async def close(self) -> None:
        await self._stop_watching()
        left = set(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    async def _stop_watching(self) -> None:
        if self._watched is not None:
            os.close(self._watched)
            self._watched = None
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})


def watched(path: Path, changed: asyncio.Event) -> int | None:
    """Have `changed` set whenever the folder gets a file, or one of it another name, until the file descriptor that is
    returned is closed; None where the kernel does not tell (fcntl(2), F_NOTIFY)."""
    loop = asyncio.get_running_loop()
    # Before it can come: a process that does not handle this signal is ended by it.
    loop.add_signal_handler(signal.SIGIO, changed.set)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        fcntl.fcntl(fd, fcntl.F_NOTIFY, fcntl.DN_CREATE | fcntl.DN_RENAME | fcntl.DN_MULTISHOT)
    except OSError as refused:
        os.close(fd)
        log.info("downloads.polled", why=refused.strerror)
        return None
    return fd
