"""Chrome as a child: start it, hear from it, and have all of it gone.

It runs in its own process group, with a profile and a home of its own inside the session's directory, and with nothing
of our environment. The kernel ends it should the guest be killed.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import shutil
import signal
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wallcrawler.lifecycle import Reason
from wallcrawler.log import mask

#: Lines of Chrome's stderr that are kept for a diagnosis.
KEPT_LINES = 20

#: Bytes of /dev/shm below which Chrome must not use it: containers have 64 MB, and a page then crashes.
ENOUGH_SHM = 256 << 20

#: Pixels of Chrome's own window above a page, in headless mode: a window this much higher has a page of the asked size.
WINDOW_TOP = 87

#: Where Chrome's own requests go that no switch turns off. It connects to no port that is known for another protocol:
#: these fail inside of it.
NOWHERE = "http://127.0.0.1:9"

#: Switches of every session. Measured: the first feature list saves a process and 40 ms; nothing else here costs time.
FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--disable-features=WebUIReloadButton,WebUIOmniboxPopup,WebUIOmniboxAimPopup,Translate,OptimizationHints,MediaRouter,"
    # The time of day, and what a form's fields are called.
    "NetworkTimeServiceQuerying,AutofillServerCommunication",
    # The accounts that a user would be signed in to, and components that are asked for at once.
    f"--gaia-url={NOWHERE}",
    f"--component-updater=url-source={NOWHERE}",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-sync",
    "--disable-gpu",
    # Pages behind others are driven as well, and must not be slowed down.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-service-autorun",
    "--password-store=basic",
    "--use-mock-keychain",
)

#: From <sched.h>.
CLONE_NEWUSER = 0x10000000

_LISTENING = re.compile(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)(/devtools/browser/\S+)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where Chrome's DevTools listen, on loopback."""

    port: int
    browser_path: str


class ChromeDied(Exception):
    """Chrome ended by itself; `reason` is an endedReason and the text what is known."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def switches(
    *, directory: Path, viewport: tuple[int, int], sandbox: bool, shm: int, ignore_certificate_errors: bool = False
) -> list[str]:
    """Chrome's command line between the binary and the page that it opens."""
    width, height = viewport
    chosen = [
        *FLAGS,
        f"--user-data-dir={directory / 'profile'}",
        f"--window-size={width},{height + WINDOW_TOP}",
        f"--screen-info={{{max(width, 1920)}x{max(height + WINDOW_TOP, 1080)}}}",
    ]
    if not sandbox:
        # --test-type hides the bar that warns of --no-sandbox, which would take its height from the page.
        chosen += ["--no-sandbox", "--test-type"]
    if shm < ENOUGH_SHM:
        chosen.append("--disable-dev-shm-usage")
    if ignore_certificate_errors:
        chosen.append("--ignore-certificate-errors")
    return chosen


def environment(directory: Path) -> dict[str, str]:
    """All that Chrome knows of the world: hostile pages live in it."""
    home = str(directory)
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": home, "TMPDIR": home, "XDG_RUNTIME_DIR": home}


def diagnose(status: int, *, oom_kills: int, last_words: str) -> tuple[Reason, str]:
    """Why Chrome ended, from its exit status (negative: a signal) and how many processes the kernel's OOM killer ended
    meanwhile; a reason and a sentence."""
    if status == -signal.SIGKILL and oom_kills > 0:
        return Reason.OUT_OF_MEMORY, "the kernel ended Chrome for want of memory"
    how = f"signal {signal_name(-status)}" if status < 0 else f"exit status {status}"
    said = f"; it said: {mask(last_words)}" if last_words else ""
    return Reason.BROWSER_CRASHED, f"Chrome ended with {how}{said}"


def signal_name(number: int) -> str:
    """`SIGKILL`; of a signal without a name, such as a real-time one, its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


class Chrome:
    """One running Chrome."""

    def __init__(self, process: asyncio.subprocess.Process, oom_before: int) -> None:
        self._process = process
        self._oom_before = oom_before
        self._lines: deque[bytes] = deque(maxlen=KEPT_LINES)
        self._listening: asyncio.Future[Endpoint] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read())
        #: Done when Chrome has exited; its result is the exit status.
        self.exited = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, binary: str, arguments: list[str], directory: Path, surroundings: Mapping[str, str]) -> Chrome:
        """Raises ChromeDied where there is nothing to run."""
        (directory / "profile").mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            process = await asyncio.create_subprocess_exec(
                *dies_with_us(),
                binary,
                *arguments,
                "about:blank",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                cwd=directory,
                env=dict(surroundings),
                # A process group of its own; uvloop knows no process_group=0.
                preexec_fn=os.setpgrp,
            )
        except OSError as refused:
            raise ChromeDied(Reason.BROWSER_CRASHED, f"{binary} can't be run: {refused.strerror}") from None
        return cls(process, oom_kills())

    async def _read(self) -> None:
        """Find the endpoint in Chrome's stderr, and keep its last words."""
        stream = self._process.stderr
        assert stream is not None  # noqa: S101 - a pipe was asked for
        with suppress(ValueError):  # a line beyond the stream's limit: nothing that we wait for
            while line := await stream.readline():
                self._lines.append(line.strip())
                if not self._listening.done() and (found := _LISTENING.search(line)):
                    self._listening.set_result(Endpoint(int(found[1]), found[2].decode()))
        while await stream.read(65_536):
            pass

    async def endpoint(self) -> Endpoint:
        """Where it listens, as soon as it says so. Raises ChromeDied."""
        waiting: set[asyncio.Future[Any]] = {self._listening, self.exited}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not self._listening.done():
            raise await self.death()
        return self._listening.result()

    async def death(self) -> ChromeDied:
        """Why it ended; waits until it has."""
        status = await self.exited
        # What it said last may still be in the pipe, and a child of it may hold that open for longer.
        await asyncio.wait({self._reader}, timeout=0.1)
        words = b" | ".join(line for line in self._lines if line)[-400:].decode(errors="replace")
        return ChromeDied(*diagnose(status, oom_kills=oom_kills() - self._oom_before, last_words=words))

    async def left(self, within: float) -> bool:
        """Whether it ended by itself within so many seconds."""
        await asyncio.wait({self.exited}, timeout=within)
        return self.exited.done()

    async def kill(self) -> None:
        """End the whole process group; returns when Chrome's main process is gone. Safe to repeat."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self.exited
        self._reader.cancel()


def oom_kills() -> int:
    """How many processes the kernel has ended for want of memory: in this container, else on this machine."""
    for path, name in (("/sys/fs/cgroup/memory.events", "oom_kill"), ("/proc/vmstat", "oom_kill")):
        with suppress(OSError):
            counts = _counts(Path(path).read_text())
            if name in counts:
                return counts[name]
    return 0


def _counts(text: str) -> Mapping[str, int]:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def unsandboxed() -> bool:
    """Whether Chrome's sandbox can't be had: for root, and where the kernel gives nobody a user namespace."""
    return os.geteuid() == 0 or not _user_namespaces()


@cache
def _user_namespaces() -> bool:
    """Tried in a child, for the price of a fork. To be called before this process has threads."""
    pid = os.fork()
    if pid == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        os._exit(0 if hasattr(libc, "unshare") and libc.unshare(CLONE_NEWUSER) == 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def shm_size() -> int:
    """Bytes of /dev/shm; none where it is missing."""
    try:
        shm = os.statvfs("/dev/shm")  # noqa: S108 - it is what Chrome uses
    except OSError:
        return 0
    return shm.f_frsize * shm.f_blocks


def dies_with_us() -> list[str]:
    """A prefix that has the kernel end Chrome when this process is killed, where there is one."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
