"""One machine: SQLite, child processes, a directory, and a Redis-compatible server."""

from __future__ import annotations

from functools import partial

from wallcrawler import log as logs
from wallcrawler.bell import RedisBell
from wallcrawler.catalog import Catalog
from wallcrawler.certificates import Certificates
from wallcrawler.clock import SystemClock
from wallcrawler.contexts import Contexts
from wallcrawler.downloads import Downloads
from wallcrawler.extensions import Extensions
from wallcrawler.jobs import CeleryJobs, celery_app
from wallcrawler.links import Links
from wallcrawler.local.blobs import DirectoryBlobs
from wallcrawler.local.fleet import ChildFleet
from wallcrawler.local.home import Home
from wallcrawler.local.tables import SqliteTables
from wallcrawler.local.topic import LoggedTopic
from wallcrawler.ports import Fleet
from wallcrawler.sessions import Sessions
from wallcrawler.settings import Settings
from wallcrawler.wiring import Ports, guest_environment

log = logs.get()


def embedded(
    settings: Settings, home: Home, *, redis_url: str, namespace: str, api_url: str, fleet: Fleet | None = None
) -> Ports:
    """The ports of one machine: SQLite, child processes, a directory, and the Redis-compatible server at `redis_url`.

    `namespace` keeps instances apart that share the server. `api_url` is where guests report to, and where signed blob
    URLs lead.
    """
    clock = SystemClock()
    tables = SqliteTables(home.database)
    fleet = fleet or ChildFleet(
        host=settings.host,
        public_host=settings.reachable_host,
        run_dir=home.run_dir(settings.run_dir),
        environment=guest_environment(settings, api_url, redis_url),
    )
    bell = RedisBell(redis_url, namespace=namespace)
    new_celery = partial(celery_app, redis_url, namespace=namespace, sweep_every=settings.sweep_every)
    celery = new_celery()
    signer = home.signer()
    blobs = DirectoryBlobs(home.blobs, base_url=api_url, secret=home.blob_secret())

    def close() -> None:
        fleet.close()
        bell.close()
        celery.close()
        tables.close()

    log.info(
        "adapters.chosen", tables="sqlite", fleet=type(fleet).__name__, blobs="directory", topic="log", bell="redis"
    )
    return Ports(
        settings=settings,
        clock=clock,
        tables=tables,
        sessions=Sessions(tables, clock),
        catalog=Catalog(tables, clock),
        downloads=Downloads(tables, blobs, clock),
        extensions=Extensions(tables, blobs, clock),
        certificates=Certificates(tables, clock),
        fleet=fleet,
        bell=bell,
        topic=LoggedTopic(),
        jobs=CeleryJobs(celery),
        blobs=blobs,
        contexts=Contexts(tables, blobs, clock, limit=settings.context_limit, keep=settings.context_versions),
        celery=celery,
        new_celery=new_celery,
        signer=signer,
        verify_keys=signer.verify_keys,
        links=Links(signer),
        changes=tables.changes(),
        close=close,
    )
