"""What containers wrote to their standard output and error, one file for each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

#: Bytes that are shown of a container's output: the last ones.
TAIL: Final = 1_048_576


class TaskLogs:
    """`<folder>/<task>.<container>.log`. They stay as long as the task's record does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _path(self, task_id: str, container: str) -> Path:
        return self._folder / f"{task_id}.{container}.log"

    def open(self, task_id: str, container: str) -> IO[bytes]:
        """To append to."""
        return os.fdopen(os.open(self._path(task_id, container), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")

    def write(self, task_id: str, container: str, output: bytes) -> None:
        """The whole output, in place of what there was."""
        with self.open(task_id, container) as file:
            file.truncate(0)
            file.write(output)

    def read(self, task_id: str, container: str) -> bytes:
        """The end of the output; nothing where there is none."""
        path = self._path(task_id, container)
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            return file.read()

    def forget(self, tasks: Iterable[str]) -> None:
        for task_id in tasks:
            for path in self._folder.glob(f"{task_id}.*.log"):
                path.unlink(missing_ok=True)
