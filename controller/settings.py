"""What a guest is told by its environment; the only place of the guest that reads it.

The standard library alone: every millisecond before Chrome is in the wait of a caller.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from wallcrawler.log import Format

#: Where Chromium is looked for. Debian's own binary comes before its wrapper, a shell script that costs 30 ms.
CHROMES = (
    "/usr/lib/chromium/chromium",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

#: In a container, the only address that is worth listening on.
ANY_HOST = "0.0.0.0"  # noqa: S104


@dataclass(frozen=True, slots=True)
class GuestSettings:
    """One guest's settings."""

    session_id: str
    api_url: str
    token: str = field(repr=False)
    host: str = ANY_HOST
    port: int = 9223
    #: A port of loopback that serves the same: where a gateway's public address is loopback, the browser's own pages
    #: and extensions reach their session by it as the clients outside do. 0: none.
    loopback_port: int = 0
    chrome: str = ""
    #: Where the session's own directory is made. Unix sockets live below it: keep it short.
    run_dir: Path = Path(tempfile.gettempdir())
    #: Where files lie that clients upload; None: in the session's own directory. In a container of its own a session
    #: has the path that Browserbase's clients know.
    uploads_dir: Path | None = None
    #: `host:port` of the control plane besides the API, with commas between: pages never reach them.
    closed: str = ""
    log_format: Format = "json"
    log_level: str = "INFO"

    @property
    def directory(self) -> Path:
        """The session's own directory: profile, home and temporary files, all gone at the end."""
        return self.run_dir / self.session_id[:13]

    @property
    def internal(self) -> tuple[str, ...]:
        """`host:port` of what no page may reach."""
        api = urlsplit(self.api_url)
        host = f"[{api.hostname}]" if ":" in (api.hostname or "") else api.hostname
        places = [f"{host}:{api.port or (443 if api.scheme == 'https' else 80)}"]
        places += [f"localhost:{self.loopback_port}"] if self.loopback_port else []
        return (*places, *(place for place in self.closed.split(",") if place))

    @property
    def uploads(self) -> Path:
        return self.uploads_dir or self.directory / "uploads"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> GuestSettings:
        """Raises ValueError that names the variable."""
        env = os.environ if environment is None else environment
        missing = [name for name in _REQUIRED if not env.get(name)]
        if missing:
            raise ValueError(f"{' and '.join(missing)} must be set")
        log_format = env.get("WALLCRAWLER_LOG_FORMAT", "json")
        if log_format not in {"json", "console"}:
            raise ValueError("WALLCRAWLER_LOG_FORMAT must be json or console")
        log_level = env.get("WALLCRAWLER_LOG_LEVEL", "INFO")
        if log_level not in LEVELS:
            raise ValueError(f"WALLCRAWLER_LOG_LEVEL must be one of {', '.join(LEVELS)}")
        return cls(
            session_id=env["WALLCRAWLER_SESSION_ID"],
            api_url=env["WALLCRAWLER_API_URL"].rstrip("/"),
            token=env["WALLCRAWLER_GUEST_TOKEN"],
            host=env.get("WALLCRAWLER_GUEST_HOST", ANY_HOST),
            port=_port(env, "WALLCRAWLER_GUEST_PORT", "9223"),
            loopback_port=_port(env, "WALLCRAWLER_GUEST_LOOPBACK_PORT", "0"),
            chrome=env.get("WALLCRAWLER_CHROME") or find_chrome(),
            run_dir=Path(env.get("WALLCRAWLER_RUN_DIR") or tempfile.gettempdir()),
            uploads_dir=Path(env["WALLCRAWLER_UPLOADS_DIR"]) if env.get("WALLCRAWLER_UPLOADS_DIR") else None,
            closed=env.get("WALLCRAWLER_EGRESS_CLOSED", ""),
            log_format=cast("Format", log_format),
            log_level=log_level,
        )


def _port(env: Mapping[str, str], name: str, default: str) -> int:
    port = env.get(name, default)
    if not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{name} must be a port, not {port!r}")
    return int(port)


_REQUIRED = ("WALLCRAWLER_SESSION_ID", "WALLCRAWLER_API_URL", "WALLCRAWLER_GUEST_TOKEN")


def find_chrome() -> str:
    """The path of a Chromium. Raises ValueError that says how to get one."""
    for name in CHROMES:
        if found := shutil.which(name):
            return found
    raise ValueError("WALLCRAWLER_CHROME: no Chromium found; install the package chromium, or name a binary")
