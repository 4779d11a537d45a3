"""Projects and their API keys, as records."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

#: How every key that we make begins; the log masks what looks like one.
KEY_PREFIX: Final = "wc_"


@dataclass(frozen=True, slots=True)
class Project:
    """Who sessions belong to. `active` is how many of them live now; it moves in the same write as they do."""

    id: str
    name: str
    owner_id: str
    #: Seconds, for a create that names no timeout.
    default_timeout: int
    #: How many sessions may live at once.
    concurrency: int
    created_at: float
    updated_at: float
    version: int = 1
    active: int = 0
    #: Seconds that ended sessions have had a browser, and bytes that went through their proxies.
    browser_seconds: float = 0.0
    proxy_bytes: int = 0

    def as_item(self) -> dict[str, Any]:
        return {
            "projectId": self.id,
            "name": self.name,
            "ownerId": self.owner_id,
            "defaultTimeout": self.default_timeout,
            "concurrency": self.concurrency,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "version": self.version,
            "active": self.active,
            "browserSeconds": self.browser_seconds,
            "proxyBytes": self.proxy_bytes,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Project:
        return cls(
            id=item["projectId"],
            name=item["name"],
            owner_id=item["ownerId"],
            default_timeout=int(item["defaultTimeout"]),
            concurrency=int(item["concurrency"]),
            created_at=float(item["createdAt"]),
            updated_at=float(item["updatedAt"]),
            version=int(item["version"]),
            active=int(item["active"]),
            browser_seconds=float(item["browserSeconds"]),
            proxy_bytes=int(item["proxyBytes"]),
        )


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without the key: its sha256, and enough of its beginning to tell it from others."""

    hash: str
    project_id: str
    name: str
    hint: str
    created_at: float
    version: int = 1
    revoked_at: float | None = None

    def as_item(self) -> dict[str, Any]:
        item = {
            "apiKeyHash": self.hash,
            "projectId": self.project_id,
            "name": self.name,
            "hint": self.hint,
            "createdAt": self.created_at,
            "version": self.version,
            "revokedAt": self.revoked_at,
        }
        return {name: value for name, value in item.items() if value is not None}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> ApiKey:
        return cls(
            hash=item["apiKeyHash"],
            project_id=item["projectId"],
            name=item["name"],
            hint=item["hint"],
            created_at=float(item["createdAt"]),
            version=int(item["version"]),
            revoked_at=item.get("revokedAt"),
        )


def new_key() -> str:
    """A fresh API key: 256 bits from the system's source."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def key_hash(key: str) -> str:
    """The name under which a key is stored. Keys are long and random, so that a plain sha256 is enough."""
    return hashlib.sha256(key.encode()).hexdigest()
