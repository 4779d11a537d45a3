"""The browser's targets: which page each belongs to, and that nothing of a client's is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from controller.targets import Target, Targets
from tests.unit.controller.observers import TalkativeChrome


def watched(chrome: TalkativeChrome, story: Callable[[], Awaitable[object]]) -> list[Target]:
    """The targets that a watcher was told of while `story` was told."""
    met: list[Target] = []

    async def meet(target: Target) -> None:
        met.append(target)
        await chrome.call("Network.enable", target.session)

    async def watch() -> None:
        await Targets(cast(Any, chrome), meet).watch()
        await story()

    asyncio.run(watch())
    return met


def test_pages_are_counted_in_the_order_in_which_they_appear() -> None:
    """From 0; a number is never used again."""
    chrome = TalkativeChrome()

    async def story() -> None:
        await chrome.opens()
        chrome.closes(await chrome.opens())
        await chrome.opens()

    assert [target.page for target in watched(chrome, story)] == [0, 1, 2]


def test_frames_and_workers_belong_to_the_page_above_them() -> None:
    """However far above."""
    chrome = TalkativeChrome()

    async def story() -> None:
        await chrome.opens()
        page = await chrome.opens()
        frame = await chrome.opens("iframe", above=page)
        await chrome.opens("worker", above=frame)

    assert [(target.kind, target.page) for target in watched(chrome, story)][1:] == [
        ("page", 1),
        ("iframe", 1),
        ("worker", 1),
    ]


def test_no_target_is_held_and_none_is_let_go() -> None:
    """Pages are attached to by their ids; only what is below one of them is attached to by itself, without a wait."""
    chrome = TalkativeChrome()

    async def story() -> None:
        await chrome.opens("worker", above=await chrome.opens())

    watched(chrome, story)

    by_itself = [(of, how) for method, of, how in chrome.asked if method == "Target.setAutoAttach"]
    assert [of for of, _ in by_itself] == ["session with page 1", "session with worker 2"]
    assert all(how["waitForDebuggerOnStart"] is False and how["flatten"] is True for _, how in by_itself)
    assert not any(method == "Runtime.runIfWaitingForDebugger" for method, _, _ in chrome.asked)


def test_what_another_part_attaches_to_is_its_own() -> None:
    """On the same connection, Chrome tells of that as well."""
    chrome = TalkativeChrome()

    async def story() -> None:
        info = {"targetId": "page 9", "type": "page"}
        chrome.says("Target.attachedToTarget", None, sessionId="another", targetInfo=info, waitingForDebugger=False)
        await chrome.opens("service_worker", above="another")
        await chrome.opens("service_worker", above=await chrome.opens())

    assert [target.kind for target in watched(chrome, story)] == ["page"]


def test_a_target_that_goes_while_it_is_met_is_no_failure() -> None:
    """The next one is met all the same."""
    chrome = TalkativeChrome()
    chrome.refuses = {"Network.enable"}

    async def story() -> None:
        await chrome.opens()
        await chrome.opens()

    assert len(watched(chrome, story)) == 2
