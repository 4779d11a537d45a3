"""How far a pipe has read each shard, in a file: the sequence number of the last record that the queue has taken."""

from __future__ import annotations

import json
import os
from pathlib import Path

from localaws.pipe.shards import FINISHED


class Checkpoint:
    """One stream's progress. Written before the next record is read, whole or not at all."""

    def __init__(self, path: Path, stream_arn: str) -> None:
        self._path = path
        self._stream_arn = stream_arn
        self._progress: dict[str, str] = {}
        if path.is_file():
            kept = json.loads(path.read_text())
            # A table that was made anew has another stream: nothing of the old one's progress applies.
            if kept["stream"] == stream_arn:
                self._progress = kept["shards"]

    @property
    def empty(self) -> bool:
        return not self._progress

    @property
    def finished(self) -> set[str]:
        return {shard for shard, at in self._progress.items() if at == FINISHED}

    def after(self, shard: str) -> str | None:
        """The sequence number to go on after; None for a shard that nothing was read of."""
        return self._progress.get(shard)

    def reached(self, shard: str, sequence_number: str) -> None:
        self._progress[shard] = sequence_number
        half = self._path.with_suffix(".half")
        half.write_text(json.dumps({"stream": self._stream_arn, "shards": self._progress}))
        os.replace(half, self._path)

    def forget(self, shard: str) -> None:
        self._progress.pop(shard, None)
