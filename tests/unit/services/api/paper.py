"""The whole API without a server: Flask's own client on real records, and a platform of paper behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services.api.app import create_app
from tests.characters import HandClock, JobList, NoticeBoard, PaperFleet, StoryBell
from wallcrawler.catalog import Catalog
from wallcrawler.certificates import Certificates
from wallcrawler.extensions import Extensions
from wallcrawler.links import Links
from wallcrawler.local.blobs import DirectoryBlobs
from wallcrawler.local.tables import SqliteTables
from wallcrawler.sessions import Sessions
from wallcrawler.settings import Settings
from wallcrawler.tokens import Signer
from wallcrawler.wiring import Ports


def paper_ports(folder: Path, tables: SqliteTables, clock: HandClock, **settings: Any) -> Ports:
    """Ports of which the API needs nothing more. Settings are taken as they are."""
    signer = Signer.generate()
    blobs = DirectoryBlobs(folder / "blobs", base_url="http://127.0.0.1:1", secret=b"paper")
    made = {
        "settings": Settings.load().model_copy(update=settings),
        "clock": clock,
        "tables": tables,
        "sessions": Sessions(tables, clock),
        "catalog": Catalog(tables, clock),
        "extensions": Extensions(tables, blobs, clock),
        "certificates": Certificates(tables, clock),
        "fleet": PaperFleet(),
        "bell": StoryBell(clock),
        "topic": NoticeBoard(),
        "jobs": JobList(),
        "blobs": blobs,
        "signer": signer,
        "verify_keys": signer.verify_keys,
        "links": Links(signer),
    }
    # Queues and feeds are the workers'; whoever wants one of them here is told so by an AttributeError.
    return Ports(**{spec.name: cast(Any, made.get(spec.name)) for spec in fields(Ports)})


class PaperApi:
    """The app of these ports, its first project, and a client that has a key of it."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self.app = create_app(ports)
        self.project = ports.catalog.add_project("tests", concurrency=3, default_timeout=3600, id="project-1")
        self.api_key = ports.catalog.add_key(self.project.id, name="tests")[0]
        self.stranger: FlaskClient = self.app.test_client()

    def ask(self, method: str, path: str, **how: Any) -> TestResponse:
        how["headers"] = {"X-BB-API-Key": self.api_key} | how.get("headers", {})
        return self.stranger.open(path, method=method, **how)


Start = Callable[..., PaperApi]
