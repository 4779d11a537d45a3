"""The unmodified Python SDK, strict about every answer: each method of the served resources, sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import browserbase
import pytest
from browserbase import AsyncBrowserbase, Browserbase
from browserbase._response import AsyncBinaryAPIResponse, BinaryAPIResponse

from tests.authority import issue
from tests.conformance.calls import CALLS, UNRECORDED, UNREPLAYED, World, methods
from tests.eventually import eventually
from tests.platform import Platform
from tests.zips import extension

# Of methods that the SDK calls deprecated, and that are served.
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")]


@pytest.fixture(scope="module")
def world(platform: Platform, page: str) -> World:
    def running() -> str:
        return str(platform.create(keepAlive=True)["id"])

    def made(path: str, **body: Any) -> str:
        return str(platform.http.post(path, **body).raise_for_status().json()["id"])

    ended = running()
    platform.release(ended)
    eventually(lambda: platform.ended(ended))
    return World(
        project=platform.project_id,
        running=running(),
        ended=ended,
        another_running=running,
        another_context=lambda: made("/v1/contexts", json={}),
        another_extension=lambda: made("/v1/extensions", files={"file": ("marker.zip", extension())}),
        another_certificate=lambda: made("/v1/certificates", files={"file": ("ca.pem", issue("a").pem)}),
        page=page,
    )


def refusal_of(name: str) -> type[browserbase.APIStatusError] | None:
    """What is served by saying that there is nothing."""
    if name in UNRECORDED:
        return browserbase.UnprocessableEntityError
    return browserbase.NotFoundError if name in UNREPLAYED else None


def test_the_table_of_calls_is_all_that_the_sdk_has(bb: Browserbase) -> None:
    """A newer SDK with another method fails here until the method is called."""
    assert set(CALLS) == set(methods(bb))


@pytest.mark.parametrize("name", CALLS)
def test_each_method(bb: Browserbase, world: World, name: str) -> None:
    """Its answer is of the SDK's own type, each field of it checked; deletions answer with nothing."""
    if refusal := refusal_of(name):
        with pytest.raises(refusal):
            CALLS[name](bb, world)
        return

    answer = CALLS[name](bb, world)

    if isinstance(answer, BinaryAPIResponse):
        assert answer.read().startswith(b"PK")
    else:
        assert (answer is None) == name.endswith(".delete")


@pytest.mark.parametrize("name", CALLS)
def test_each_method_of_the_async_client(platform: Platform, world: World, name: str) -> None:
    """The same over its other transport."""

    async def call() -> Any:
        async with AsyncBrowserbase(
            base_url=platform.url, api_key=platform.api_key, max_retries=0, _strict_response_validation=True
        ) as client:
            answer = await CALLS[name](client, world)
            return await answer.read() if isinstance(answer, AsyncBinaryAPIResponse) else answer

    if refusal := refusal_of(name):
        with pytest.raises(refusal):
            asyncio.run(call())
        return

    answer = asyncio.run(call())

    assert (answer is None) == name.endswith(".delete")


def test_what_a_session_was_created_with_is_what_it_is(bb: Browserbase, world: World, platform: Platform) -> None:
    """The example of the SDK that asserts the context, and every other field that comes back."""
    context = world.another_context()

    session = bb.sessions.create(
        project_id=world.project,
        browser_settings={"context": {"id": context}},
        keep_alive=True,
        region="ap-southeast-1",
        api_timeout=61,
        user_metadata={"a": {"b": "c"}},
    )

    assert (session.status, session.context_id, session.region) == ("RUNNING", context, "ap-southeast-1")
    assert session.user_metadata == {"a": {"b": "c"}}
    assert round((session.expires_at - session.created_at).total_seconds()) == 61
    platform.release(session.id)


def test_what_is_not_served_is_said_and_not_tried_again(platform: Platform) -> None:
    """501 as the SDK's own exception, on the first attempt of three."""
    with Browserbase(base_url=platform.url, api_key=platform.api_key) as client:
        calls: list[Callable[[], object]] = [
            client.agents.list,
            lambda: client.search.web(query="x"),
            client.secrets.list,
            client.webhooks.list,
        ]
        for call in calls:
            with pytest.raises(browserbase.InternalServerError, match="501"):
                call()


def test_an_unknown_path_is_a_404_in_json(bb: Browserbase) -> None:
    """As the SDK's own tests ask for."""
    with pytest.raises(browserbase.NotFoundError) as missing:
        bb.post("/_stainless_unknown_path", cast_to=object)

    assert missing.value.body["statusCode"] == 404  # type: ignore[index]
