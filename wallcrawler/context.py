"""Contexts, and the versions of a context's archive, as records."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

#: Where the index finds contexts that were deleted and may still have blobs: no project has this id.
DELETED: Final = "deleted"


@dataclass(frozen=True, slots=True)
class Context:
    """A profile that sessions may begin with. Each that persists adds a version; `head` is the one that is used."""

    id: str
    project_id: str
    created_at: float
    updated_at: float
    #: Of this record, not of the archive.
    version: int = 1
    name: str | None = None
    #: The number of the archive that the next session begins with; None: it begins with nothing.
    head: int | None = None
    #: The highest number that was given to an archive.
    last: int = 0
    deleted: bool = False

    def as_item(self) -> dict[str, Any]:
        item = {
            "contextId": self.id,
            "projectId": DELETED if self.deleted else self.project_id,
            "ownedBy": self.project_id,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "version": self.version,
            "name": self.name,
            "head": self.head,
            "last": self.last,
        }
        return {name: value for name, value in item.items() if value is not None}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Context:
        return cls(
            id=item["contextId"],
            project_id=item["ownedBy"],
            created_at=float(item["createdAt"]),
            updated_at=float(item["updatedAt"]),
            version=int(item["version"]),
            name=item.get("name"),
            head=int(item["head"]) if "head" in item else None,
            last=int(item["last"]),
            deleted=item["projectId"] == DELETED,
        )

    @property
    def folder(self) -> str:
        """What the names of its blobs begin with."""
        return f"contexts/{self.project_id}/{self.id}/"

    def blob(self, number: int) -> str:
        return f"{self.folder}{number}.tar.zst"


class Stage(StrEnum):
    """What became of a version. Its record is there before its blob, and goes after it."""

    RESERVED = "RESERVED"  # the number is given, and its archive may be on the way
    KEPT = "KEPT"  # the archive is there, and was checked
    DROPPED = "DROPPED"  # its blob is being deleted


@dataclass(frozen=True, slots=True)
class Version:
    """One archive of a context. Never written again, once it is kept."""

    context_id: str
    number: int
    created_at: float
    stage: Stage
    #: Of this record.
    version: int = 1
    #: Bytes, and sha256 in hex.
    size: int = 0
    sha256: str = ""
    #: The number that the session began with; None: with nothing.
    based_on: int | None = None
    #: The session that wrote it; None: it was uploaded.
    session_id: str | None = None
    #: Whether it did not become head, because another one had become it meanwhile.
    conflicted: bool = False

    def as_item(self) -> dict[str, Any]:
        item = {
            "contextId": self.context_id,
            "number": self.number,
            "createdAt": self.created_at,
            "stage": str(self.stage),
            "version": self.version,
            "size": self.size,
            "sha256": self.sha256,
            "basedOn": self.based_on,
            "sessionId": self.session_id,
            "conflicted": self.conflicted,
        }
        return {name: value for name, value in item.items() if value is not None}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Version:
        return cls(
            context_id=item["contextId"],
            number=int(item["number"]),
            created_at=float(item["createdAt"]),
            stage=Stage(item["stage"]),
            version=int(item["version"]),
            size=int(item["size"]),
            sha256=item["sha256"],
            based_on=int(item["basedOn"]) if "basedOn" in item else None,
            session_id=item.get("sessionId"),
            conflicted=item["conflicted"],
        )


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit came to. `first` is False where it only was repeated."""

    context: Context
    version: Version
    first: bool = True


def name_key(project_id: str, name: str) -> str:
    """The key of the item that keeps a name from being given twice in a project, however it is written."""
    return f"name:{project_id}:{unicodedata.normalize('NFKC', name).casefold()}"
