"""Projects and API keys, over real tables."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

import pytest

from tests.characters import BeatenOnce, HandClock
from tests.unit.records import a_session, stored
from wallcrawler.catalog import Catalog
from wallcrawler.errors import Conflict, NotFound
from wallcrawler.lifecycle import Event
from wallcrawler.local.tables import SqliteTables
from wallcrawler.project import ApiKey, Project, key_hash, new_key
from wallcrawler.schema import API_KEYS
from wallcrawler.sessions import Sessions

# -- Projects ---------------------------------------------------------------------------------------------------------


def test_a_project_is_found_by_its_id_and_in_the_list(catalog: Catalog, project: Project) -> None:
    """What was added is what is read."""
    other = catalog.add_project("another", concurrency=1, default_timeout=60)

    assert catalog.project("project-1") == project
    assert {found.id for found in catalog.projects()} == {"project-1", other.id}
    with pytest.raises(NotFound, match="no project nobody"):
        catalog.project("nobody")


def test_an_id_is_given_once(catalog: Catalog, project: Project) -> None:
    """A second project of the same id would take the first one's sessions."""
    with pytest.raises(Conflict):
        catalog.add_project("thief", concurrency=99, default_timeout=60, id=project.id)

    assert catalog.project(project.id) == project


def test_concurrency_is_changed_while_sessions_come_and_go(
    catalog: Catalog, project: Project, tables: SqliteTables, clock: HandClock, sessions: Sessions
) -> None:
    """A create just before the write is neither lost nor undone."""
    beaten = Catalog(BeatenOnce(tables, lambda: sessions.create(a_session())), clock)

    changed = beaten.set_concurrency(project.id, 7)

    assert (changed.concurrency, changed.active) == (7, 1)
    assert catalog.project(project.id) == changed


def test_a_wrong_count_is_corrected(catalog: Catalog, project: Project) -> None:
    """A project that counts a session which is not there gets its place back."""
    seen = replace(project, active=2)

    assert catalog.recount(project, 2)
    assert catalog.project(project.id).active == seen.active


def test_a_correction_gives_way_to_whoever_was_faster(catalog: Catalog, project: Project, sessions: Sessions) -> None:
    """A create between the look and the correction wins, because it knows better."""
    seen = catalog.project(project.id)
    stored(sessions)

    assert not catalog.recount(seen, 0)
    assert catalog.project(project.id).active == 1


def test_a_correction_gives_way_to_an_ending(catalog: Catalog, project: Project, sessions: Sessions) -> None:
    """The same for a session that ends."""
    stored(sessions)
    seen = catalog.project(project.id)
    sessions.advance("session-1", Event.CRASHED)

    assert not catalog.recount(seen, 1)
    assert catalog.project(project.id).active == 0


# -- Keys -------------------------------------------------------------------------------------------------------------


def test_a_new_key_opens_its_project(catalog: Catalog, project: Project) -> None:
    """Random, marked as ours, and different each time."""
    secret, record = catalog.add_key(project.id, name="ci")
    other, _ = catalog.add_key(project.id, name="laptop")

    assert re.fullmatch(r"wc_[\w-]{43}", secret)
    assert secret != other
    assert catalog.owner_of(secret) == record
    assert {key.name for key in catalog.keys_of(project.id)} == {"ci", "laptop"}


def test_no_part_of_a_key_is_stored_but_its_beginning(catalog: Catalog, project: Project, tables: SqliteTables) -> None:
    """The table holds the sha256 and nine characters: who reads it can't speak to the API."""
    secret, record = catalog.add_key(project.id, name="ci")

    [item] = tables.scan(API_KEYS).items
    assert item["apiKeyHash"] == hashlib.sha256(secret.encode()).hexdigest() == record.hash
    assert secret[:10] not in json.dumps(item)
    assert record.hint == secret[:9]


@pytest.mark.parametrize("key", ["", "wc_unknown", "a" * 1000, "schlüssel"])
def test_an_unknown_key_opens_nothing(catalog: Catalog, project: Project, key: str) -> None:
    """And the refusal does not repeat it."""
    catalog.add_key(project.id, name="ci")

    with pytest.raises(NotFound) as refused:
        catalog.owner_of(key)

    assert str(refused.value) == "no such API key"


def test_a_revoked_key_opens_nothing_from_now_on(catalog: Catalog, project: Project, clock: HandClock) -> None:
    """Revoking is kept in the record, and leaves other keys alone."""
    secret, record = catalog.add_key(project.id, name="ci")
    other, _ = catalog.add_key(project.id, name="laptop")
    clock.forward(5)

    revoked = catalog.revoke(record)

    with pytest.raises(NotFound):
        catalog.owner_of(secret)
    assert catalog.owner_of(other).name == "laptop"
    assert {key.name: key.revoked_at for key in catalog.api_keys()} == {"ci": revoked.revoked_at, "laptop": None}
    assert revoked.revoked_at == clock.now()


def test_a_key_may_be_revoked_again(catalog: Catalog, project: Project, clock: HandClock) -> None:
    """Two operators who looked at the same list both succeed, and the first one's time stays."""
    _, record = catalog.add_key(project.id, name="ci")
    first = catalog.revoke(record)
    clock.forward(5)

    assert catalog.revoke(first) == first
    assert catalog.revoke(record).revoked_at == first.revoked_at


def test_a_given_key_is_kept_as_it_is(catalog: Catalog, project: Project) -> None:
    """A key from the environment is added at every start, and is still one key."""
    first = catalog.add_key(project.id, name="first", key="a key of my own")
    again = catalog.add_key(project.id, name="second start", key="a key of my own")

    assert first == again
    assert [key.name for key in catalog.keys_of(project.id)] == ["first"]


def test_a_key_of_another_project_is_not_taken_over(catalog: Catalog, project: Project) -> None:
    """Else its owner would suddenly see somebody else's sessions."""
    other = catalog.add_project("another", concurrency=1, default_timeout=60)
    catalog.add_key(other.id, name="theirs", key="a key of my own")

    with pytest.raises(Conflict):
        catalog.add_key(project.id, name="mine", key="a key of my own")

    assert catalog.owner_of("a key of my own").project_id == other.id


def test_a_revoked_key_does_not_come_back_by_being_added(catalog: Catalog, project: Project) -> None:
    """What somebody has revoked on purpose stays revoked, also where the environment still names it."""
    _, record = catalog.add_key(project.id, name="mine", key="a key of my own")
    catalog.revoke(record)

    with pytest.raises(Conflict):
        catalog.add_key(project.id, name="mine", key="a key of my own")

    with pytest.raises(NotFound):
        catalog.owner_of("a key of my own")


def test_lists_go_on_over_many_pages(catalog: Catalog, project: Project) -> None:
    """The hundred-and-first key is there as well, with its own project and over all."""
    added = {catalog.add_key(project.id, name=str(number))[1].hash for number in range(130)}

    assert {key.hash for key in catalog.keys_of(project.id)} == added
    assert {key.hash for key in catalog.api_keys()} == added


# -- Records ----------------------------------------------------------------------------------------------------------


def test_records_survive_being_stored(project: Project) -> None:
    """Projects and keys, with and without their optional fields."""
    used = replace(project, active=2, browser_seconds=12.5, proxy_bytes=10**12)
    key = ApiKey(key_hash("x"), "project-1", "ci", "wc_abcdef", 1.5)

    for item, record in [(used.as_item(), used), (project.as_item(), project)]:
        assert Project.from_item(json.loads(json.dumps(item))) == record
    for one in (key, replace(key, revoked_at=9.5, version=2)):
        assert ApiKey.from_item(json.loads(json.dumps(one.as_item()))) == one
    assert None not in key.as_item().values()


def test_keys_that_are_made_carry_256_bits() -> None:
    """A plain sha256 of them is safe only because they can't be guessed."""
    keys = {new_key() for _ in range(100)}

    assert len(keys) == 100
    assert {len(key) for key in keys} == {3 + 43}
