"""Extensions that a project has uploaded, as records. Their bytes are a blob."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Extension:
    """A zip of an unpacked Chrome extension. It never changes; another upload is another extension."""

    id: str
    project_id: str
    #: As the uploader's file was called.
    file_name: str
    #: As its manifest calls it.
    name: str
    #: Bytes of the zip, and their sha256 in hex.
    size: int
    sha256: str
    created_at: float
    updated_at: float
    version: int = 1

    @property
    def blob(self) -> str:
        return f"extensions/{self.project_id}/{self.id}.zip"

    def as_item(self) -> dict[str, Any]:
        return {
            "extensionId": self.id,
            "projectId": self.project_id,
            "fileName": self.file_name,
            "name": self.name,
            "size": self.size,
            "sha256": self.sha256,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "version": self.version,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Extension:
        return cls(
            id=item["extensionId"],
            project_id=item["projectId"],
            file_name=item["fileName"],
            name=item["name"],
            size=int(item["size"]),
            sha256=item["sha256"],
            created_at=float(item["createdAt"]),
            updated_at=float(item["updatedAt"]),
            version=int(item["version"]),
        )
