"""Which adapter is which: the only place that knows. `embedded` wires one machine, `deployed` one service of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from celery import Celery

from wallcrawler.catalog import Catalog
from wallcrawler.certificates import Certificates
from wallcrawler.contexts import Contexts
from wallcrawler.downloads import Downloads
from wallcrawler.extensions import Extensions
from wallcrawler.links import Links
from wallcrawler.ports import Bell, Blobs, Clock, Fleet, Jobs, Source, Tables, Topic
from wallcrawler.sessions import Sessions
from wallcrawler.settings import Settings
from wallcrawler.tokens import Signer


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that the services take their dependencies from. Built once for a process."""

    settings: Settings
    clock: Clock
    tables: Tables
    sessions: Sessions
    catalog: Catalog
    downloads: Downloads
    extensions: Extensions
    certificates: Certificates
    fleet: Fleet
    bell: Bell
    topic: Topic
    jobs: Jobs
    blobs: Blobs
    contexts: Contexts
    #: Where jobs are put in.
    celery: Celery
    #: An app for each worker, on the same broker.
    new_celery: Callable[[], Celery]
    signer: Signer
    #: The public keys that session tokens are verified with, by their id.
    verify_keys: Mapping[str, str]
    links: Links
    #: The feed of changed sessions.
    changes: Source
    close: Callable[[], None]


def guest_environment(settings: Settings, api_url: str, *internal: str | None) -> dict[str, str]:
    """What every guest of this deployment is told, besides its session and its token. `internal` are URLs of what its
    pages never reach, besides the API's."""
    environment = {
        "WALLCRAWLER_EGRESS_CLOSED": ",".join(filter(None, map(_place, internal))),
        "WALLCRAWLER_API_URL": api_url,
        "WALLCRAWLER_LOG_FORMAT": settings.log_format,
        "WALLCRAWLER_LOG_LEVEL": settings.log_level,
    }
    if settings.chrome is not None:
        environment["WALLCRAWLER_CHROME"] = str(settings.chrome)
    return environment


def _place(url: str | None) -> str | None:
    """`host:port` of a URL, without what else may be in it."""
    parts = urlsplit(url or "")
    port = parts.port or {"https": 443, "http": 80, "redis": 6379, "rediss": 6379}.get(parts.scheme)
    if not parts.hostname or port is None:
        return None
    return f"[{parts.hostname}]:{port}" if ":" in parts.hostname else f"{parts.hostname}:{port}"
