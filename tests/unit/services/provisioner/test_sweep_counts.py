"""A project's count of its live sessions, corrected when it is wrong, and not when it only looks so."""

from __future__ import annotations

from collections import Counter

import pytest

from services.provisioner.sweep import Sweep
from tests.characters import HandClock, JobList, PaperFleet
from tests.unit.records import stored
from wallcrawler.catalog import Catalog
from wallcrawler.sessions import Sessions

pytestmark = pytest.mark.usefixtures("project")

NOTHING: Counter[str] = Counter()


@pytest.fixture
def sweep(sessions: Sessions, catalog: Catalog, clock: HandClock) -> Sweep:
    return Sweep(sessions, catalog, PaperFleet(), JobList(), clock)


def test_a_wrong_count_is_corrected_when_it_was_seen_twice(sweep: Sweep, catalog: Catalog) -> None:
    """A count may be read while it moves: once is no proof, and three times is not needed."""
    catalog.recount(catalog.project("project-1"), 2)

    assert sweep.run() == NOTHING
    assert catalog.project("project-1").active == 2
    assert sweep.run() == Counter(miscounted=1)
    assert catalog.project("project-1").active == 0
    assert sweep.run() == NOTHING


def test_a_count_that_is_too_low_is_corrected_too(sweep: Sweep, sessions: Sessions, catalog: Catalog) -> None:
    """Else a project would have more sessions than it may."""
    stored(sessions)
    catalog.recount(catalog.project("project-1"), 0)

    sweep.run()
    assert sweep.run() == Counter(miscounted=1)
    assert catalog.project("project-1").active == 1


def test_a_count_that_moved_meanwhile_is_suspected_anew(sweep: Sweep, sessions: Sessions, catalog: Catalog) -> None:
    """A create between two sweeps makes it another count."""
    catalog.recount(catalog.project("project-1"), 1)
    sweep.run()
    stored(sessions)

    assert sweep.run() == NOTHING
    assert sweep.run() == Counter(miscounted=1)
    assert catalog.project("project-1").active == 1


def test_a_count_that_came_right_by_itself_is_not_suspected(sweep: Sweep, sessions: Sessions, catalog: Catalog) -> None:
    """Wrong, right, and wrong again is wrong once."""
    project = catalog.project("project-1")
    catalog.recount(project, 1)
    sweep.run()
    catalog.recount(catalog.project("project-1"), 0)
    sweep.run()
    catalog.recount(catalog.project("project-1"), 1)

    assert sweep.run() == NOTHING


def test_projects_are_counted_apart(sweep: Sweep, sessions: Sessions, catalog: Catalog) -> None:
    """One project's sessions are not another's."""
    other = catalog.add_project("others", concurrency=3, default_timeout=60)
    stored(sessions)
    stored(sessions, "theirs", project_id=other.id)

    for _ in range(3):
        assert sweep.run()["miscounted"] == 0
