"""An API that is told to stop: creates that wait in it are answered, also where it is the only one of their guests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from services.api.server import Server
from tests.eventually import eventually
from tests.integration.guests import Script, ScriptedFleet
from tests.platform import Platform
from wallcrawler.listening import listening

pytestmark = pytest.mark.queue


class Stopping:
    """An API beside a platform's own, over the same ports, that is told to stop as a process of its own is."""

    def __init__(self, platform: Platform, pool: ThreadPoolExecutor, url: str, stop: Callable[[], None]) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, headers={"X-BB-API-Key": platform.api_key}, timeout=60)
        self._pool = pool
        self._stop = stop
        self._told = threading.Event()

    def create(self) -> Future[httpx.Response]:
        return self._pool.submit(self.http.post, "/v1/sessions", json={})

    def stop(self) -> Future[float]:
        """The seconds that it takes."""
        return self._pool.submit(self._timed)

    def _timed(self) -> float:
        began = time.monotonic()
        self.settle()
        return time.monotonic() - began

    def settle(self) -> None:
        """Have it stopped, once."""
        if not self._told.is_set():
            self._told.set()
            self._stop()

    def ready(self) -> tuple[int, dict[str, str]]:
        answer = self.http.get("/readyz")
        return answer.status_code, answer.json()["dependencies"]

    def closed(self) -> bool:
        """Whether nobody listens any more."""
        try:
            self.http.get("/healthz")
        except httpx.ConnectError:
            return True
        return False


@contextmanager
def another(platform: Platform) -> Iterator[Stopping]:
    with listening("127.0.0.1", 0) as listener, ThreadPoolExecutor(8) as pool:
        server = Server(platform.ports, listener)
        server.start()
        api = Stopping(platform, pool, f"http://127.0.0.1:{listener.getsockname()[1]}", server.stop)
        with api.http:
            try:
                yield api
            finally:
                api.settle()


def test_creates_that_wait_get_their_browsers_before_it_closes(platform: Platform, fleet: ScriptedFleet) -> None:
    """Their guests' reports are taken although it stops, and nothing is in its way when they have been."""
    fleet.next = Script(up_after=1.0)
    with another(platform) as api:
        fleet.api_url = api.url
        creates = [api.create() for _ in range(3)]
        eventually(lambda: len(fleet.tasks()) == 3)

        stop = api.stop()

        answers = [create.result(20) for create in creates]
        took = stop.result(20)
        # What they report at the end of this test is for the platform's.
        fleet.api_url = platform.url
        assert [answer.status_code for answer in answers] == [201, 201, 201], answers[0].text
        assert {platform.retrieve(answer.json()["id"])["status"] for answer in answers} == {"RUNNING"}
        assert took < 5
        assert api.closed()


def test_while_a_create_waits_it_takes_no_other_and_all_else(platform: Platform, fleet: ScriptedFleet) -> None:
    """Load balancers are told by /readyz, and who creates is told when to ask again; nothing was made for him."""
    fleet.next = Script(up_after=None)
    with another(platform) as api:
        waiting = api.create()
        eventually(lambda: len(fleet.tasks()) == 1)
        (session,) = api.http.get("/v1/sessions").json()
        assert api.ready()[0] == 200

        stop = api.stop()
        eventually(lambda: api.ready()[0] == 503)
        refused = [api.http.post("/v1/sessions", json={}), api.http.post("/v1/sessions/start", json={})]
        healthy, ready = api.http.get("/healthz"), api.ready()
        released = api.http.post(f"/v1/sessions/{session['id']}", json={"status": "REQUEST_RELEASE"})

        assert [answer.status_code for answer in refused] == [503, 503]
        assert all(answer.headers["retry-after"] == "5" for answer in refused)
        assert all("x-should-retry" not in answer.headers for answer in refused)
        assert all("is stopping" in answer.json()["message"] for answer in refused)
        assert (healthy.status_code, healthy.json()) == (200, {"status": "stopping"})
        assert ready == (503, {"tables": "ok", "queue": "ok", "bell": "ok", "api": "it is stopping"})
        assert released.status_code == 200
        assert waiting.result(20).status_code == 409
        assert stop.result(20) < 10
        assert [one["id"] for one in platform.http.get("/v1/sessions").json()] == [session["id"]]


def test_a_create_whose_browser_does_not_come_holds_it_until_its_deadline(
    start: Callable[..., Platform], fleet: ScriptedFleet
) -> None:
    """And is answered as if nothing stopped."""
    fleet.next = Script(up_after=None)
    with another(start(create_deadline=2.0)) as api:
        create = api.create()
        eventually(lambda: len(fleet.tasks()) == 1)

        took = api.stop().result(20)

        assert create.result(1).status_code == 504
        assert took < 4
        assert api.closed()


def test_without_a_create_that_waits_it_is_gone_at_once(platform: Platform) -> None:
    """Whatever it created before, and although a client keeps its connection."""
    with another(platform) as api:
        created, stranger = api.create().result(20), api.http.post("/v1/sessions", headers={"X-BB-API-Key": "no"})
        assert (created.status_code, stranger.status_code) == (201, 401)

        took = api.stop().result(20)

        assert took < 3
        assert api.closed()
