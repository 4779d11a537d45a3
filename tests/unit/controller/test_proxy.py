"""Who comes to a guest's port while its browser is being made what was asked for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from controller.parts import Request
from controller.proxy import Proxy
from tests.unit.controller.gatekeeping import CDP, POLICY
from wallcrawler.wire.http import ask

pytestmark = pytest.mark.usefixtures("loopback")

Story = Callable[[Proxy, str], Awaitable[None]]


def tell(story: Story) -> None:
    """With a guest whose gate was just opened, and the address that it listens on."""

    async def live() -> None:
        proxy = Proxy(POLICY.session_id, lambda _: None)
        listener = socket.create_server(("127.0.0.1", 0))
        await proxy.listen(listener)
        proxy.handlers["webdriver"] = driven
        proxy.admit(POLICY)
        async with asyncio.timeout(10):
            await story(proxy, f"http://127.0.0.1:{listener.getsockname()[1]}")
        proxy.end("released")

    asyncio.run(live())


async def driven(request: Request) -> None:
    request.caller.answer(200, {"driven": True})


async def status_of(url: str) -> int:
    return (await ask(url, method="GET", within=10)).status


async def not_answered(answer: asyncio.Task[int]) -> bool:
    """Whether it still waits after what would have been time enough."""
    done, _ = await asyncio.wait({answer}, timeout=0.2)
    return not done


def test_a_caller_waits_until_the_browser_is_what_was_asked_for() -> None:
    """Health is told meanwhile."""

    async def story(proxy: Proxy, origin: str) -> None:
        waiting = asyncio.create_task(status_of(f"{origin}/wd/hub/status?signingKey={CDP}"))
        assert await status_of(f"{origin}/health") == 200
        assert await not_answered(waiting)

        proxy.present()

        assert await waiting == 200

    tell(story)


def test_a_caller_who_waits_is_told_why_the_session_ended() -> None:
    async def story(proxy: Proxy, origin: str) -> None:
        waiting = asyncio.create_task(status_of(f"{origin}/wd/hub/status?signingKey={CDP}"))
        assert await not_answered(waiting)

        proxy.end("browser_crashed")

        assert await waiting == 410

    tell(story)


def test_a_caller_who_goes_while_it_waits_is_forgotten() -> None:
    """Its request is not carried out for nobody."""
    asked = []

    async def story(proxy: Proxy, origin: str) -> None:
        async def noted(request: Request) -> None:
            asked.append(request.path)
            await driven(request)

        proxy.handlers["webdriver"] = noted
        waiting = asyncio.create_task(status_of(f"{origin}/wd/hub/gone?signingKey={CDP}"))
        assert await not_answered(waiting)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0.1)  # the guest hears of it by the kernel alone

        proxy.present()

        assert await status_of(f"{origin}/wd/hub/there?signingKey={CDP}") == 200

    tell(story)

    assert asked == ["/there"]
