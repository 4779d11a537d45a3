"""chromedriver as a child: in a process group of its own, with nothing of our environment, and gone with the guest."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from controller.chrome import dies_with_us
from wallcrawler.wire.http import Answer, ask

#: Where it is looked for: Debian's, and Ubuntu's.
CHROMEDRIVERS = ("chromedriver", "/usr/lib/chromium/chromedriver", "/usr/lib/chromium-browser/chromedriver")

#: Seconds for it to say where it listens.
STARTED_WITHIN = 20.0

#: Seconds for a command: as long as the longest session, because scripts and page loads have time-outs of their own.
ANSWERED_WITHIN = 21_600.0

_LISTENING = re.compile(rb"started successfully on port (\d+)")

#: The state of a socket that listens, in /proc/net/tcp.
_TCP_LISTEN = "0A"


#: How often it is started until one listens: of the port that it was given on IPv4, IPv6's may be somebody else's.
STARTS = 3


class Ended(OSError):
    """It ended before it listened."""


class Missing(Exception):
    """There is no chromedriver on this machine."""


class Driver:
    """One that listens."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self._process = process
        self._reader = asyncio.create_task(_drain(process))
        #: Done when it has exited.
        self.exited = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, directory: Path, surroundings: Mapping[str, str]) -> Driver:
        """Raises Missing, and OSError where it does not come to listen."""
        binary = next(filter(None, map(shutil.which, CHROMEDRIVERS)), None)
        if binary is None:
            raise Missing("this server has no chromedriver; its operator can install the package chromium-driver")
        for _ in range(STARTS - 1):
            with suppress(Ended):
                return await cls._started(binary, directory, surroundings)
        return await cls._started(binary, directory, surroundings)

    @classmethod
    async def _started(cls, binary: str, directory: Path, surroundings: Mapping[str, str]) -> Driver:
        process = await asyncio.create_subprocess_exec(
            *dies_with_us(),
            binary,
            "--port=0",
            "--log-level=SEVERE",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=directory,
            env=dict(surroundings),
            # A process group of its own; uvloop knows no process_group=0.
            preexec_fn=os.setpgrp,
        )
        try:
            async with asyncio.timeout(STARTED_WITHIN):
                return cls(process, await _port(process))
        except BaseException:
            # Also where the client that it starts for hangs up.
            _end(process)
            await process.wait()
            raise

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Raises OSError."""
        headers = [("content-type", "application/json; charset=utf-8")] if body else []
        url = f"http://127.0.0.1:{self.port}{path}"
        return await ask(url, method=method, headers=headers, body=body, within=ANSWERED_WITHIN)

    async def kill(self) -> None:
        """Returns when it is gone. Safe to repeat."""
        _end(self._process)
        await self.exited
        self._reader.cancel()


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    while line := await process.stdout.readline():
        if found := _LISTENING.search(line):
            # Where a machine has no IPv6 it says 0, which is the port of the socket that it could not open.
            return int(found[1]) or listening(process.pid)
    raise Ended("chromedriver ended at its start")


def listening(pid: int, proc: Path = Path("/proc")) -> int:
    """The port of 127.0.0.1 where this process listens. Raises OSError where it does at none.

    Rows of /proc/<pid>/net/tcp: number, local address and remote address in hexadecimal, state, five more, inode.
    """
    sockets = set()
    for handle in (proc / str(pid) / "fd").iterdir():
        # Others may close while they are listed.
        with suppress(FileNotFoundError):
            sockets.add(os.readlink(handle))
    for row in (proc / str(pid) / "net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *others = row.split()
        if state == _TCP_LISTEN and f"socket:[{others[5]}]" in sockets:
            return int(local.partition(":")[2], 16)
    raise OSError("chromedriver listens nowhere")


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    while await process.stdout.read(65_536):
        pass


def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
