"""A download's record, for tests that need one and care about little of it."""

from __future__ import annotations

from typing import Any

from wallcrawler.download import Download


def a_download(**fields: Any) -> Download:
    """One that is arriving."""
    common: dict[str, Any] = {
        "session_id": "session-1",
        "number": 1_719_265_797_164,
        "name": "sandstorm-1719265797164.mp3",
        "mime_type": "audio/mpeg",
        "size": 3,
        "created_at": 1_719_265_797.164,
        "expires_at": 1_800_000_000,
    }
    return Download(**common | fields)
