"""What `front` says while there is no API behind it, and what becomes of creates that an API leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from browserbase import Browserbase, InternalServerError

from tests.compose.stack import Stack
from tests.eventually import eventually

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("peace")]


@pytest.fixture
def waiting(stack: Stack) -> Iterator[None]:
    """No browser is started, so that creates wait; afterwards the API is there."""
    stack.faults(run_task_failure="RESOURCE:MEMORY")
    yield
    stack.faults()
    stack.compose("up", "-d", "--wait", "--no-recreate", "api", "front")
    eventually(lambda: stack.http.get("/v1/sessions").status_code == 200, within=10)


class Client:
    """The SDK, which has had an answer before, and the answers that it got since."""

    def __init__(self, stack: Stack, *, max_retries: int) -> None:
        self.answers: list[tuple[int, str | None]] = []
        self._http = httpx.Client(event_hooks={"response": [self._note]})
        self._bb = Browserbase(
            base_url=stack.url, api_key=stack.api_key, http_client=self._http, max_retries=max_retries
        )
        self._bb.sessions.list()
        self.answers.clear()

    def create(self, headers: dict[str, str]) -> str:
        with self._bb:
            return self._bb.sessions.create(keep_alive=True, extra_headers=headers).id

    def _note(self, answer: httpx.Response) -> None:
        self.answers.append((answer.status_code, answer.headers.get("x-should-retry")))


def begun(stack: Stack, client: Client, pool: ThreadPoolExecutor, **headers: str) -> tuple[Future[str], str]:
    """A create that waits for its browser, and the id of its session."""
    create = pool.submit(client.create, headers)
    eventually(lambda: pending(stack), within=10)
    (session,) = pending(stack)
    return create, session


def pending(stack: Stack) -> list[str]:
    return [one["id"] for one in stack.http.get("/v1/sessions", params={"status": "PENDING"}).json()]


@pytest.mark.usefixtures("waiting")
def test_a_create_whose_api_is_killed_is_not_sent_again(stack: Stack) -> None:
    """The SDK is told so, in JSON, and nothing is done twice. Without an API, `front` is well and says that it is."""
    (api,), (front,) = stack.containers("api"), stack.containers("front")
    client = Client(stack, max_retries=2)

    with ThreadPoolExecutor(1) as pool:
        create, session = begun(stack, client, pool)
        stack.docker("kill", api)
        with pytest.raises(InternalServerError) as failed:
            create.result(30)
    eventually(lambda: stack.http.get("/v1/sessions").status_code == 503, within=10)
    absent = stack.http.get("/v1/sessions")
    stack.docker("exec", front, *check_of(stack, front))
    stack.docker("start", api)
    eventually(lambda: stack.http.get("/v1/sessions").status_code == 200, within=20)

    assert client.answers == [(502, "false")]
    assert_error(failed.value.response, 502, "Bad Gateway")
    assert_error(absent, 503, "Service Unavailable")
    assert absent.headers["retry-after"] == "1"
    assert pending(stack) == [session]


@pytest.mark.usefixtures("waiting")
def test_a_create_with_a_key_outlives_its_api(stack: Stack) -> None:
    """The SDK sends it again, and gets the session that was begun."""
    (api,) = stack.containers("api")
    client = Client(stack, max_retries=20)

    with ThreadPoolExecutor(1) as pool:
        create, session = begun(stack, client, pool, **{"Idempotency-Key": "outlives"})
        stack.docker("restart", "--time", "0", api)
        stack.faults()
        answered = create.result(60)

    assert answered == session
    assert client.answers[0] == (502, None)
    assert client.answers[-1] == (201, None)


@pytest.mark.usefixtures("waiting")
def test_a_create_outlasts_the_stop_of_the_only_api(stack: Stack) -> None:
    """Its guest reports to the API that stops. Other creates are refused, and can be repeated."""
    client = Client(stack, max_retries=0)

    with ThreadPoolExecutor(2) as pool:
        create, session = begun(stack, client, pool)
        stop = pool.submit(stack.compose, "stop", "api")
        eventually(lambda: stack.http.get("/healthz").json()["status"] == "stopping", within=10)
        other = stack.http.post("/v1/sessions", json={})
        stack.faults()
        answered = create.result(40)
        stop.result(20)
    stack.compose("up", "-d", "--wait", "--no-recreate", "api", "front")
    eventually(lambda: stack.http.get("/v1/sessions").status_code == 200, within=10)

    assert answered == session
    assert other.status_code == 503
    assert other.headers["retry-after"]


def check_of(stack: Stack, container: str) -> list[str]:
    """The command of the container's health check."""
    form = "{{range .Config.Healthcheck.Test}}{{println .}}{{end}}"
    kind, *command = stack.docker("inspect", "-f", form, container).split()
    assert kind == "CMD"
    return command


def assert_error(answer: httpx.Response, status: int, phrase: str) -> None:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert body.keys() == {"statusCode", "error", "message"}
    assert (body["statusCode"], body["error"]) == (status, phrase)
