"""A session's log over HTTP: as its guest put it away, in the shape that clients know, and its project's alone."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from browserbase.types.sessions import LogListResponse
from pydantic import TypeAdapter
from werkzeug.test import TestResponse

from services.api import bodies, journals, logs
from tests.unit.records import a_session
from tests.unit.services.api.paper import PaperApi
from wallcrawler.journal import KEPT, Chunk
from wallcrawler.lifecycle import State


@pytest.fixture(autouse=True)
def session_id(api: PaperApi) -> str:
    # A token is good from its session's create on.
    return api.ports.sessions.create(a_session(created_at=0)).id


def entry(**changed: Any) -> dict[str, Any]:
    return {"method": "Page.loadEventFired", "pageId": 0, "timestamp": 1000, "params": {"timestamp": 1.5}} | changed


def send(api: PaperApi, session_id: str = "session-1", **body: Any) -> TestResponse:
    """As the guest of session-1 does."""
    token = api.ports.links.token(api.ports.sessions.get("session-1"), "guest")
    headers = {"Authorization": f"Bearer {token}"}
    return api.stranger.post(f"/guest/v1/sessions/{session_id}/journal", headers=headers, **body)


def put(api: PaperApi, number: int, *entries: dict[str, Any], dropped: int = 0) -> TestResponse:
    return send(api, json={"number": number, "dropped": dropped, "entries": entries})


def read(api: PaperApi) -> list[dict[str, Any]]:
    answer = api.ask("GET", "/v1/sessions/session-1/logs")
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    return list(json.loads(answer.text))


def test_an_entry_is_a_session_log(api: PaperApi) -> None:
    """Of exactly the types of the SDK; `rawBody` is the text of `params`."""
    put(api, 1, entry(params={"text": "ü"}, frameId="F", loaderId="L"))

    (told,) = read(api)

    assert told == {
        "method": "Page.loadEventFired",
        "pageId": 0,
        "timestamp": 1000,
        "frameId": "F",
        "loaderId": "L",
        "sessionId": "session-1",
        "request": {"timestamp": 1000, "params": {"text": "ü"}, "rawBody": '{"text":"ü"}'},
    }
    TypeAdapter(LogListResponse).validate_python([told], strict=True)


def test_a_session_that_said_nothing_has_an_empty_log(api: PaperApi) -> None:
    """So has one that was not to be logged."""
    assert read(api) == []


def test_entries_come_in_the_order_in_which_they_were_written(api: PaperApi) -> None:
    """Over all chunks, and with the last of what was sent of each."""
    put(api, 1, entry(timestamp=1))
    put(api, 1, entry(timestamp=1), entry(timestamp=2))
    for number in range(2, 12):
        put(api, number, entry(timestamp=number + 1))

    assert [told["timestamp"] for told in read(api)] == list(range(1, 13))


def test_a_log_that_is_not_whole_says_how_much_is_missing(api: PaperApi) -> None:
    """Before its first entry; what is older than the ring is not told though it may still lie there."""
    put(api, 1, entry(timestamp=1))
    put(api, KEPT, entry(timestamp=KEPT))
    put(api, KEPT + 2, entry(timestamp=KEPT + 2), dropped=7)

    lost, *told = read(api)

    assert lost["method"] == "Wallcrawler.entriesDropped"
    assert lost["request"]["params"] == {"count": 7}
    assert [entry["timestamp"] for entry in told] == [KEPT, KEPT + 2]
    TypeAdapter(LogListResponse).validate_python([lost], strict=True)


def test_what_is_kept_is_compressed(api: PaperApi) -> None:
    """Logs repeat themselves."""
    put(api, 1, *(entry(params={"url": f"https://a.example/{number}"}) for number in range(1000)))

    (name,) = api.ports.blobs.names("logs/session-1/")
    with api.ports.blobs.open(name) as file:
        assert len(file.read()) < 10_000
    assert len(read(api)) == 1000


def test_a_guest_that_does_not_answer_hides_nothing(api: PaperApi, loopback: None) -> None:
    """What it has put away is told; the rest is a few seconds."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"
    api.ports.sessions.create(a_session("session-2", created_at=0, state=State.ACTIVE, address=address))
    journals.keep(Chunk(1, 0, [entry()]), "session-2", blobs=api.ports.blobs)

    answer = api.ask("GET", "/v1/sessions/session-2/logs")

    assert len(json.loads(answer.text)) == 1


def test_a_guest_writes_the_log_of_its_own_session_alone(api: PaperApi) -> None:
    """And nothing that is no chunk."""
    api.ports.sessions.create(a_session("session-2"))

    refused = put(api, 1, entry(pageId=None))

    assert send(api, "session-2", json={"number": 1, "dropped": 0, "entries": [entry()]}).status_code == 401
    assert refused.status_code == 400
    assert "body: entries/0/pageId must be int" in refused.text
    assert put(api, 0).status_code == 400
    assert list(api.ports.blobs.names("logs/")) == []


def test_what_is_no_json_is_refused(api: PaperApi) -> None:
    """NaN among it, which Python would take, and no client would."""
    wrong = (b"", b"{", b'{"number":1,"dropped":0,"entries":[NaN]}', b"[" * 100_000)

    assert [send(api, data=body).status_code for body in wrong] == [400] * len(wrong)


@pytest.mark.parametrize("path", ["logs", "recording", "replays", "replays/090", "recording/downloads"])
def test_another_projects_session_is_not_there(api: PaperApi, path: str) -> None:
    """Nor is one that never was."""
    other = api.ports.catalog.add_project("other", concurrency=1, default_timeout=120)
    strangers = {"X-BB-API-Key": api.ports.catalog.add_key(other.id, name="other")[0]}

    assert api.stranger.get(f"/v1/sessions/session-1/{path}").status_code == 401
    assert api.stranger.get(f"/v1/sessions/session-1/{path}", headers=strangers).status_code == 404
    assert api.ask("GET", f"/v1/sessions/never/{path}").status_code == 404


def test_a_session_has_no_recording_and_no_replay(api: PaperApi) -> None:
    """Lists are empty; what would be made of a recording is refused, for good."""
    answers = {
        (method, path): api.ask(method, f"/v1/sessions/session-1/{path}")
        for method, path in [
            ("GET", "recording"),
            ("GET", "replays"),
            ("GET", "replays/090"),
            ("GET", "replays/1234"),
            ("GET", "replays/x"),
            ("GET", "recording/downloads"),
            ("POST", "recording/downloads"),
        ]
    }

    assert answers["GET", "recording"].json == []
    assert answers["GET", "replays"].json == {"pageCount": 0, "pages": []}
    assert answers["GET", "replays/090"].status_code == 404
    assert answers["GET", "replays/1234"].status_code == answers["GET", "replays/x"].status_code == 400
    for method in ("GET", "POST"):
        refused = answers[method, "recording/downloads"]
        body = json.loads(refused.text)
        assert refused.status_code == body["statusCode"] == 422
        assert body.keys() == {"statusCode", "error", "message"}


@pytest.mark.parametrize(
    ("wish", "plan"), [({}, {}), ({"logSession": True}, {}), ({"logSession": False}, {"journal": {"off": True}})]
)
def test_a_session_is_logged_unless_its_create_says_no(
    api: PaperApi, wish: dict[str, Any], plan: dict[str, Any]
) -> None:
    """What is asked of every guest is not stored with every session."""
    asked = bodies.checked({"browserSettings": wish}, bodies.CreateSession)

    assert logs.plan(asked, api.project, api.ports) == plan
