"""The folder in which one instance keeps its state, and the lock that makes it the only one there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from wallcrawler.errors import SettingsError
from wallcrawler.local.tables import DATABASE
from wallcrawler.tokens import Signer


class Home:
    """`<home>/`: wallcrawler.db, blobs/, signing-key.pem, blob-secret, api-key, lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as refused:
            raise SettingsError(f"WALLCRAWLER_HOME: {path} can't be made ({refused.strerror})") from None

    @property
    def database(self) -> Path:
        return self.path / DATABASE

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    @property
    def key_file(self) -> Path:
        """Where the first project's key lies, so that what is printed at a restart works as well."""
        return self.path / "api-key"

    def run_dir(self, wanted: Path | None) -> Path:
        """Where sessions' temporary directories are made: a short path of this home's own."""
        if wanted is not None:
            return wanted
        return Path(tempfile.gettempdir()) / f"wc-{hashlib.sha256(str(self.path).encode()).hexdigest()[:8]}"

    def lock(self) -> None:
        """Hold the home until `unlock` or the end of the process. Raises SettingsError that names who has it."""
        path = self.path / "lock"
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise SettingsError(
                f"WALLCRAWLER_HOME: {self.path} is in use by process {holder}; stop it, or set another home"
            ) from None
        if not _is_at(file, path):
            # Whoever held it has put it away since it was opened.
            file.close()
            self.lock()
        else:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            self._lock = file

    def unlock(self) -> None:
        if self._lock is not None:
            (self.path / "lock").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def signer(self) -> Signer:
        """The key that signs session tokens, made at the first start."""
        pem = self._secret("signing-key.pem", lambda: Signer.generate().pem())
        return Signer.from_pem(pem)

    def blob_secret(self) -> bytes:
        return self._secret("blob-secret", lambda: secrets.token_hex(32).encode())

    def _secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        path = self.path / name
        if not path.exists():
            _write_private(path, make())
        return path.read_bytes()

    def stored_key(self) -> str | None:
        return self.key_file.read_text().strip() if self.key_file.exists() else None

    def store_key(self, key: str) -> None:
        _write_private(self.key_file, key.encode() + b"\n")


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.fstat(file.fileno()).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _write_private(path: Path, body: bytes) -> None:
    """The whole file or none of it, for the owner's eyes."""
    half = path.with_name(f".{path.name}.half")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(body)
    os.replace(half, path)


def clear_leftovers(run_dir: Path) -> int:
    """End what an instance that was killed has left in its run directory; returns how many processes that were.

    Ours are told by their command line, which names a profile inside the directory. The lock must be held.
    """
    ended = 0
    for process in psutil.process_iter(["cmdline"]):
        if any(str(run_dir) + os.sep in argument for argument in process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
                ended += 1
    shutil.rmtree(run_dir, ignore_errors=True)
    return ended
