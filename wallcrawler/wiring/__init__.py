"""Which adapter is which: the only place that knows. `embedded` wires one machine, `deployed` one service of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from celery import Celery

from wallcrawler.catalog import Catalog
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
    fleet: Fleet
    bell: Bell
    topic: Topic
    jobs: Jobs
    blobs: Blobs
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


def guest_environment(settings: Settings, api_url: str) -> dict[str, str]:
    """What every guest of this deployment is told, besides its session and its token."""
    environment = {
        "WALLCRAWLER_API_URL": api_url,
        "WALLCRAWLER_LOG_FORMAT": settings.log_format,
        "WALLCRAWLER_LOG_LEVEL": settings.log_level,
    }
    if settings.chrome is not None:
        environment["WALLCRAWLER_CHROME"] = str(settings.chrome)
    return environment
