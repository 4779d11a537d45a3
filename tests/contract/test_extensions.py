"""Extensions and certificates, whatever the engine that keeps their records."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.authority import issue
from tests.characters import HandClock
from tests.zips import extension
from wallcrawler.certificate import Certificate
from wallcrawler.certificates import Certificates
from wallcrawler.errors import NotFound, TryLater
from wallcrawler.extension import Extension
from wallcrawler.extensions import Extensions
from wallcrawler.local.blobs import DirectoryBlobs
from wallcrawler.ports import Tables, Write

Name = Callable[[str], str]

ZIP = extension()
PEM = issue("root").pem.decode()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    return DirectoryBlobs(tmp_path / "blobs", base_url="http://api.test", secret=b"a secret of this test")


@pytest.fixture
def extensions(tables: Tables, blobs: DirectoryBlobs, clock: HandClock) -> Extensions:
    return Extensions(tables, blobs, clock)


@pytest.fixture
def certificates(tables: Tables, clock: HandClock) -> Certificates:
    return Certificates(tables, clock)


def added(extensions: Extensions, project_id: str) -> Extension:
    return extensions.add(project_id, file_name="a.zip", name="Marker", size=len(ZIP), body=io.BytesIO(ZIP))


# -- Extensions -------------------------------------------------------------------------------------------------------


def test_an_extension_is_kept_with_its_bytes(extensions: Extensions, blobs: DirectoryBlobs, name: Name) -> None:
    """The record is what was said, and the blob, named for project and id, is what was sent."""
    project = name("project")

    made = added(extensions, project)

    assert extensions.get(project, made.id) == made
    assert (made.file_name, made.name, made.size) == ("a.zip", "Marker", len(ZIP))
    assert made.sha256 == hashlib.sha256(ZIP).hexdigest()
    with blobs.open(f"extensions/{project}/{made.id}.zip") as kept:
        assert kept.read() == ZIP
    assert made.id in extensions.url(made, seconds=60)


def test_another_projects_extension_is_not_there(extensions: Extensions, name: Name) -> None:
    """Neither to be read nor to be deleted, and the refusal is that of an id that nobody has."""
    project = name("project")
    made = added(extensions, project)

    for attempt in (extensions.get, extensions.delete):
        with pytest.raises(NotFound, match=f"there is no extension {made.id}"):
            attempt(name("stranger"), made.id)

    assert extensions.get(project, made.id) == made


def test_what_is_deleted_is_gone_record_and_bytes(extensions: Extensions, blobs: DirectoryBlobs, name: Name) -> None:
    """And a second deletion says so."""
    project = name("project")
    made = added(extensions, project)

    extensions.delete(project, made.id)

    assert list(blobs.names("extensions/")) == []
    for attempt in (extensions.get, extensions.delete):
        with pytest.raises(NotFound):
            attempt(project, made.id)


@pytest.mark.parametrize("id", ["", "a" * 3000, "a/../b", "\ud800", "none"])
def test_what_can_be_no_id_is_nobodys(extensions: Extensions, certificates: Certificates, id: str) -> None:
    """Whatever a caller sends, no store is asked for what it could not take; and little of it is repeated."""
    for repository in (extensions, certificates):
        with pytest.raises(NotFound) as missing:
            repository.get("project", id)

        assert len(str(missing.value)) < 100


class Busy:
    """Tables that take no writes now."""

    def write(self, *writes: Write) -> None:
        raise TryLater("the store is busy", after=1)


def test_bytes_without_a_record_are_not_left(blobs: DirectoryBlobs, clock: HandClock) -> None:
    """A record that could not be written leaves no zip that nobody could find."""
    busy: Any = Busy()

    with pytest.raises(TryLater):
        added(Extensions(busy, blobs, clock), "project")

    assert list(blobs.names("")) == []


# -- Certificates -----------------------------------------------------------------------------------------------------


def ids(certificates: Sequence[Certificate]) -> list[str]:
    return [certificate.id for certificate in certificates]


def test_certificates_are_listed_newest_first(certificates: Certificates, clock: HandClock, name: Name) -> None:
    """More than a page of them, and only the project's."""
    project = name("project")
    certificates.add(name("stranger"), PEM)
    made = []
    for _ in range(105):
        clock.forward(1)
        made.append(certificates.add(project, PEM))

    assert ids(certificates.of_project(project)) == ids(made)[::-1]
    assert certificates.get(project, made[0].id) == made[0]


def test_a_deleted_certificate_is_in_no_list(certificates: Certificates, name: Name) -> None:
    """Nor found by its id; another project could not have deleted it."""
    project = name("project")
    made = certificates.add(project, PEM)

    with pytest.raises(NotFound):
        certificates.delete(name("stranger"), made.id)
    certificates.delete(project, made.id)

    assert certificates.of_project(project) == []
    with pytest.raises(NotFound, match=f"there is no certificate {made.id}"):
        certificates.get(project, made.id)
