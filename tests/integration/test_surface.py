"""The surface of the API as Browserbase's own SDK meets it: pages, fetches, and what is not served."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import browserbase
import httpx
import psutil
import pytest
from browserbase import Browserbase

from tests.eventually import eventually
from tests.platform import Platform

pytestmark = pytest.mark.queue

Start = Callable[..., Platform]


@pytest.fixture
def sdk(platform: Platform) -> Iterator[Browserbase]:
    with Browserbase(base_url=platform.url, api_key=platform.api_key) as sdk:
        yield sdk


def test_what_is_not_served_is_one_error_for_the_sdk(sdk: Browserbase) -> None:
    """501, at the first try: the SDK repeats other errors of a server, twice."""
    began = time.monotonic()

    with pytest.raises(browserbase.InternalServerError) as refused:
        sdk.agents.create(name="mine")

    assert refused.value.status_code == 501
    assert refused.value.response.request.headers["x-stainless-retry-count"] == "0"
    assert "language model" in str(refused.value)
    assert time.monotonic() - began < 5


def test_the_sdks_list_is_whole_and_pages_are_there_for_who_asks(platform: Platform, sdk: Browserbase) -> None:
    """A client that knows nothing of pages gets everything; one that does walks along the links, also with a filter."""
    made = [platform.create(userMetadata={"is": "ours"})["id"] for _ in range(5)]

    whole = [session.id for session in sdk.sessions.list()]
    page = platform.http.get(
        "/v1/sessions", params={"limit": 2, "q": "user_metadata['is']:'ours'", "status": "RUNNING"}
    )
    walked = [session["id"] for session in page.json()]
    while "next" in page.links:
        page = platform.http.get(page.url.join(page.links["next"]["url"]))
        walked += [session["id"] for session in page.json()]

    assert whole == walked == list(reversed(made))


def test_a_fetch_reaches_nothing_of_the_instance_that_makes_it(platform: Platform, sdk: Browserbase) -> None:
    """Every port on which it and its children listen: the API's own, and Valkey's."""
    processes = (psutil.Process(), *psutil.Process().children(recursive=True))
    ports = {
        connection.laddr.port
        for process in processes
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert httpx.URL(platform.url).port in ports
    assert len(ports) > 1

    for port in ports:
        for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
            with pytest.raises(browserbase.PermissionDeniedError, match="internal to Wallcrawler"):
                sdk.fetch_api.create(url=f"http://{host}:{port}/healthz")


def test_an_api_that_is_busy_with_fetches_still_does_all_else(start: Start) -> None:
    """Fetches have threads of their own: creates and releases don't wait for them, and one more fetch is told 429."""
    platform = start(api_threads=5, fetch_threads=4, mode="aws", egress_private="allow")

    def busy() -> bool:
        one_more = platform.http.post("/v1/fetch", json={"url": "http://127.0.0.1:1/"})
        return one_more.status_code == 429 and one_more.headers["retry-after"] == "1"

    def fetched(url: str) -> int:
        # The question above may have had the place for a moment.
        while (answer := platform.http.post("/v1/fetch", json={"url": url})).status_code == 429:
            pass
        return answer.status_code

    with ThreadPoolExecutor(4) as pool:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            slow = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            fetches = [pool.submit(fetched, slow) for _ in range(4)]
            eventually(busy)
            released = platform.release(platform.create()["id"])
            waiting = [not fetch.done() for fetch in fetches]
        statuses = [fetch.result() for fetch in fetches]

    assert released.status_code == 200
    assert waiting == [True] * 4
    assert statuses == [502] * 4
