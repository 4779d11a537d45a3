"""The API over HTTP: who may ask, what is refused and how, and that nothing is lost by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus

import httpx
import pytest

from tests.integration.guests import released_after, scripted
from tests.platform import Platform

pytestmark = pytest.mark.queue


def triple(answer: httpx.Response, status: int) -> str:
    """The message of an error that has exactly the shape which clients parse."""
    body = answer.json()
    assert answer.status_code == body["statusCode"] == status
    assert answer.headers["content-type"] == "application/json"
    assert body.keys() == {"statusCode", "error", "message"}
    assert body["error"] == HTTPStatus(status).phrase
    return str(body["message"])


@pytest.fixture(scope="module")
def everybodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One instance for all of these tests, since none of them breaks anything."""
    with scripted(tmp_path_factory.mktemp("api")) as platform:
        yield platform


@pytest.fixture
def platform(everybodys: Platform) -> Iterator[Platform]:
    """It, with no session before the test."""
    with released_after(everybodys):
        yield everybodys


@pytest.fixture
def other_key(platform: Platform) -> str:
    """A key of another project."""
    other = platform.ports.catalog.add_project("other", concurrency=1, default_timeout=120)
    return platform.ports.catalog.add_key(other.id, name="other")[0]


def test_a_wrong_a_missing_and_a_revoked_key_are_401_on_every_route(platform: Platform) -> None:
    """Only the health of the process is told to strangers."""
    secret, record = platform.ports.catalog.add_key(platform.project_id, name="soon revoked")
    platform.ports.catalog.revoke(record)
    routes = [
        ("GET", "/v1/sessions"),
        ("POST", "/v1/sessions"),
        ("GET", "/v1/sessions/some"),
        ("POST", "/v1/sessions/some"),
        ("GET", "/v1/sessions/some/debug"),
        ("GET", "/v1/sessions/some/events"),
        ("GET", "/v1/projects"),
        ("GET", f"/v1/projects/{platform.project_id}"),
        ("GET", f"/v1/projects/{platform.project_id}/usage"),
        ("GET", "/metrics"),
    ]

    with httpx.Client(base_url=platform.url) as stranger:
        for method, path in routes:
            for key in (None, "wrong", secret, "schlüssel"):
                headers = {"X-BB-API-Key": key.encode()} if key else {}
                message = triple(stranger.request(method, path, headers=headers), 401)
                assert "X-BB-API-Key" in message
                assert secret not in message

        assert stranger.get("/healthz").json() == {"status": "ok"}
        assert stranger.get("/readyz").json()["dependencies"] == {"tables": "ok", "queue": "ok", "bell": "ok"}


def test_metrics_take_the_key_as_a_bearer_token_too(platform: Platform) -> None:
    """Prometheus can send no header of ours."""
    platform.release(platform.create()["id"])

    answer = httpx.get(f"{platform.url}/metrics", headers={"Authorization": f"Bearer {platform.api_key}"})

    for metric in (
        "creates_total",
        "wake_seconds",
        "state_seconds",
        "active_sessions",
        "stale_events",
        "endings_total",
    ):
        assert f"wallcrawler_{metric}" in answer.text
    assert platform.api_key not in answer.text


def test_another_projects_session_is_not_there(platform: Platform, other_key: str) -> None:
    """404 for everything that names it, exactly as for an id that never was."""
    session = platform.create()
    stranger = httpx.Client(base_url=platform.url, headers={"X-BB-API-Key": other_key})

    with stranger:
        answers = [
            stranger.get(f"/v1/sessions/{session['id']}"),
            stranger.post(f"/v1/sessions/{session['id']}", json={"status": "REQUEST_RELEASE"}),
            stranger.get(f"/v1/sessions/{session['id']}/debug"),
            stranger.get(f"/v1/sessions/{session['id']}/events"),
            stranger.get(f"/v1/projects/{platform.project_id}"),
        ]
        listed = stranger.get("/v1/sessions").json()

    assert [triple(answer, 404).split()[:3] for answer in answers] == [["there", "is", "no"]] * 5
    assert listed == []
    assert platform.retrieve(session["id"])["status"] == "RUNNING"


def test_a_project_that_is_not_the_keys_is_refused_by_name(platform: Platform) -> None:
    """403, and no session is made for anybody."""
    answer = platform.http.post("/v1/sessions", json={"projectId": "somebody-elses"})

    assert "body/projectId" in triple(answer, 403)
    assert platform.settled()


def test_unknown_paths_and_methods_are_json(platform: Platform) -> None:
    """The Node SDK's own tests ask for it."""
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        triple(platform.http.request(method, "/_stainless_unknown_path"), 404)
    answer = platform.http.put("/v1/sessions")

    triple(answer, 405)
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


BAD_BODIES = [
    (b'{"timeout": 59}', "body/timeout must be >= 60"),
    (b'{"timeout": 21601}', "body/timeout must be <= 21600"),
    (b'{"timeout": "60"}', "body/timeout must be integer"),
    (b'{"timeout": 60.5}', "body/timeout must be integer"),
    (b'{"timeout": true}', "body/timeout must be integer"),
    (b'{"keepAlive": "yes"}', "body/keepAlive must be boolean"),
    (b'{"region": "mars-1"}', "body/region must be equal to one of the allowed values"),
    (b'{"userMetadata": []}', "body/userMetadata must be object"),
    (b'{"browserSettings": {"viewport": {"width": -1}}}', "body/browserSettings/viewport/width must be >= 0"),
    (b'{"browserSettings": {"viewport": []}}', "body/browserSettings/viewport must be object"),
    (b"{", "body must be valid JSON"),
    (b'{"timeout": NaN}', "body must be valid JSON"),
    (b"[1]", "body must be object"),
    (b"\xff\xfe", "body must be valid JSON"),
    (b"[" * 100_000, "body must be valid JSON"),
    (json.dumps({"userMetadata": {"blob": "x" * 1_000_000}}).encode(), "body/userMetadata must be at most 512"),
]


@pytest.mark.parametrize(("body", "message"), BAD_BODIES, ids=[text for _, text in BAD_BODIES])
def test_a_bad_body_is_a_400_that_names_the_field_and_the_limit(platform: Platform, body: bytes, message: str) -> None:
    """And makes no session."""
    answer = platform.http.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})

    assert triple(answer, 400).startswith(message)
    assert platform.settled()


def test_a_body_beyond_all_limits_is_a_413(platform: Platform) -> None:
    """The limit is said, and the connection of the next request works."""
    answer = platform.http.post("/v1/sessions", content=b" " * (3 << 20))

    assert "2097152 bytes" in triple(answer, 413)
    assert platform.http.get("/healthz").status_code == 200


def test_what_clients_send_besides_is_ignored_and_said(platform: Platform) -> None:
    """Older clients send fingerprints, and the SDK's full example a screen of no size: none of it is refused."""
    answer = platform.http.post(
        "/v1/sessions",
        json={
            "fingerprint": {"devices": ["desktop"]},
            "unknown": None,
            "timeout": None,
            "proxies": False,
            "browserSettings": {
                "viewport": {"width": 0, "height": 0},
                "os": "windows",
                "solveCaptchas": True,
                "advancedStealth": True,
                "size": "small",
                "allowedDomains": [],
            },
        },
    )

    assert answer.status_code == 201
    ignored = answer.headers["x-wallcrawler-not-applied"]
    assert {"solveCaptchas", "advancedStealth", "os"} == set(ignored.split(", "))
    assert ignored in platform.history(answer.json()["id"])[0]["detail"]


def test_an_empty_body_with_a_json_content_type_is_an_empty_object(platform: Platform) -> None:
    """SDKs send it."""
    answer = platform.http.post("/v1/sessions", content=b"", headers={"Content-Type": "application/json"})

    assert answer.status_code == 201


def test_a_timeout_is_capped_by_the_servers(start: Callable[..., Platform]) -> None:
    """WALLCRAWLER_MAX_SESSION_TIMEOUT is the longest life, whatever is asked for."""
    platform = start(max_session_timeout=90)

    session = platform.ports.sessions.get(platform.create(timeout=21_600)["id"])

    assert session.ends_at - session.created_at == 90


def test_sessions_are_listed_newest_first_by_status_and_by_metadata(platform: Platform) -> None:
    """More than a page of them; `q` is string equality on a path; a wrong `q` or status is named."""
    made = [platform.create(userMetadata={"n": {"is": str(number)}})["id"] for number in range(5)]
    platform.release(made[0])

    listed = platform.http.get("/v1/sessions").json()
    running = platform.http.get("/v1/sessions", params={"status": "RUNNING"}).json()
    completed = platform.http.get("/v1/sessions", params={"status": "COMPLETED"}).json()
    third = platform.http.get("/v1/sessions", params={"q": "user_metadata['n']['is']:'3'"}).json()

    assert [session["id"] for session in listed][:5] == made[::-1]
    assert [session["id"] for session in running] == made[:0:-1]
    assert completed[0]["id"] == made[0]
    assert [session["id"] for session in third] == [made[3]]
    assert "querystring/status" in triple(platform.http.get("/v1/sessions", params={"status": "ALIVE"}), 400)
    assert "querystring/q" in triple(platform.http.get("/v1/sessions", params={"q": "n=3"}), 400)


def test_a_release_is_the_only_update(platform: Platform) -> None:
    """Another status, or none, is a 400 that names it; the session goes on."""
    session = platform.create()
    path = f"/v1/sessions/{session['id']}"

    assert "body/status" in triple(platform.http.post(path, json={"status": "RUNNING"}), 400)
    assert "'status'" in triple(platform.http.post(path, json={}), 400)
    assert platform.retrieve(session["id"])["status"] == "RUNNING"


def test_debug_urls_are_gone_with_the_session(platform: Platform) -> None:
    """410 after the end, and a wrong expiresIn is named."""
    session = platform.create()
    path = f"/v1/sessions/{session['id']}/debug"

    assert "querystring/expiresIn" in triple(platform.http.get(path, params={"expiresIn": "0"}), 400)
    assert "querystring/expiresIn" in triple(platform.http.get(path, params={"expiresIn": "99999"}), 400)
    platform.release(session["id"])
    assert "released" in triple(platform.http.get(path), 410)


def test_usage_counts_the_minutes_of_ended_sessions(start: Callable[..., Platform]) -> None:
    """Begun minutes, as they are billed elsewhere."""
    platform = start()
    usage = f"/v1/projects/{platform.project_id}/usage"
    assert platform.http.get(usage).json() == {"browserMinutes": 0, "proxyBytes": 0}

    platform.release(platform.create()["id"])

    assert platform.http.get(usage).json() == {"browserMinutes": 1, "proxyBytes": 0}


def test_an_idempotency_key_makes_a_retry_the_same_session(platform: Platform) -> None:
    """The same key of the same project is the same session, and one browser."""
    headers = {"Idempotency-Key": "order-66"}

    first = platform.http.post("/v1/sessions", json={}, headers=headers).json()
    second = platform.http.post("/v1/sessions", json={}, headers=headers).json()

    assert first["id"] == second["id"]
    assert first["connectUrl"] == second["connectUrl"]
    assert len(platform.ports.fleet.tasks()) == platform.counted() == 1


def test_an_idempotency_key_is_good_for_one_body(platform: Platform) -> None:
    """However that is spelled; another one would be answered with a session that it did not ask for."""
    headers = {"Idempotency-Key": "order-67"}
    first = platform.http.post("/v1/sessions", json={"keepAlive": True, "timeout": 60}, headers=headers)

    same = platform.http.post("/v1/sessions", json={"timeout": 60, "keepAlive": True, "region": None}, headers=headers)
    other = platform.http.post("/v1/sessions", json={"timeout": 61, "keepAlive": True}, headers=headers)

    assert first.json()["id"] == same.json()["id"]
    assert "order-67" in triple(other, 422)
    assert other.headers["x-should-retry"] == "false"
    assert platform.counted() == 1


def test_a_guests_token_speaks_for_its_own_session_alone(platform: Platform) -> None:
    """Neither a client's token, nor another guest's, nor none may report or ask."""
    session, other = (platform.ports.sessions.get(platform.create()["id"]) for _ in range(2))
    tokens = {
        "none": "",
        "a client's": f"Bearer {platform.ports.links.token(session, 'cdp')}",
        "another guest's": f"Bearer {platform.ports.links.token(other, 'guest')}",
        "an API key": f"Bearer {platform.api_key}",
    }

    for whose, token in tokens.items():
        for method, path in (("GET", "/assignment"), ("GET", ""), ("POST", "/reports")):
            answer = httpx.request(
                method, f"{platform.url}/guest/v1/sessions/{session.id}{path}", headers={"Authorization": token}
            )
            assert answer.status_code == 401, whose
    own = {"Authorization": f"Bearer {platform.ports.links.token(session, 'guest')}"}
    wrong = httpx.post(
        f"{platform.url}/guest/v1/sessions/{session.id}/reports", json={"event": "LAUNCHED"}, headers=own
    )
    assert "event must be one of" in triple(wrong, 400)
