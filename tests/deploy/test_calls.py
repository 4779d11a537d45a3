"""What the product does on AWS is what its roles allow: each repository at work, and every call of it written down."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping
from typing import Any

import pytest

from services.api import journals
from tests.authority import issue
from tests.deploy.conftest import Emulator
from tests.deploy.records import a_session
from tests.deploy.test_permissions import granted, listed, statements
from tests.zips import extension
from wallcrawler.aws.blobs import S3Blobs
from wallcrawler.aws.tables import DynamoTables, create_tables
from wallcrawler.catalog import Catalog
from wallcrawler.certificate import examine
from wallcrawler.certificates import Certificates
from wallcrawler.clock import SystemClock
from wallcrawler.contexts import BadUpload, Contexts
from wallcrawler.downloads import Downloads, Room
from wallcrawler.errors import NotFound
from wallcrawler.extensions import Extensions
from wallcrawler.journal import Chunk
from wallcrawler.lifecycle import Event, State
from wallcrawler.project import Project
from wallcrawler.sessions import Sessions

#: The permission that each part of a transaction needs.
PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}

#: The permission that S3's calls need; of one that is not here the name is the permission's.
OBJECTS = {
    "ListObjectsV2": "ListBucket",
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}

PREFIX, BUCKET = "audited-", "audited-files"

ROOM = Room(limit=1 << 20, total=1 << 20, count=10)


class Process:
    """The repositories of one process, and what its calls would have needed: pairs of action and table, or prefix."""

    def __init__(self, emulator: Emulator) -> None:
        records, files = emulator.new_client("dynamodb"), emulator.new_client("s3")
        self.needed: set[tuple[str, str]] = set()
        records.meta.events.register("provide-client-params.dynamodb", self._asked_of_tables)
        files.meta.events.register("provide-client-params.s3", self._asked_of_files)
        clock = SystemClock()
        self.tables, self.blobs = DynamoTables(records, PREFIX), S3Blobs(files, BUCKET)
        self.sessions, self.catalog = Sessions(self.tables, clock), Catalog(self.tables, clock)
        self.extensions = Extensions(self.tables, self.blobs, clock)
        self.certificates = Certificates(self.tables, clock)
        self.downloads = Downloads(self.tables, self.blobs, clock)
        self.contexts = Contexts(self.tables, self.blobs, clock, limit=1 << 20, keep=2)

    def _asked_of_tables(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        if model.name == "TransactWriteItems":
            for part in params["TransactItems"]:
                ((kind, request),) = part.items()
                self._needs(f"dynamodb:{PARTS[kind]}", request["TableName"].removeprefix(PREFIX))
        else:
            index = "/index/*" if "IndexName" in params else ""
            self._needs(f"dynamodb:{model.name}", params["TableName"].removeprefix(PREFIX) + index)

    def _asked_of_files(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        key = params.get("Key") or params["Prefix"]
        self._needs(f"s3:{OBJECTS.get(model.name, model.name)}", key.partition("/")[0] + "/*")

    def _needs(self, action: str, resource: str) -> None:
        self.needed.add((action, resource))


@pytest.fixture(scope="module")
def _stores(emulator: Emulator) -> None:
    create_tables(emulator.client("dynamodb"), PREFIX)
    emulator.client("s3").create_bucket(Bucket=BUCKET)


@pytest.fixture
def api(emulator: Emulator, _stores: None) -> Process:
    return Process(emulator)


@pytest.fixture
def project(emulator: Emulator, _stores: None) -> Project:
    """Made by its operator, who has a role of his own."""
    return Process(emulator).catalog.add_project("p", concurrency=3, default_timeout=60)


def missing(process: Process, role: str) -> set[tuple[str, str]]:
    """What the process did and its role does not allow."""
    may = granted(role)
    tables = {(action, re.sub(r"^.*:table/wallcrawler-", "", resource)) for action, resource in may}
    files = {(action, resource.partition("${BucketName}/")[2]) for action, resource in may}
    # To list is allowed on the bucket, and which prefixes in a condition.
    lists = {
        ("s3:ListBucket", prefix)
        for statement in statements(role)
        if "s3:ListBucket" in listed(statement["Action"])
        for prefix in statement["Condition"]["StringLikeIfExists"]["s3:prefix"]
    }
    return process.needed - tables - files - lists


def test_a_sessions_life(emulator: Emulator, api: Process, project: Project) -> None:
    """From a key to the history, with a plan: every call of the API and of the provisioner is in its role."""
    provisioner = Process(emulator)
    key, _ = Process(emulator).catalog.add_key(project.id, name="k")

    api.catalog.owner_of(key)
    made = a_session("life", api.catalog.project(project.id).id, now=time.time())
    session = api.sessions.create(made, plan={"egress": {"password": "hunter2"}})
    planned = api.sessions.plan(session.id)
    provisioner.sessions.advance(session.id, Event.LAUNCHED, task="arn")
    provisioner.sessions.advance(session.id, Event.LOCATED, address="10.0.128.9:9223")
    api.sessions.advance(session.id, Event.BROWSER_UP, browser_up_at=time.time())
    api.sessions.note(session.id, "CONTEXT_PERSISTED")
    found = [one.id for one in api.sessions.of_project(project.id)]
    due = [one.id for one in provisioner.sessions.in_state(State.READY)]
    provisioner.sessions.advance(session.id, Event.EXITED)
    history = [entry.event for entry in api.sessions.history(session.id)]
    counted = next(one for one in provisioner.catalog.projects() if one.id == project.id)
    provisioner.catalog.recount(counted, 0)
    api.tables.ping()

    assert (found, due, history[0], history[-1]) == ([session.id], [session.id], "CREATED", "EXITED")
    assert (planned, api.sessions.plan(session.id)) == ({"egress": {"password": "hunter2"}}, {})
    assert missing(api, "api-task") == set()
    assert missing(provisioner, "provisioner-task") == set()
    assert ("dynamodb:Query", "sessions/index/*") in provisioner.needed
    assert ("dynamodb:DeleteItem", "session-plans") in provisioner.needed


def test_a_session_that_the_api_ends(api: Process, project: Project) -> None:
    """A guest reports its end to the API, which then is the one who deletes the plan."""
    session = api.sessions.create(a_session("short", project.id, now=time.time()), plan={"egress": {}})

    ended = api.sessions.advance(session.id, Event.DRAINED, reason="released")

    assert ended.over
    assert ("dynamodb:DeleteItem", "session-plans") in api.needed
    assert missing(api, "api-task") == set()


def test_extensions_and_certificates(api: Process, project: Project) -> None:
    """Uploaded, found, listed and deleted, with the zip among the files."""
    packed = extension()

    added = api.extensions.add(project.id, file_name="a.zip", name="A", size=len(packed), body=io.BytesIO(packed))
    with api.blobs.open(api.extensions.get(project.id, added.id).blob) as stored:
        kept = stored.read()
    api.extensions.delete(project.id, added.id)
    certificate = api.certificates.add(project.id, examine(issue("root").pem, now=time.time()))
    found = api.certificates.of_project(project.id)
    api.certificates.delete(project.id, certificate.id)

    assert kept == packed
    assert found == [certificate]
    assert {("s3:PutObject", "extensions/*"), ("s3:DeleteObject", "extensions/*")} <= api.needed
    assert missing(api, "api-task") == set()


def test_contexts(api: Process, project: Project) -> None:
    """Made, found, given a version that turns out to be none, and deleted with whatever there is of it."""
    context = api.contexts.create(project.id, name="logins")

    reserved = api.contexts.reserve(context.id, project_id=project.id)
    with pytest.raises(BadUpload):
        api.contexts.commit(context.id, reserved.number, project_id=project.id, size=1, sha256="0" * 64, based_on=None)
    api.contexts.delete(context.id, project_id=project.id)

    with pytest.raises(NotFound):
        api.contexts.get(context.id, project_id=project.id)
    assert ("dynamodb:Query", "contexts/index/*") in api.needed
    assert missing(api, "api-task") == set()


def test_downloads(api: Process, project: Project) -> None:
    """Expected, kept, listed and deleted."""
    session = a_session("downloading", project.id, now=time.time())

    expected = api.downloads.expect(session, name="report.pdf", size=3, room=ROOM)
    api.blobs.put(expected.blob, io.BytesIO(b"pdf"))
    kept = api.downloads.keep(session.id, expected.number, size=3, sha256="0" * 64)
    found = list(api.downloads.of_session(session.id))
    api.downloads.delete_all(session.id)

    assert found == [kept]
    assert list(api.downloads.of_session(session.id)) == []
    assert missing(api, "api-task") == set()


def test_logs(api: Process) -> None:
    """Chunks are put among the files, listed and read."""
    entry = {"method": "Page.loadEventFired", "pageId": 1, "timestamp": 1, "params": {}}

    journals.keep(Chunk(1, 0, [entry]), "logged", blobs=api.blobs)
    lost, entries = journals.kept("logged", blobs=api.blobs)

    assert (lost, list(entries)) == (0, [entry])
    assert {("s3:PutObject", "logs/*"), ("s3:ListBucket", "logs/*"), ("s3:GetObject", "logs/*")} <= api.needed
    assert missing(api, "api-task") == set()
