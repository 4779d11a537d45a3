"""How the API spells what we know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from services.api.answers import (
    NO_RETRY,
    Refusal,
    entry_body,
    project_body,
    session_body,
    timestamp,
    triple,
    usage_body,
)
from tests.unit.records import ADDRESS, NOW, a_ready_session, a_session
from wallcrawler.lifecycle import Event, State
from wallcrawler.links import Links
from wallcrawler.project import Project
from wallcrawler.session import Entry

#: What every Session of Browserbase's OpenAPI has.
REQUIRED = {
    "id", "createdAt", "updatedAt", "startedAt", "expiresAt", "projectId", "status", "proxyBytes", "keepAlive",
    "region",
}  # fmt: skip

CONNECTION = {"connectUrl", "seleniumRemoteUrl", "signingKey"}


# -- Times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_764_000_000, "2025-11-24T16:00:00.000Z"),
        (1_764_000_000.5, "2025-11-24T16:00:00.500Z"),
        (1_764_000_000.0009, "2025-11-24T16:00:00.000Z"),
        (1_764_000_000.9996, "2025-11-24T16:00:00.999Z"),
    ],
)
def test_times_are_as_javascript_writes_them(epoch: float, text: str) -> None:
    """UTC, a Z, and always three digits of a second."""
    assert timestamp(epoch) == text


@given(st.floats(0, 4e9))
def test_a_time_comes_back_within_a_millisecond(epoch: float) -> None:
    """And never from the future."""
    back = datetime.fromisoformat(timestamp(epoch)).astimezone(UTC).timestamp()

    assert -0.001001 < back - epoch < 0.000001


# -- Sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(State))
def test_a_session_has_every_field_that_sdks_insist_on(state: State, links: Links) -> None:
    """In every state, of the right type, and no null anywhere."""
    body = session_body(replace(a_ready_session(), state=state), links)

    assert body.keys() >= REQUIRED
    assert None not in body.values()
    assert body["status"] in {"PENDING", "RUNNING", "ERROR", "TIMED_OUT", "COMPLETED"}
    assert isinstance(body["proxyBytes"], int)
    assert isinstance(body["keepAlive"], bool)


@pytest.mark.parametrize("state", list(State))
def test_the_keys_are_shown_while_clients_may_connect(state: State, links: Links) -> None:
    """From READY to ACTIVE, and never before or after."""
    body = session_body(replace(a_ready_session(), state=state), links)

    assert (body.keys() & CONNECTION == CONNECTION) is (state in {State.READY, State.ACTIVE})
    assert body.keys() & CONNECTION in (set(), CONNECTION)


def test_what_is_not_there_is_left_out(links: Links) -> None:
    """Never null: SDKs say undefined."""
    body = session_body(a_session(), links)

    assert body.keys() == REQUIRED
    assert body["startedAt"] == body["createdAt"] == timestamp(NOW)
    assert body["expiresAt"] == timestamp(NOW + 3600)


def test_what_is_there_is_told(links: Links) -> None:
    """An ended session with all that it can have."""
    session = a_ready_session(at=NOW + 2, user_metadata={"a": {"b": "c"}}, keep_alive=True, region="eu-central-1")
    ended = session.after(Event.CRASHED, at=NOW + 9, reason="out_of_memory")
    assert ended is not None

    body = session_body(replace(ended, proxy_bytes=17), links)

    assert body.keys() == REQUIRED | {"userMetadata", "endedAt", "endedReason"}
    assert (body["status"], body["endedReason"], body["endedAt"]) == ("ERROR", "out_of_memory", timestamp(NOW + 9))
    assert (body["startedAt"], body["userMetadata"]) == (timestamp(NOW + 2), {"a": {"b": "c"}})
    assert (body["proxyBytes"], body["keepAlive"], body["region"]) == (17, True, "eu-central-1")


def test_a_leaving_session_runs_and_says_why_it_will_not(links: Links) -> None:
    """RUNNING for the SDKs, without a way in."""
    leaving = a_ready_session().after(Event.RELEASED, at=NOW)
    assert leaving is not None

    body = session_body(leaving, links)

    assert (body["status"], body["endedReason"]) == ("RUNNING", "released")
    assert "endedAt" not in body
    assert not body.keys() & CONNECTION


def test_the_url_holds_the_key_that_is_shown(links: Links) -> None:
    """SDK examples use either."""
    body = session_body(a_ready_session(), links)

    assert body["connectUrl"] == f"ws://{ADDRESS}/?signingKey={body['signingKey']}"
    assert body["signingKey"] not in body["seleniumRemoteUrl"]


# -- The rest ---------------------------------------------------------------------------------------------------------


def test_a_line_of_history() -> None:
    """From, to, and why, without what there is not."""
    full = Entry("session-1", 4, NOW, "RELEASED", "TERMINATING", "READY", "released", "asked for", 17)

    assert entry_body(full) == {
        "sequence": 4,
        "at": timestamp(NOW),
        "event": "RELEASED",
        "from": "READY",
        "to": "TERMINATING",
        "reason": "released",
        "detail": "asked for",
    }
    assert entry_body(Entry("session-1", 1, NOW, "CREATED", "CREATING")).keys() == {"sequence", "at", "event", "to"}


def a_project(**fields: object) -> Project:
    return Project("p", "name", "owner", 3600, 3, NOW, NOW, **fields)  # type: ignore[arg-type]


def test_a_project() -> None:
    """As the SDK's strict types have it."""
    assert project_body(a_project(active=2)) == {
        "id": "p",
        "createdAt": timestamp(NOW),
        "updatedAt": timestamp(NOW),
        "name": "name",
        "ownerId": "owner",
        "defaultTimeout": 3600,
        "concurrency": 3,
    }


@pytest.mark.parametrize(("seconds", "minutes"), [(0.0, 0), (0.1, 1), (60.0, 1), (60.1, 2), (3600.0, 60)])
def test_begun_minutes_count(seconds: float, minutes: int) -> None:
    """As they are billed elsewhere."""
    usage = usage_body(a_project(browser_seconds=seconds, proxy_bytes=10))

    assert usage == {"browserMinutes": minutes, "proxyBytes": 10}
    assert isinstance(usage["browserMinutes"], int)


@pytest.fixture
def _app() -> Iterator[None]:
    with Flask("wallcrawler").app_context():
        yield


@pytest.mark.usefixtures("_app")
@pytest.mark.parametrize(
    ("status", "phrase"), [(400, "Bad Request"), (410, "Gone"), (429, "Too Many Requests"), (504, "Gateway Timeout")]
)
def test_an_error_is_three_fields(status: int, phrase: str) -> None:
    """The status, HTTP's phrase for it, and a message; with the headers that SDKs heed."""
    response = triple(status, "what to do", NO_RETRY)

    assert response.status_code == status
    assert response.get_json() == {"statusCode": status, "error": phrase, "message": "what to do"}
    assert response.content_type == "application/json"
    assert response.headers["x-should-retry"] == "false"


def test_a_refusal_carries_its_answer() -> None:
    """From wherever it was raised."""
    refusal = Refusal(429, "full", {"retry-after": "5"})

    assert (refusal.status, refusal.message, refusal.headers, str(refusal)) == (
        429,
        "full",
        {"retry-after": "5"},
        "full",
    )
    assert Refusal(400, "wrong").headers == {}
