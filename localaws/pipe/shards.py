"""Which shards of a stream may be read now. Pure.

A shard that was split or has closed has children, whose records came later: they wait until their parent is finished.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

#: The checkpoint of a shard that was read to its end.
FINISHED: Final = "SHARD_END"


@dataclass(frozen=True, slots=True)
class Shard:
    id: str
    parent: str | None
    closed: bool

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """From DescribeStream."""
        return cls(
            id=described["ShardId"],
            parent=described.get("ParentShardId"),
            closed="EndingSequenceNumber" in described.get("SequenceNumberRange", {}),
        )


def readable(shards: Iterable[Shard], finished: Collection[str]) -> list[Shard]:
    """Those not finished whose parent is, or is no longer there: records live for a day."""
    shards = list(shards)
    there = {shard.id for shard in shards}
    return [
        shard
        for shard in shards
        if shard.id not in finished and (shard.parent not in there or shard.parent in finished)
    ]
