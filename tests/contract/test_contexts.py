"""Contexts and their versions, over every engine's tables: who wins, what stays, and that nothing is left over."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archives import an_archive
from tests.characters import HandClock
from wallcrawler.context import Committed, Context, Version
from wallcrawler.contexts import ABANDONED, OF_A_SESSION, BadUpload, Contexts, NameTaken, Spent
from wallcrawler.errors import NotFound
from wallcrawler.local.blobs import DirectoryBlobs
from wallcrawler.ports import Delete, Tables
from wallcrawler.schema import CONTEXT_VERSIONS, CONTEXTS

Name = Callable[[str], str]


class Stand:
    """Contexts of one project, whose blobs can be looked at."""

    def __init__(self, tables: Tables, place: Path, project: str) -> None:
        self.tables = tables
        self.project = project
        self.clock = HandClock()
        self.blobs = DirectoryBlobs(place, base_url="http://api", secret=b"secret")
        self.contexts = Contexts(tables, self.blobs, self.clock, limit=1 << 20, keep=3)

    def create(self, name: str | None = None) -> Context:
        return self.contexts.create(self.project, name)

    def again(self, context: Context) -> Context:
        return self.contexts.get(context.id, project_id=self.project)

    def reserve(self, context: Context, session: str | None = None) -> Version:
        """By another session each time, where none is named."""
        session = session or f"session-{uuid.uuid4()}"
        return self.contexts.reserve(context.id, project_id=self.project, session_id=session)

    def put(self, context: Context, version: Version, body: bytes) -> None:
        self.blobs.put(context.blob(version.number), io.BytesIO(body))

    def commit(self, version: Version, based_on: int | None, **facts: Any) -> Committed:
        return self.contexts.commit(
            version.context_id,
            version.number,
            project_id=self.project,
            session_id=version.session_id,
            based_on=based_on,
            **facts,
        )

    def persist(self, context: Context, based_on: int | None, text: str = "{}") -> Committed:
        """As a session does at its end."""
        version = self.reserve(context)
        self.put(context, version, an_archive(Preferences=text))
        return self.commit(version, based_on)

    def numbers(self, context: Context) -> list[int]:
        return [version.number for version in self.contexts.versions(self.again(context))]

    def kept(self, context: Context) -> list[str]:
        return sorted(self.blobs.names(context.folder))


@pytest.fixture
def stand(tables: Tables, tmp_path: Path, name: Name) -> Iterator[Stand]:
    stand = Stand(tables, tmp_path / "blobs", name("project"))
    yield stand
    # Stores may be shared: what waits to be buried here is buried by no test of others.
    stand.clock.forward(ABANDONED + 1)
    stand.contexts.tidy()


# -- Contexts ---------------------------------------------------------------------------------------------------------


def test_a_context_is_its_projects(stand: Stand) -> None:
    """For another one it is not there."""
    context = stand.create("Logins")

    assert stand.again(context) == context
    for project, id in [("another", context.id), (stand.project, "nobody"), (stand.project, "upload-key")]:
        with pytest.raises(NotFound, match="there is no context"):
            stand.contexts.get(id, project_id=project)


def test_a_name_is_given_once_in_a_project(stand: Stand, name: Name) -> None:
    """However it is written; other projects have names of their own, and a context needs none."""
    stand.create("Straße")

    with pytest.raises(NameTaken, match="'STRASSE'"):
        stand.create("STRASSE")

    stand.contexts.create(name("other"), "Straße")
    assert stand.create().id != stand.create().id


def test_the_name_of_a_deleted_context_is_free(stand: Stand) -> None:
    """At once, and the old one's deletion again takes nothing from the new one."""
    old = stand.create("Logins")
    stand.contexts.delete(old.id, project_id=stand.project)
    new = stand.create("logins")

    with pytest.raises(NotFound):
        stand.contexts.delete(old.id, project_id=stand.project)
    with pytest.raises(NameTaken):
        stand.create("LOGINS")

    assert stand.again(new) == new


def test_a_deleted_context_leaves_nothing(stand: Stand) -> None:
    """No version, no blob, no record."""
    context = stand.create("Logins")
    stand.persist(context, None)
    stand.persist(context, 1)

    stand.contexts.delete(context.id, project_id=stand.project)

    assert stand.kept(context) == []
    assert stand.tables.get(CONTEXTS, context.id) is None
    assert stand.tables.query(CONTEXT_VERSIONS, context.id).items == []
    with pytest.raises(NotFound):
        stand.again(context)


def test_nobody_deletes_anothers_context(stand: Stand) -> None:
    """Nor a session's persist brings a deleted one back."""
    context = stand.create()
    with pytest.raises(NotFound):
        stand.contexts.delete(context.id, project_id="another")
    late = stand.reserve(context)
    stand.put(context, late, an_archive())

    stand.contexts.delete(context.id, project_id=stand.project)

    with pytest.raises(NotFound):
        stand.commit(late, None)
    with pytest.raises(NotFound):
        stand.again(context)
    assert stand.kept(context) == []


def test_an_upload_that_comes_after_the_deletion_is_found(stand: Stand) -> None:
    """Its URL may still work: the records wait for it, and the next deletion takes it away."""
    context = stand.create()
    late = stand.reserve(context)
    stand.contexts.delete(context.id, project_id=stand.project)
    stand.put(context, late, an_archive())

    stand.clock.forward(ABANDONED + 1)
    assert stand.contexts.tidy() >= 1

    assert stand.kept(context) == []
    assert stand.tables.get(CONTEXTS, context.id) is None


def test_the_key_of_uploads_stays_the_same(stand: Stand) -> None:
    """In every process, or what was encrypted could not be read."""
    another = Contexts(stand.tables, stand.blobs, stand.clock, limit=1, keep=1)

    assert stand.contexts.upload_key().public_pem == another.upload_key().public_pem


# -- Versions ---------------------------------------------------------------------------------------------------------


def test_what_a_session_persists_is_what_the_next_begins_with(stand: Stand) -> None:
    """Each a version of its own; the earlier one stays as it was."""
    context = stand.create()
    assert stand.contexts.head(context) is None

    first, second = stand.persist(context, None, "1"), stand.persist(context, 1, "2")

    head = stand.contexts.head(stand.again(context))
    assert head == second.version
    assert (head.number, head.based_on, head.conflicted) == (2, 1, False)
    assert (head.size, first.version.number) == (len(an_archive(Preferences="2")), 1)
    assert stand.kept(context) == [context.blob(1), context.blob(2)]


def test_the_later_of_two_is_kept_and_not_used(stand: Stand) -> None:
    """It began with what is head no more; until somebody chooses it."""
    context = stand.create()
    stand.persist(context, None)
    winner, loser = stand.persist(context, 1, "winner"), stand.persist(context, 1, "loser")

    assert (winner.version.conflicted, loser.version.conflicted) == (False, True)
    assert stand.again(context).head == winner.version.number
    assert stand.numbers(context) == [3, 2, 1]

    rolled = stand.contexts.rollback(context.id, loser.version.number, project_id=stand.project)

    assert rolled.head == stand.again(context).head == loser.version.number


def test_only_a_kept_version_can_be_chosen(stand: Stand) -> None:
    """Not one that nobody committed, and not by another project."""
    context = stand.create()
    stand.persist(context, None)
    reserved = stand.reserve(context)

    for number, project in [(reserved.number, stand.project), (99, stand.project), (1, "another")]:
        with pytest.raises(NotFound):
            stand.contexts.rollback(context.id, number, project_id=project)

    assert stand.again(context).head == 1


def test_an_upload_that_never_came_or_broke_leaves_the_head(stand: Stand) -> None:
    """And no blob."""
    context = stand.create()
    stand.persist(context, None)
    good = an_archive()

    for body, facts in [
        (None, {}),
        (b"", {}),
        (good[:-40], {}),
        (b"not an archive", {}),
        (good, {"size": len(good), "sha256": "0" * 64}),
        (good, {"size": 1, "sha256": "0" * 64}),
    ]:
        version = stand.reserve(context)
        if body is not None:
            stand.put(context, version, body)
        with pytest.raises(BadUpload):
            stand.commit(version, 1, **facts)

    assert stand.again(context).head == 1
    assert stand.kept(context) == [context.blob(1)]


def test_a_commit_may_be_repeated(stand: Stand) -> None:
    """Its answer may have been lost; it says what it said, and that it is not the first."""
    context = stand.create()
    version = stand.reserve(context)
    stand.put(context, version, an_archive())

    first, again = stand.commit(version, None), stand.commit(version, None)

    assert (first.first, again.first) == (True, False)
    assert (again.version, again.context) == (first.version, first.context)


def test_a_session_persists_once(stand: Stand) -> None:
    """It would push out what sessions before it have persisted."""
    context = stand.create()
    version = stand.reserve(context, "session-1")
    stand.put(context, version, an_archive())
    stand.commit(version, None)

    with pytest.raises(Spent, match="session session-1 has persisted"):
        stand.reserve(context, "session-1")

    assert stand.reserve(context, "session-2").number == 2


def test_a_session_tries_a_few_times(stand: Stand) -> None:
    """With a reservation for each; what was dropped of them counts no more."""
    context = stand.create()
    numbers = [stand.reserve(context, "session-1").number for _ in range(OF_A_SESSION)]

    with pytest.raises(Spent, match=f"reserved {OF_A_SESSION} versions"):
        stand.reserve(context, "session-1")
    stand.contexts.abandon(context.id, numbers[0], project_id=stand.project)

    assert stand.reserve(context, "session-1").number == OF_A_SESSION + 1


def test_a_reservation_is_its_sessions(stand: Stand) -> None:
    """Another one can't commit under it."""
    context = stand.create()
    version = stand.reserve(context, "session-1")
    stand.put(context, version, an_archive())

    with pytest.raises(NotFound, match="not reserved"):
        stand.contexts.commit(
            context.id, version.number, project_id=stand.project, session_id="session-2", based_on=None
        )

    assert stand.commit(version, None).version.number == version.number


def test_the_last_versions_are_kept_and_the_one_in_use(stand: Stand) -> None:
    """Blobs go with their records."""
    context = stand.create()
    for number in range(3):
        stand.persist(context, number or None)
    stand.contexts.rollback(context.id, 1, project_id=stand.project)
    for _ in range(3):
        stand.persist(context, 99)

    assert stand.numbers(context) == [6, 5, 4, 1]
    assert stand.kept(context) == [context.blob(number) for number in (1, 4, 5, 6)]


def test_what_was_given_up_is_taken_away_when_its_url_is_dead(stand: Stand) -> None:
    """A guest that was killed after its upload leaves a blob, and not before that."""
    context = stand.create()
    lost = stand.reserve(context)
    stand.put(context, lost, an_archive())

    stand.persist(context, None)
    assert context.blob(lost.number) in stand.kept(context)
    stand.clock.forward(ABANDONED + 1)
    stand.persist(context, 2)

    assert stand.kept(context) == [context.blob(2), context.blob(3)]
    with pytest.raises(NotFound):
        stand.commit(lost, 3)


class DiesAfterDeleting(DirectoryBlobs):
    """A process that is killed between a blob's end and its record's."""

    def delete(self, name: str) -> None:
        super().delete(name)
        raise KeyboardInterrupt


def test_a_process_that_dies_while_it_drops_leaves_no_blob_that_nobody_knows(stand: Stand, tmp_path: Path) -> None:
    """The record is there until its blob is gone, and is found by the next one."""
    context = stand.create()
    for number in range(3):
        stand.persist(context, number or None)
    dying = Contexts(
        stand.tables,
        DiesAfterDeleting(tmp_path / "blobs", base_url="http://api", secret=b"secret"),
        stand.clock,
        limit=1 << 20,
        keep=3,
    )
    version = stand.reserve(context)
    stand.put(context, version, an_archive())

    with pytest.raises(KeyboardInterrupt):
        dying.commit(context.id, version.number, project_id=stand.project, session_id=version.session_id, based_on=3)

    assert stand.numbers(context) == [4, 3, 2]
    assert stand.tables.get(CONTEXT_VERSIONS, context.id, 1) is not None
    stand.reserve(context)
    assert stand.tables.get(CONTEXT_VERSIONS, context.id, 1) is None


def test_a_head_whose_record_is_gone_is_an_error(stand: Stand) -> None:
    """And never an empty profile in its place."""
    context = stand.create()
    stand.persist(context, None)
    stand.tables.write(Delete(CONTEXT_VERSIONS, context.id, 1))

    with pytest.raises(NotFound, match="no version 1"):
        stand.contexts.head(stand.again(context))


def test_many_at_once_each_get_a_number(stand: Stand) -> None:
    """And one of them becomes head: all began with nothing."""
    context = stand.create()
    versions = [stand.reserve(context, f"session-{n}") for n in range(3)]
    for version in versions:
        stand.put(context, version, an_archive(Preferences=str(version.number)))

    outcomes = [stand.commit(version, None).version.conflicted for version in reversed(versions)]

    assert outcomes == [False, True, True]
    assert stand.again(context).head == 3
    assert stand.numbers(context) == [3, 2, 1]
