"""Real browsers under load and under fire: after each, every session is settled, and nothing runs or is counted."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import psutil
import pytest
from websockets.sync.client import connect

from tests.eventually import eventually
from tests.platform import Platform

pytestmark = pytest.mark.browser


def at_peace(platform: Platform) -> None:
    """The invariant."""
    eventually(platform.settled, within=20)
    eventually(lambda: not platform.chromes(), within=10)
    assert not list(platform.run_dir.iterdir())
    for session in platform.http.get("/v1/sessions").json():
        assert session["status"] in {"COMPLETED", "ERROR", "TIMED_OUT"}
        assert session["endedReason"]


def test_fifty_creates_at_once_against_a_concurrency_of_ten(platform: Platform) -> None:
    """Exactly ten run, each with a Chrome of its own that answers; forty get 429; the counts are exact afterwards."""
    answers = platform.create_many(50)

    sessions = [answer.json() for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(sessions), len(refused)) == (10, 40)
    assert all("retry-after" in answer.headers for answer in refused)
    assert platform.counted() == platform.live() == 10
    assert len({session["connectUrl"] for session in sessions}) == 10
    for session in sessions:
        with connect(session["connectUrl"]) as client:
            client.send('{"id": 1, "method": "Browser.getVersion"}')
            assert "Chrome" in str(client.recv(timeout=10))
    for session in sessions:
        platform.release(session["id"])
    at_peace(platform)


@pytest.mark.parametrize("seed", range(3))
def test_chromes_are_killed_at_every_stage(platform: Platform, seed: int) -> None:
    """kill -9 of anything that belongs to a Chrome, at any time of its life: each caller is answered, with a reason."""
    dice = random.Random(seed)
    over = threading.Event()

    def shoot() -> None:
        while not over.wait(dice.uniform(0.02, 0.15)):
            for process in platform.chromes():
                if dice.random() < 0.3:
                    _kill(process)

    gunman = threading.Thread(target=shoot)
    gunman.start()
    answers = [answer for _ in range(3) for answer in platform.create_many(4)]
    for answer in answers:
        if answer.status_code == 201:
            assert platform.release(answer.json()["id"]).status_code == 200
    over.set()
    gunman.join()

    assert {answer.status_code for answer in answers} <= {201, 502}
    for answer in answers:
        assert answer.elapsed.total_seconds() < 15
        if answer.status_code == 502:
            assert "browser_crashed" in answer.json()["message"]
    at_peace(platform)
    reasons = [session["endedReason"] for session in platform.http.get("/v1/sessions").json()]
    assert "browser_crashed" in reasons, "no shot has hit"


def test_guests_are_killed_at_every_stage(platform: Platform) -> None:
    """kill -9 of the guests' own processes: their Chromes go with them."""
    dice = random.Random(7)
    over = threading.Event()

    def shoot() -> None:
        while not over.wait(0.1):
            for guest in _guests(platform):
                if dice.random() < 0.3:
                    _kill(guest)

    gunman = threading.Thread(target=shoot)
    gunman.start()
    answers = [answer for _ in range(3) for answer in platform.create_many(4)]
    over.set()
    gunman.join()
    for answer in answers:
        if answer.status_code == 201:
            platform.release(answer.json()["id"])

    assert {answer.status_code for answer in answers} <= {201, 502}
    at_peace(platform)
    reasons = [session["endedReason"] for session in platform.http.get("/v1/sessions").json()]
    assert "task_stopped:SIGKILL" in reasons, "no shot has hit"
    platform.release(platform.create()["id"])
    at_peace(platform)


def _guests(platform: Platform) -> list[psutil.Process]:
    """The processes that the nursery has forked."""
    children = psutil.Process().children()
    nurseries = [child for child in children if "controller.nursery" in _cmdline(child)]
    return [guest for nursery in nurseries for guest in _quietly(nursery.children)]


def _cmdline(process: psutil.Process) -> list[str]:
    return _quietly(process.cmdline)


def _quietly(ask: Callable[[], list[psutil.Process]] | Callable[[], list[str]]) -> list:  # type: ignore[type-arg]
    try:
        return list(ask())
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
