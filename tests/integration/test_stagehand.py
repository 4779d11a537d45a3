"""What Stagehand 3 asks for before it asks for a session: its own shapes, and nobody else's sessions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.guests import released_after, scripted
from tests.platform import Platform

pytestmark = pytest.mark.queue

#: What Stagehand 3.7 sends besides.
OF_MODELS = {"modelName": "openai/gpt-4.1-mini", "verbose": 1, "selfHeal": True, "domSettleTimeoutMs": None}


@pytest.fixture(scope="module")
def everybodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with scripted(tmp_path_factory.mktemp("stagehand"), concurrency=2) as platform:
        yield platform


@pytest.fixture
def platform(everybodys: Platform) -> Iterator[Platform]:
    """It, with no session before and after the test."""
    with released_after(everybodys):
        yield everybodys


def start(platform: Platform, body: Any, **headers: str) -> httpx.Response:
    return platform.http.post("/v1/sessions/start", content=json.dumps(body), headers=headers)


def refused(answer: httpx.Response, status: int) -> str:
    """The message of an error in the shape that Stagehand reads."""
    body = answer.json()
    assert answer.status_code == status
    assert body.keys() == {"success", "message"}
    assert body["success"] is False
    return str(body["message"])


def test_it_creates_the_session_that_is_asked_for(platform: Platform) -> None:
    """And leaves it to Stagehand to drive it: `available` is false, and the status exactly 200."""
    params = {"projectId": platform.project_id, "timeout": 120, "userMetadata": {"stagehand": "true"}}

    answer = start(platform, OF_MODELS | {"browserbaseSessionCreateParams": params})

    session_id = answer.json()["data"]["sessionId"]
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"success": True, "data": {"sessionId": session_id, "available": False}}
    session = platform.retrieve(session_id)
    assert (session["status"], session["userMetadata"]) == ("RUNNING", {"stagehand": "true"})
    assert session["connectUrl"]


@pytest.mark.parametrize("body", [{}, OF_MODELS, {"browserbaseSessionCreateParams": None}])
def test_without_parameters_it_is_a_plain_session(platform: Platform, body: dict[str, Any]) -> None:
    """As POST /v1/sessions with nothing."""
    assert platform.retrieve(start(platform, body).json()["data"]["sessionId"])["keepAlive"] is False


def test_a_session_that_runs_is_taken_as_it_is(platform: Platform) -> None:
    """Resumed by its id: no second one is created."""
    session = platform.create()

    answer = start(platform, {"browserbaseSessionID": session["id"]})

    assert answer.json()["data"] == {"sessionId": session["id"], "available": False}
    assert platform.live() == 1


def test_sessions_that_cannot_be_resumed(platform: Platform) -> None:
    """Unknown, somebody else's, and over: 404, 404 and 410 with the reason."""
    other = platform.ports.catalog.add_project("other", concurrency=1, default_timeout=120)
    key, _ = platform.ports.catalog.add_key(other.id, name="other")
    session = platform.create()

    unknown = start(platform, {"browserbaseSessionID": "nobodys"})
    foreign = start(platform, {"browserbaseSessionID": session["id"]}, **{"x-bb-api-key": key})
    platform.release(session["id"])
    ended = start(platform, {"browserbaseSessionID": session["id"]})

    assert "nobodys" in refused(unknown, 404)
    assert session["id"] in refused(foreign, 404)
    assert "released" in refused(ended, 410)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], "body must be object"),
        ({"browserbaseSessionID": 7}, "body/browserbaseSessionID must be string"),
        ({"browserbaseSessionCreateParams": []}, "body/browserbaseSessionCreateParams must be object"),
        (
            {"browserbaseSessionCreateParams": {"timeout": 1}},
            "body/browserbaseSessionCreateParams/timeout must be >= 60",
        ),
    ],
)
def test_a_wrong_field_is_named(platform: Platform, body: Any, named: str) -> None:
    """In the words of every other route."""
    assert refused(start(platform, body), 400).startswith(named)


def test_who_may_not(platform: Platform) -> None:
    """No key, a wrong key, and another project's name, in the body or in Stagehand's header."""
    params = {"browserbaseSessionCreateParams": {"projectId": "another"}}

    with httpx.Client(base_url=platform.url) as stranger:
        refused(stranger.post("/v1/sessions/start"), 401)
    refused(start(platform, {}, **{"x-bb-api-key": "wrong"}), 401)
    assert "projectId" in refused(start(platform, params), 403)
    assert "project" in refused(start(platform, {}, **{"x-bb-project-id": "another"}), 403)


def test_a_full_project(platform: Platform) -> None:
    """429 with the headers that clients wait by."""
    for _ in range(2):
        platform.create()

    answer = start(platform, {})

    assert "max concurrent sessions" in refused(answer, 429)
    assert answer.headers["x-ratelimit-remaining"] == "0"


def test_it_is_no_session_by_the_name_of_start(platform: Platform) -> None:
    """Only POST is Stagehand's; what remains is what it was."""
    answer = platform.http.get("/v1/sessions/start")

    assert (answer.status_code, answer.json()["message"]) == (404, "there is no session start")
