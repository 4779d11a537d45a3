"""Callers with an API key: who asks for them, what is kept, and what they are told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller.api import Final
from controller.gate import Refusal
from controller.introductions import REMEMBERED, Introductions, credentials
from tests.characters import HandClock
from wallcrawler.wire.caller import Head, Headers

NAMED = [("x-bb-api-key", "wc_key"), ("session-id", "session-1")]


class KnowsOneKey:
    """An API that knows `wc_key`; counts how often it was asked."""

    def __init__(self, *, status: int = 403) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self._status = status

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        self.asked.append((method, path, body))
        if body == {"apiKey": "wc_key"}:
            return {"signingKey": "SIGNED"}
        raise Final(self._status, "the API key does not open this session")


def introduced(
    api: KnowsOneKey, *headers: tuple[str, str], target: str = "/", clock: HandClock | None = None
) -> Head | Refusal:
    introductions = Introductions(api, "session-1", now=(clock or HandClock()).now)
    return asyncio.run(introductions.introduce(Head("GET", target, headers)))


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/", NAMED),
        ("/?apiKey=wc_key&sessionId=session-1", []),
        ("/?apiKey=wc_key", [("session-id", "session-1")]),
        ("/", NAMED[:1]),
    ],
)
def test_a_key_of_the_project_comes_with_the_signing_key(target: str, headers: Headers) -> None:
    """In headers or in the address; whose port it is says the session's name as well."""
    api = KnowsOneKey()

    head = introduced(api, *headers, target=target)

    assert isinstance(head, Head)
    assert head.header("x-bb-signing-key") == "SIGNED"
    assert api.asked == [("POST", "/signing-key", {"apiKey": "wc_key"})]


@pytest.mark.parametrize(
    ("target", "headers"), [("/", []), ("/?signingKey=x", NAMED), ("/", [*NAMED, ("x-bb-signing-key", "x")])]
)
def test_who_shows_no_key_or_has_a_better_one_is_let_be(target: str, headers: Headers) -> None:
    """The gate has said already what is wrong with it."""
    api = KnowsOneKey()

    assert introduced(api, *headers, target=target) == Head("GET", target, tuple(headers))
    assert api.asked == []


def test_a_key_that_opens_nothing_is_a_401() -> None:
    """As with a signing key; the text does not hold it."""
    answer = introduced(KnowsOneKey(), ("x-bb-api-key", "wc_other"))

    assert answer == Refusal(401, "the API key does not open this session")


def test_another_sessions_name_is_a_401_and_nobody_is_asked() -> None:
    """At the address of one session there may be another by now."""
    api = KnowsOneKey()

    answer = introduced(api, NAMED[0], ("session-id", "session-2"))

    assert answer == Refusal(401, "the session that is named is another one")
    assert api.asked == []


def test_what_the_api_says_of_the_session_is_passed_on() -> None:
    """For example that it is over."""
    answer = introduced(KnowsOneKey(status=410), ("x-bb-api-key", "wc_other"))

    assert isinstance(answer, Refusal)
    assert answer.status == 410


def test_a_good_key_is_remembered_for_a_minute_and_a_bad_one_never() -> None:
    """Selenium sends it with every command; a revoked one is good for a minute more at most."""
    api, clock = KnowsOneKey(), HandClock()
    introductions = Introductions(api, "session-1", now=clock.now)

    async def come(key: str) -> None:
        await introductions.introduce(Head("GET", "/", [("x-bb-api-key", key)]))

    async def life() -> list[int]:
        counts = []
        for key, later in [("wc_key", 0.0), ("wc_key", REMEMBERED - 1), ("wc_key", 2.0), ("bad", 0.0), ("bad", 0.0)]:
            clock.forward(later)
            await come(key)
            counts.append(len(api.asked))
        return counts

    assert asyncio.run(life()) == [1, 1, 2, 3, 4]


def test_no_key_is_kept_or_shown() -> None:
    """What is remembered is a checksum."""
    introductions = Introductions(KnowsOneKey(), "session-1")
    asyncio.run(introductions.introduce(Head("GET", "/", NAMED)))

    assert "wc_key" not in repr(vars(introductions))
    assert "wc_key" not in repr(credentials(Head("GET", "/", NAMED)))
