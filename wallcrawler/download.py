"""One file that a session downloaded: what is known of it. Pure.

Its bytes are the blob `downloads/<sessionId>/<number>`. A download is *arriving* until its guest has put them there,
and is shown to nobody before.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os.path import splitext
from typing import Any, Final

#: Where the bytes of downloads are; what comes next is the session.
PREFIX: Final = "downloads/"

_ID: Final = re.compile(r"(?P<session>[^/.]{1,64})\.(?P<number>[0-9]{13})", re.ASCII)

#: What a compressed file is, by the name that `mimetypes` has for its compression.
_COMPRESSED: Final = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}

#: What nobody knows anything of.
ANYTHING: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Download:
    """A file. `size` and `sha256` are those of the bytes that are kept."""

    session_id: str
    #: The millisecond in which it came, or the next one that was free: no two downloads of a session have the same.
    number: int
    #: As it is shown: safe, with its number before the extension.
    name: str
    mime_type: str
    size: int
    #: Epoch seconds.
    created_at: float
    #: Epoch second after which the store may delete it.
    expires_at: int
    version: int = 1
    #: Hex; None while it is arriving.
    sha256: str | None = None

    @property
    def id(self) -> str:
        """All that is needed to find it."""
        return f"{self.session_id}.{self.number}"

    @property
    def blob(self) -> str:
        return blob_name(self.session_id, self.number)

    @property
    def kept(self) -> bool:
        return self.sha256 is not None

    def arrived(self, *, size: int, sha256: str) -> Download:
        return replace(self, size=size, sha256=sha256, version=self.version + 1)

    def as_item(self) -> dict[str, Any]:
        item = {
            "sessionId": self.session_id,
            "number": self.number,
            "name": self.name,
            "mimeType": self.mime_type,
            "size": self.size,
            "createdAt": self.created_at,
            "expiresAt": self.expires_at,
            "version": self.version,
            "sha256": self.sha256,
        }
        return {name: value for name, value in item.items() if value is not None}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Download:
        return cls(
            session_id=item["sessionId"],
            number=int(item["number"]),
            name=item["name"],
            mime_type=item["mimeType"],
            size=int(item["size"]),
            created_at=float(item["createdAt"]),
            expires_at=int(item["expiresAt"]),
            version=int(item["version"]),
            sha256=item.get("sha256"),
        )


def blob_name(session_id: str, number: int) -> str:
    return f"{PREFIX}{session_id}/{number}"


def mime_type_of(name: str) -> str:
    """By the name's extension."""
    kind, compression = mimetypes.guess_type("file" + splitext(name)[1])
    return _COMPRESSED.get(compression, ANYTHING) if compression else kind or ANYTHING


def parsed(id: str) -> tuple[str, int] | None:
    """The session and the number that a download's id names; None for what is no such id."""
    found = _ID.fullmatch(id)
    return (found["session"], int(found["number"])) if found else None
