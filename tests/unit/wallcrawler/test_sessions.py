"""The repository's one door, over real tables: what is written together, what is counted, and who wins a race."""

from __future__ import annotations

import pytest

from tests.characters import HandClock
from tests.unit.records import NOW, a_session, stored
from wallcrawler.catalog import Catalog
from wallcrawler.errors import ConcurrencyReached, NotFound
from wallcrawler.lifecycle import Event, Reason, State
from wallcrawler.local.tables import SqliteTables
from wallcrawler.project import Project
from wallcrawler.sessions import Sessions

#: All the tables start with a project that may have three sessions at once.
pytestmark = pytest.mark.usefixtures("project")


def active(catalog: Catalog) -> int:
    return catalog.project("project-1").active


# -- Create -----------------------------------------------------------------------------------------------------------


def test_a_create_stores_counts_and_tells(sessions: Sessions, catalog: Catalog) -> None:
    """The record, the project's count and the first line of the history, all at once."""
    session = sessions.create(a_session(), detail="not applied: verified")

    assert sessions.get("session-1") == session
    assert active(catalog) == 1
    [entry] = sessions.history("session-1")
    assert (entry.event, entry.after, entry.before, entry.sequence) == ("CREATED", "CREATING", None, 1)
    assert (entry.at, entry.detail) == (NOW, "not applied: verified")


def test_a_full_project_is_refused_and_nothing_is_written(sessions: Sessions, catalog: Catalog) -> None:
    """The fourth of three leaves no record, no history and no count behind."""
    for number in range(3):
        sessions.create(a_session(f"session-{number}"))

    with pytest.raises(ConcurrencyReached) as full:
        sessions.create(a_session("session-3"))

    assert full.value.limit == 3
    assert active(catalog) == 3
    assert sessions.history("session-3") == []
    with pytest.raises(NotFound):
        sessions.get("session-3")


def test_an_ended_session_makes_room(sessions: Sessions) -> None:
    """The count follows the records down as well as up."""
    for number in range(3):
        sessions.create(a_session(f"session-{number}"))
    sessions.advance("session-1", Event.CRASHED)

    assert sessions.create(a_session("session-3")).id == "session-3"


def test_a_project_that_is_not_there_has_no_sessions(sessions: Sessions) -> None:
    """A create for nobody is refused, and does not leave a session without an owner."""
    with pytest.raises(NotFound, match="no project nobody"):
        sessions.create(a_session(project_id="nobody"))

    with pytest.raises(NotFound):
        sessions.get("session-1")


def test_a_repeated_create_returns_what_is_stored(sessions: Sessions, catalog: Catalog) -> None:
    """The second create of an id is the first one's session, as far as it has come, and is not counted again."""
    stored(sessions, state=State.READY)

    again = sessions.create(a_session(region="eu-central-1"))

    assert (again.state, again.region) == (State.READY, "us-west-2")
    assert active(catalog) == 1
    assert [entry.event for entry in sessions.history("session-1")].count("CREATED") == 1


def test_a_repeated_create_is_answered_in_a_full_project_too(sessions: Sessions) -> None:
    """A client that asks again for what it has is not told that there is no room for it."""
    for number in range(3):
        sessions.create(a_session(f"session-{number}"))

    assert sessions.create(a_session("session-1")).id == "session-1"


# -- Advance ----------------------------------------------------------------------------------------------------------


def test_an_event_writes_the_record_and_its_line_together(sessions: Sessions, clock: HandClock) -> None:
    """The line's number is the version that it made."""
    sessions.create(a_session())
    clock.forward(2)

    session = sessions.advance("session-1", Event.LAUNCHED, task="task-1", detail="a detail")

    assert sessions.get("session-1") == session
    entry = sessions.history("session-1")[-1]
    assert (entry.sequence, entry.at) == (session.version, NOW + 2)
    assert (entry.event, entry.before, entry.after, entry.detail) == (
        "LAUNCHED",
        "CREATING",
        "PROVISIONING",
        "a detail",
    )


def test_a_stale_event_changes_nothing_and_is_no_error(sessions: Sessions) -> None:
    """The caller gets what is true, and neither record nor history is touched."""
    before = stored(sessions, state=State.READY)
    lines = sessions.history("session-1")

    session = sessions.advance("session-1", Event.DETACHED)

    assert session == before
    assert sessions.get("session-1") == before
    assert sessions.history("session-1") == lines


def test_a_reason_that_is_no_word_of_ours_is_refused_before_anything_is_written(sessions: Sessions) -> None:
    """Else the record could never be read again: its final state is found by this word."""
    stored(sessions, state=State.READY)

    with pytest.raises(ValueError, match="bored"):
        sessions.advance("session-1", Event.RELEASED, reason="bored")

    assert sessions.get("session-1").state is State.READY


def test_an_event_of_nobody_is_not_found(sessions: Sessions) -> None:
    """Who advances an unknown session learns that, and no record appears."""
    with pytest.raises(NotFound, match="no session nobody"):
        sessions.advance("nobody", Event.EXITED)


# -- Endings ----------------------------------------------------------------------------------------------------------


def test_the_end_gives_the_place_back_and_bills_the_browser(
    sessions: Sessions, catalog: Catalog, clock: HandClock
) -> None:
    """Seconds are counted from READY to the end, in the same write as the count."""
    stored(sessions, state=State.ACTIVE)
    sessions.create(a_session("session-2"))
    clock.forward(61.5)

    sessions.advance("session-1", Event.DRAINED)

    project = catalog.project("project-1")
    assert project.active == 1
    assert project.browser_seconds == pytest.approx(61.5)


def test_what_went_through_proxies_is_billed_once_at_the_end(sessions: Sessions, catalog: Catalog) -> None:
    """However often it was told before, and in which order."""
    stored(sessions, state=State.ACTIVE)
    for told in (100, 400, 250):
        sessions.advance("session-1", Event.DETACHED, proxy_bytes=told)
    during = catalog.project("project-1").proxy_bytes

    for _ in range(2):
        sessions.advance("session-1", Event.DRAINED, proxy_bytes=500)

    assert during == 0
    assert (sessions.get("session-1").proxy_bytes, catalog.project("project-1").proxy_bytes) == (500, 500)


def test_a_session_that_never_had_a_browser_costs_nothing(
    sessions: Sessions, catalog: Catalog, clock: HandClock
) -> None:
    """A launch that failed after 20 seconds is not billed, and its place is free."""
    sessions.create(a_session())
    clock.forward(20)

    sessions.advance("session-1", Event.LAUNCH_FAILED, reason=Reason.LAUNCH_FAILED.because("no port"))

    project = catalog.project("project-1")
    assert (project.active, project.browser_seconds) == (0, 0)


def test_leaving_is_not_over(sessions: Sessions, catalog: Catalog) -> None:
    """Until its task is gone, a released session still takes its place."""
    stored(sessions, state=State.TERMINATING)
    assert active(catalog) == 1

    sessions.advance("session-1", Event.EXITED)
    assert active(catalog) == 0


# -- Lists ------------------------------------------------------------------------------------------------------------


def test_history_goes_on_over_many_pages(sessions: Sessions) -> None:
    """A session that clients come to and leave a hundred times keeps every line, in order."""
    stored(sessions, state=State.READY)

    for _ in range(60):
        sessions.advance("session-1", Event.ATTACHED)
        sessions.advance("session-1", Event.DETACHED)

    history = sessions.history("session-1")
    assert [entry.sequence for entry in history] == list(range(1, 125))


def test_a_projects_sessions_are_listed_newest_first(sessions: Sessions, catalog: Catalog) -> None:
    """And nobody else's."""
    catalog.add_project("others", concurrency=3, default_timeout=3600, id="project-2")
    for number in range(3):
        sessions.create(a_session(f"session-{number}", created_at=NOW + number))
    sessions.create(a_session("theirs", project_id="project-2"))

    assert [session.id for session in sessions.of_project("project-1")] == ["session-2", "session-1", "session-0"]
    assert next(sessions.of_project("project-1", newest_first=False)).id == "session-0"


def test_what_is_due_is_found_by_its_deadline(sessions: Sessions) -> None:
    """Most urgent first."""
    sessions.create(a_session("soon", create_by=NOW + 10))
    sessions.create(a_session("later", create_by=NOW + 40))
    sessions.create(a_session("now", create_by=NOW))

    assert [session.id for session in sessions.in_state(State.CREATING)] == ["now", "soon", "later"]
    assert list(sessions.in_state(State.READY)) == []


def test_history_is_kept_as_long_as_the_longest_life_and_the_retention(
    sessions: Sessions, tables: SqliteTables
) -> None:
    """Lines go after the record that they explain, never before it."""
    session = stored(sessions, state=State.READY)
    over = sessions.advance("session-1", Event.CRASHED)

    assert tables.purge(now=over.deadline - 1) == 0
    assert len(sessions.history("session-1")) == over.version
    tables.purge(now=session.ends_at + session.retention + 1)
    assert sessions.history("session-1") == []


def test_the_project_of_these_tests(project: Project) -> None:
    """The sums above stand on this."""
    assert (project.id, project.concurrency, project.active) == ("project-1", 3, 0)


def test_a_deadline_that_was_met_meanwhile_ends_nobody(sessions: Sessions) -> None:
    """Whoever saw it pass saw an older record; what is now true decides."""
    sessions.create(a_session())
    sessions.advance("session-1", Event.LOCATED, address="127.0.0.1:9223")
    ready = sessions.advance("session-1", Event.BROWSER_UP, browser_up_at=NOW)

    after = sessions.advance("session-1", Event.EXPIRED, reason=Reason.CREATE_DEADLINE, when=lambda seen: seen.starting)

    assert after == ready
    assert after.state is State.READY


# -- Plans and notes --------------------------------------------------------------------------------------------------


def test_a_plan_is_kept_apart_and_goes_with_its_session(sessions: Sessions, tables: SqliteTables) -> None:
    """It may hold passwords: the record and its history, which are streamed, never do, and nothing of it is left."""
    plan = {"egress": {"proxies": [{"server": "http://proxy.example", "password": "s3cret"}]}}
    sessions.create(a_session(), plan=plan)

    planned = sessions.plan("session-1")
    streamed = [*tables.changes().receive(0), *sessions.history("session-1"), sessions.get("session-1")]
    sessions.advance("session-1", Event.CRASHED)

    assert planned == plan
    assert "s3cret" not in repr(streamed)
    assert sessions.plan("session-1") == {}


def test_a_session_without_a_plan_has_an_empty_one(sessions: Sessions) -> None:
    """So has one that nobody knows: its guest has nothing to do."""
    sessions.create(a_session())

    assert sessions.plan("session-1") == sessions.plan("nobody") == {}


def test_a_note_is_a_line_of_the_history_and_moves_nothing(sessions: Sessions) -> None:
    """In the order in which things happened, and also after the end."""
    sessions.create(a_session())

    noted = sessions.note("session-1", "EGRESS_REFUSED", detail="169.254.169.254")
    sessions.advance("session-1", Event.CRASHED)
    sessions.note("session-1", "CONTEXT_NOT_PERSISTED")

    assert noted.state is State.CREATING
    assert [(entry.event, entry.after, entry.detail) for entry in sessions.history("session-1")] == [
        ("CREATED", "CREATING", None),
        ("EGRESS_REFUSED", "CREATING", "169.254.169.254"),
        ("CRASHED", "FAILED", None),
        ("CONTEXT_NOT_PERSISTED", "FAILED", None),
    ]
    with pytest.raises(NotFound):
        sessions.note("nobody", "EGRESS_REFUSED")
