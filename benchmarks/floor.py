"""What the machine can do at best: a bare Chromium, with the flags that sessions have."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.chrome import environment, shm_size, switches, unsandboxed
from controller.settings import find_chrome


@dataclass(frozen=True, slots=True)
class Bare:
    """A bare Chromium: its DevTools URL, and milliseconds to "DevTools listening"."""

    process: subprocess.Popen[bytes]
    url: str
    started_ms: float

    def terminate(self) -> float:
        """Milliseconds from SIGTERM until its main process has exited."""
        began = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        return (time.perf_counter() - began) * 1000


@contextmanager
def bare(*more: str) -> Iterator[Bare]:
    """With `more` switches than sessions have."""
    directory = Path(tempfile.mkdtemp(prefix="wc-floor-"))
    arguments = switches(directory=directory, viewport=(1280, 720), sandbox=not unsandboxed(), shm=shm_size())
    began = time.perf_counter()
    process = subprocess.Popen(
        [find_chrome(), *arguments, *more, "about:blank"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        process_group=0,
        # That of sessions, whose temporary files go with their directory.
        env=environment(directory),
    )
    assert process.stderr is not None
    try:
        url = next(line.split()[-1].decode() for line in process.stderr if b"DevTools listening" in line)
        yield Bare(process, url, (time.perf_counter() - began) * 1000)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stderr.close()
        shutil.rmtree(directory, ignore_errors=True)
