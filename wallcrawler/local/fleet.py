"""A fleet of child processes: each task is a guest on this machine.

Guests are forked by a nursery (`controller.nursery`), a process that has imported the guest once; a Python of its own
would cost each session as much as Chrome's start. It is spoken to over a Unix socket, one JSON object a packet:

    -> {"run": task, "env": {...}} + the listening socket        <- {"started": task, "pid": n}
    -> {"stop": task, "grace": seconds}                          <- {"exited": task, "status": n}

It ends its guests when the socket closes, so that nothing outlives this process, however it dies.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from wallcrawler import log as logs
from wallcrawler.errors import LaunchFailed, TryLater
from wallcrawler.messages import TaskChanged
from wallcrawler.ports import Delivery, Launch, Source, Task, TaskStatus

log = logs.get()

#: Stopped tasks that are remembered, so that a late repetition of their job starts no second browser.
REMEMBERED = 10_000

#: Seconds from asking a guest to end until it is killed: as ECS gives it, because it may have a profile to put away.
GRACE = 30.0

#: Seconds between attempts to start a nursery that the machine has no room for.
REOPEN_EVERY = 1.0

#: Bytes of the largest packet to or from the nursery.
PACKET = 65_536


class ChildFleet:
    """The Fleet port on this machine. One object owns one nursery."""

    def __init__(
        self,
        *,
        host: str,
        public_host: str,
        run_dir: Path,
        environment: Mapping[str, str],
        grace: float = GRACE,
    ) -> None:
        self._host = host
        self._public_host = public_host
        self._run_dir = run_dir
        self._environment = dict(environment)
        self._grace = grace
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._reasons: dict[str, str] = {}
        self._feed: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._empty = threading.Condition(self._lock)
        self._closing = False
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._open_nursery()

    def _open_nursery(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Nothing to hear for a while is no end of it, whatever a library makes the process's default.
        ours.settimeout(None)
        with theirs:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", "controller.nursery"],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=_scrubbed() | {"WALLCRAWLER_NURSERY_FD": str(theirs.fileno())},
            )
        self._socket = ours
        threading.Thread(target=self._listen, args=(ours, self._nursery), name="nursery", daemon=True).start()

    def run(self, launch: Launch) -> Task:
        with self._lock:
            if known := self._tasks.get(launch.session_id):
                return known
            if self._closing:
                raise LaunchFailed("the platform is shutting down")
            listener = self._listener()
            with listener:
                task = Task(
                    id=f"local/{secrets.token_hex(8)}",
                    session_id=launch.session_id,
                    status=TaskStatus.RUNNING,
                    version=1,
                    address=f"{self._public_host}:{listener.getsockname()[1]}",
                )
                env = self._environment | {
                    "WALLCRAWLER_SESSION_ID": launch.session_id,
                    "WALLCRAWLER_GUEST_TOKEN": launch.guest_token,
                    "WALLCRAWLER_RUN_DIR": str(self._run_dir),
                }
                self._say({"run": launch.session_id, "env": env}, [listener.fileno()])
            self._remember(task)
        self._tell(task)
        return task

    def _listener(self) -> socket.socket:
        """The guest's port, taken before the guest is born, so that its address is known at once and nobody's else."""
        try:
            return socket.create_server((self._host, 0), backlog=128)
        except OSError as refused:
            raise LaunchFailed(f"no port on {self._host}: {refused.strerror}") from None

    def _say(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._socket, [json.dumps(message).encode()], fds)
        except OSError as gone:
            raise TryLater(f"the nursery is being started again ({gone.strerror})", after=0.5) from None

    def _remember(self, task: Task) -> None:
        self._tasks[task.session_id] = task
        if len(self._tasks) > REMEMBERED:
            oldest = next((id for id, old in self._tasks.items() if old.status is TaskStatus.STOPPED), None)
            if oldest is not None:
                del self._tasks[oldest]

    def _tell(self, task: Task) -> None:
        self._feed.put(Delivery(TaskChanged.of(task).as_wire()))

    def stop(self, session_id: str, *, task: str | None, reason: str) -> Task | None:
        with self._lock:
            known = self._tasks.get(session_id)
            if known is None or known.status is TaskStatus.STOPPED:
                return known
            self._reasons.setdefault(session_id, reason)
            try:
                self._say({"stop": session_id, "grace": self._grace})
            except TryLater:
                log.warning("nursery.unreachable", session_id=session_id)
            return known

    def tasks(self) -> list[Task]:
        with self._lock:
            return [task for task in self._tasks.values() if task.status is not TaskStatus.STOPPED]

    def events(self) -> Source:
        return _Feed(self._feed)

    def read(self, body: Mapping[str, Any]) -> Task | None:
        return TaskChanged.from_wire(body).task

    def _listen(self, nursery_socket: socket.socket, nursery: subprocess.Popen[bytes]) -> None:
        """Hear the nursery until it ends, and start another where that was not our wish."""
        with nursery_socket:
            while packet := _packet(nursery_socket):
                message = json.loads(packet)
                if "exited" in message:
                    self._exited(message["exited"], message["status"])
        status = nursery.wait()
        with self._lock:
            for task in self.tasks():
                self._exited(task.session_id, None)
            if self._closing:
                return
            log.error("nursery.lost", status=status)
        while not self._reopened():
            with self._lock:
                self._empty.wait(REOPEN_EVERY)

    def _reopened(self) -> bool:
        with self._lock:
            if self._closing:
                return True
            try:
                self._open_nursery()
            except OSError as refused:
                log.error("nursery.not_opened", why=refused.strerror)
                return False
            return True

    def _exited(self, session_id: str, status: int | None) -> None:
        with self._lock:
            task = self._tasks.get(session_id)
            if task is None or task.status is TaskStatus.STOPPED:
                return
            stopped = replace(
                task,
                status=TaskStatus.STOPPED,
                version=task.version + 1,
                exit_code=status,
                stop_code=_stop_code(status),
                stopped_reason=self._reasons.pop(session_id, None),
            )
            self._tasks[session_id] = stopped
            self._empty.notify_all()
        self._tell(stopped)

    def close(self, *, within: float = 15.0) -> None:
        """End every task and the nursery; returns when they are gone. Safe to repeat."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            for task in self.tasks():
                self.stop(task.session_id, task=task.id, reason="the platform is shutting down")
            self._empty.wait_for(lambda: not self.tasks(), within)
        with suppress(OSError):  # a nursery that died has closed it already
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self._nursery.wait(within)
        except subprocess.TimeoutExpired:
            self._nursery.kill()
            self._nursery.wait()


class _Feed:
    """Task events, from memory: they need not outlive the tasks, which die with this process."""

    def __init__(self, feed: queue.SimpleQueue[Delivery]) -> None:
        self._feed = feed

    def receive(self, wait: float) -> Sequence[Delivery]:
        try:
            return [self._feed.get(timeout=wait)]
        except queue.Empty:
            return []

    def ack(self, delivery: Delivery) -> None:
        """Nothing to do: what was taken off the feed is the pump's, which holds on to it until the broker has it."""

    def hold(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to do, for the same reason."""


def _packet(nursery_socket: socket.socket) -> bytes:
    """The next packet; empty when the nursery is gone."""
    try:
        return nursery_socket.recv(PACKET)
    except OSError:
        return b""


def _stop_code(status: int | None) -> str:
    """A short word for a process's end: `exit_1`, `SIGKILL`, `lost`."""
    if status is None:
        return "lost"
    if status >= 0:
        return f"exit_{status}"
    try:
        return signal.Signals(-status).name
    except ValueError:  # a real-time signal has a number and no name
        return f"signal_{-status}"


def _scrubbed() -> dict[str, str]:
    """What the nursery needs of our environment: no key of ours ever reaches a process beside Chrome."""
    kept = ("PATH", "LANG", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
    return {name: os.environ[name] for name in kept if name in os.environ}
