"""Where guests are born on one machine: a process that has imported the guest once, and forks one per task.

A Python of its own would cost each session 200 ms of imports, as much as Chrome's start. One thread, one Unix socket of
packets (number in WALLCRAWLER_NURSERY_FD), each a JSON object:

    in   {"run": task, "env": {...}} with the guest's listening socket     out  {"started": task, "pid": n}
    in   {"stop": task, "grace": seconds}: SIGTERM, then SIGKILL           out  {"exited": task, "status": n}

`status` is the exit status, or the negative number of a signal. When a guest has exited, nothing of it is left: what
remains in its session of processes is killed before its exit is told. When the socket closes, all guests are ended.
"""

from __future__ import annotations

import ctypes
import gc
import heapq
import json
import os
import random
import select
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

import wallcrawler.tokens  # noqa: F401 - what guests import late is imported here once, for all of them
from controller.__main__ import BAD_SETTINGS, main
from controller.settings import GuestSettings

#: Bytes of the largest packet.
PACKET = 65_536

#: Seconds that guests get to end in when the platform is gone.
LAST_GRACE = 3.0

_PR_SET_PDEATHSIG = 1

#: Signals that the nursery handles, and no child of it may inherit.
OURS = (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM)


class Nursery:
    """The guests of one platform process."""

    def __init__(self, platform: socket.socket) -> None:
        self._platform = platform
        self._guests: dict[int, tuple[str, GuestSettings]] = {}
        self._kills: list[tuple[float, int]] = []
        self._closing = False
        self._wake, wake_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake_end = wake_end
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._close())
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)

    def run(self) -> None:
        """Until the platform is gone and every guest with it."""
        while not self._closing or self._guests:
            readable, _, _ = select.select(self._sources(), [], [], self._patience())
            if self._wake in readable:
                with suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            self._reap()
            self._kill_overdue()
            if self._platform in readable:
                self._hear()

    def _sources(self) -> list[int | socket.socket]:
        return [self._wake] if self._closing else [self._wake, self._platform]

    def _patience(self) -> float | None:
        return max(0.0, self._kills[0][0] - time.monotonic()) if self._kills else None

    def _hear(self) -> None:
        try:
            packet, fds, _, _ = socket.recv_fds(self._platform, PACKET, 1)
        except OSError:
            packet, fds = b"", []
        for fd in fds:
            # Received ones are: a Chrome that held its guest's port would keep it open after the guest.
            os.set_inheritable(fd, False)
        if not packet:
            self._close()
            return
        message = json.loads(packet)
        if "run" in message:
            self._bear(message["run"], message["env"], fds)
        elif "stop" in message:
            self._stop(message["stop"], message["grace"])

    def _bear(self, task: str, environment: dict[str, str], fds: list[int]) -> None:
        """A guest that can't be born has exited; the others must not notice."""
        try:
            settings = GuestSettings.from_environment(environment)
            if not fds:
                raise OSError("no file descriptor is left for its port")
            pid = self._fork(settings, fds[0])
        except (ValueError, OSError) as wrong:
            sys.stderr.write(f"nursery: {wrong}\n")
            self._tell({"exited": task, "status": BAD_SETTINGS if isinstance(wrong, ValueError) else os.EX_OSERR})
        else:
            self._guests[pid] = (task, settings)
            self._tell({"started": task, "pid": pid})
        finally:
            for fd in fds:
                os.close(fd)

    def _fork(self, settings: GuestSettings, fd: int) -> int:
        nursery = os.getpid()
        # Until the child has handlers of its own, a signal would run ours in it: it would end its siblings.
        signal.pthread_sigmask(signal.SIG_BLOCK, OURS)
        try:
            pid = os.fork()
            if pid == 0:
                self._grow_up(settings, fd, nursery)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
        return pid

    def _grow_up(self, settings: GuestSettings, fd: int, nursery: int) -> None:
        """The child: forget that there was a nursery, and be a guest. Does not return."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in OURS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
            os.setsid()
            if self._libc is not None:
                self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != nursery:
                os._exit(1)
            self._platform.close()
            os.close(self._wake)
            os.close(self._wake_end)
            random.seed()
            os.environ.clear()
            status = main(settings, socket.socket(fileno=fd))
        except BaseException as broken:  # noqa: BLE001 - a forked child must never return into the nursery's code
            sys.stderr.write(f"nursery: a guest failed: {type(broken).__name__}: {broken}\n")
        finally:
            os._exit(status)

    def _stop(self, task: str, grace: float) -> None:
        for pid, (name, _) in self._guests.items():
            if name == task:
                os.kill(pid, signal.SIGTERM)
                heapq.heappush(self._kills, (time.monotonic() + grace, pid))

    def _close(self) -> None:
        if not self._closing:
            self._closing = True
            for task, _ in list(self._guests.values()):
                self._stop(task, LAST_GRACE)

    def _reap(self) -> None:
        while self._guests:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid not in self._guests:
                continue
            task, settings = self._guests.pop(pid)
            self._kills = [(due, other) for due, other in self._kills if other != pid]
            heapq.heapify(self._kills)
            kill_session(pid)
            # A guest that was killed could not put its things away.
            shutil.rmtree(settings.directory, ignore_errors=True)
            self._tell({"exited": task, "status": os.waitstatus_to_exitcode(wait_status)})

    def _kill_overdue(self) -> None:
        while self._kills and self._kills[0][0] <= time.monotonic():
            _, pid = heapq.heappop(self._kills)
            os.kill(pid, signal.SIGKILL)

    def _tell(self, message: dict[str, object]) -> None:
        with suppress(OSError):  # the platform is gone; its socket's end is heard next
            self._platform.send(json.dumps(message).encode())


def kill_session(leader: int) -> None:
    """Kill every process of the session that this process led."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            # The name, in parentheses, may hold anything: fields are counted from its end.
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader:
                os.kill(int(stat.parent.name), signal.SIGKILL)


if __name__ == "__main__":
    number = int(os.environ.pop("WALLCRAWLER_NURSERY_FD"))
    gc.collect()
    # What is here now is shared with every guest: the collector must not touch, and so copy, its pages.
    gc.freeze()
    with socket.socket(fileno=number) as packets:
        Nursery(packets).run()
