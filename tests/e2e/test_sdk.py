"""The unmodified `browserbase` SDK, strict about every answer."""

from __future__ import annotations

import asyncio

import browserbase
import pytest
from browserbase import AsyncBrowserbase, Browserbase

from tests.platform import Platform

pytestmark = pytest.mark.browser


def test_a_create_answers_with_a_session_that_runs(bb: Browserbase) -> None:
    """What the SDK's own examples assert: RUNNING directly after create, with everything to connect."""
    session = bb.sessions.create(keep_alive=True, api_timeout=300, user_metadata={"suite": {"name": "e2e"}})

    assert session.status == "RUNNING"
    assert session.connect_url.startswith("ws://")
    assert session.signing_key in session.connect_url
    assert session.keep_alive
    assert round((session.expires_at - session.created_at).total_seconds()) == 300
    bb.sessions.update(session.id, status="REQUEST_RELEASE")


def test_every_method_of_sessions_and_projects_is_understood(bb: Browserbase, platform: Platform) -> None:
    """Strict validation passes for retrieve, list, update, debug, projects and usage."""
    session = bb.sessions.create(project_id=platform.project_id, user_metadata={"color": "teal"}, region="eu-central-1")

    retrieved = bb.sessions.retrieve(session.id)
    listed = bb.sessions.list(q="user_metadata['color']:'teal'", status="RUNNING")
    debug = bb.sessions.debug(session.id)
    projects = bb.projects.list()
    project = bb.projects.retrieve(platform.project_id)
    released = bb.sessions.update(session.id, status="REQUEST_RELEASE", project_id=platform.project_id)
    usage = bb.projects.usage(platform.project_id)

    assert retrieved.connect_url == session.connect_url
    assert retrieved.region == "eu-central-1"
    assert [one.id for one in listed] == [session.id]
    assert [page.url for page in debug.pages] == ["about:blank"]
    assert [one.id for one in projects] == [project.id]
    assert released.status == "COMPLETED"
    assert released.ended_at is not None
    assert usage.browser_minutes >= 0


def test_the_async_client_works_as_well(platform: Platform) -> None:
    """Several creates at once from one event loop, each with its own browser."""

    async def life() -> set[str]:
        async with AsyncBrowserbase(
            base_url=platform.url, api_key=platform.api_key, max_retries=0, _strict_response_validation=True
        ) as client:
            sessions = await asyncio.gather(*(client.sessions.create() for _ in range(3)))
            for session in sessions:
                await client.sessions.update(session.id, status="REQUEST_RELEASE")
            return {session.connect_url for session in sessions}

    assert len(asyncio.run(life())) == 3


def test_errors_reach_the_caller_as_the_sdks_own_exceptions(bb: Browserbase, platform: Platform) -> None:
    """Every refusal is of the class that clients catch, with a message that says what to do."""
    with pytest.raises(browserbase.NotFoundError):
        bb.sessions.retrieve("no-such-session")
    with pytest.raises(browserbase.BadRequestError, match="body/timeout must be <= 21600"):
        bb.sessions.create(api_timeout=21_601)
    with pytest.raises(browserbase.AuthenticationError):
        bb.with_options(api_key="wrong-key-for-this-server").sessions.list()


def test_releasing_twice_is_no_error(bb: Browserbase) -> None:
    """Stagehand's supervisors fire late: the second release answers what is true."""
    session = bb.sessions.create()

    first = bb.sessions.update(session.id, status="REQUEST_RELEASE")
    second = bb.sessions.update(session.id, status="REQUEST_RELEASE")

    assert first.status == second.status == "COMPLETED"
    assert first.ended_at == second.ended_at
