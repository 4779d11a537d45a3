"""Stagehand 3 and 4, unmodified and without a model: launch, navigate, evaluate, close."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.programs import run
from tests.eventually import eventually
from tests.platform import Platform

pytestmark = pytest.mark.browser


def test_stagehand_3_in_direct_mode(platform: Platform, page: str, node: Path) -> None:
    """It creates its session by itself, and nothing of it stays."""
    told = run(node, "stagehand3.mjs", platform, page=page, direct=True)

    assert (told["title"], told["sum"], told["pages"]) == ("a page", 3, 1)
    assert platform.retrieve(told["sessionId"])["userMetadata"]["stagehand"] == "true"
    eventually(lambda: platform.ended(told["sessionId"]), within=20)


def test_stagehand_3_through_its_own_service(platform: Platform, page: str, node: Path) -> None:
    """STAGEHAND_API_URL is this server: it starts the session, and says that the client thinks for itself."""
    told = run(
        node,
        "stagehand3.mjs",
        platform,
        page=page,
        direct=False,
        projectId=platform.project_id,
        environment={"STAGEHAND_API_URL": platform.url},
    )

    assert (told["title"], told["sum"]) == ("a page", 3)
    eventually(lambda: platform.ended(told["sessionId"]), within=20)


def test_stagehand_3_resumes_a_session(platform: Platform, page: str, node: Path) -> None:
    """By its id, through its own service: no second session is created."""
    session = platform.create(keepAlive=True)

    told = run(
        node,
        "stagehand3.mjs",
        platform,
        page=page,
        direct=False,
        sessionId=session["id"],
        environment={"STAGEHAND_API_URL": platform.url},
    )

    assert (told["sessionId"], told["title"]) == (session["id"], "a page")
    platform.release(session["id"])
    eventually(lambda: platform.ended(session["id"]), within=20)


def test_stagehand_4(platform: Platform, page: str, node: Path) -> None:
    """Its extension is uploaded, loaded and deleted; from inside the browser it reaches connectUrl and the page."""
    told = run(node, "stagehand4.mjs", platform, page=page, baseUrl=platform.url)

    assert told == {"pages": 1, "title": "a page", "sum": 3}
    [session] = platform.http.get(
        "/v1/sessions", params={"q": "user_metadata['stagehand_sdk_language']:'typescript'"}
    ).json()
    eventually(lambda: platform.ended(session["id"]), within=20)
    assert platform.retrieve(session["id"])["endedReason"] == "released"
