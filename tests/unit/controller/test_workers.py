"""Extensions' service workers: how long a session waits for them, and what for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller import workers
from tests.unit.controller.devtools import GONE, Devtools

pytestmark = pytest.mark.usefixtures("loopback")

MINE, OTHER = "a" * 32, "b" * 32


def waited(
    *urls: str, answer: dict[str, Any] | None, attached: dict[str, Any] | None = None, within: float = 5
) -> tuple[bool, list[str]]:
    """The outcome where these workers appear, and what the worker of each target was asked for."""

    def answers(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if method == "Target.attachToTarget":
            return attached or {"sessionId": f"with {params['targetId']}"}
        return answer if method == "Runtime.evaluate" else {}

    devtools = Devtools(answers)

    async def live() -> bool:
        async with devtools.open() as endpoint:
            waiting = asyncio.create_task(workers.in_charge(endpoint, {MINE}, within=within))
            while not devtools.asked:  # noqa: ASYNC110 - what is waited for is said by nobody
                await asyncio.sleep(0.001)
            for number, url in enumerate(urls):
                worker = {"targetId": f"worker {number}", "type": "service_worker", "url": url}
                await devtools.says("Target.targetCreated", targetInfo=worker)
            return await waiting

    outcome = asyncio.run(live())
    return outcome, [params["targetId"] for method, params in devtools.asked if method == "Target.attachToTarget"]


def test_a_worker_that_is_in_charge_is_not_waited_for_any_longer() -> None:
    """It may appear late, and other extensions' and pages' workers are none of ours."""
    urls = f"chrome-extension://{OTHER}/w.js", f"https://{MINE}/w.js", f"chrome-extension://{MINE}/w.js"

    assert waited(*urls, answer={"result": {}}) == (True, ["worker 2"])


def test_a_worker_that_never_is_costs_only_so_long() -> None:
    assert waited(f"chrome-extension://{MINE}/w.js", answer=None, within=0.1) == (False, ["worker 0"])


def test_a_worker_that_never_appears_costs_only_so_long() -> None:
    assert waited(answer=None, within=0.1) == (False, [])


def test_a_worker_that_ends_as_it_starts_is_not_waited_for() -> None:
    """Chrome attaches to nothing that is gone."""
    refusal = {"code": -32000, "message": "No target with given id found"}

    assert waited(f"chrome-extension://{MINE}/w.js", answer=None, attached=refusal) == (False, ["worker 0"])


def test_a_browser_that_goes_meanwhile_is_gone() -> None:
    """Which is another thing than a worker that is late."""
    with pytest.raises(OSError, match="closed the connection"):
        waited(f"chrome-extension://{MINE}/w.js", answer=GONE)
