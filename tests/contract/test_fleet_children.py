"""What only a fleet of child processes can do wrong: its nursery dies, its environment leaks."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.contract.engines import Surroundings, children, guest_of
from tests.contract.guests_api import GuestsApi
from tests.eventually import eventually
from wallcrawler.errors import LaunchFailed, TryLater
from wallcrawler.local.fleet import ChildFleet
from wallcrawler.ports import Fleet, Launch, TaskStatus

Name = Callable[[str], str]


@pytest.fixture
def api() -> Iterator[GuestsApi]:
    api = GuestsApi()
    yield api
    api.close()


@pytest.fixture
def fleet(api: GuestsApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
    monkeypatch.setenv("REDIS_URL", "redis://:do-not-leak@redis")
    fleet = children(Surroundings(tmp_path / "run", api.url, tmp_path / "no-chromium", grace=3.0))
    yield fleet
    fleet.close()


def launch(fleet: Fleet, session_id: str) -> psutil.Process:
    """The guest of a task that was just run."""
    return guest_of(fleet.run(Launch(session_id, guest_token="token-of-the-guest")).address)


def nursery_of(guest: psutil.Process) -> psutil.Process:
    parent = guest.parent()
    assert parent is not None
    assert parent.ppid() == os.getpid()
    return parent


def run_persistently(fleet: Fleet, session_id: str) -> bool:
    try:
        return fleet.run(Launch(session_id, guest_token="t")).status is TaskStatus.RUNNING
    except TryLater:
        return False


def test_a_nursery_that_dies_takes_its_guests_along_and_another_is_opened(
    fleet: Fleet, api: GuestsApi, name: Name
) -> None:
    """Their tasks are told to be lost, and the next session is run as if nothing had happened."""
    guest = launch(fleet, name("s"))
    eventually(lambda: name("s") in api.asked)

    nursery_of(guest).kill()

    eventually(lambda: not fleet.tasks())
    eventually(lambda: not guest.is_running() or guest.status() == psutil.STATUS_ZOMBIE, within=8)
    stopped = fleet.stop(name("s"), task=None, reason="test")
    assert stopped is not None
    assert (stopped.status, stopped.stop_code) == (TaskStatus.STOPPED, "lost")
    eventually(lambda: run_persistently(fleet, name("next")))
    eventually(lambda: name("next") in api.asked)


def test_a_fleet_whose_nursery_is_dead_can_be_closed(fleet: Fleet, name: Name) -> None:
    """Whichever of the two was faster, the end of the platform goes on to its next step."""
    for number in range(3):
        guest = launch(fleet, name(f"s{number}"))

    nursery_of(guest).kill()
    fleet.close()

    assert fleet.tasks() == []


def test_a_guest_that_ends_by_a_signal_without_a_name_is_told_of(fleet: Fleet, api: GuestsApi, name: Name) -> None:
    """And the fleet goes on listening."""
    guest, other = launch(fleet, name("s")), launch(fleet, name("other"))
    eventually(lambda: {name("s"), name("other")} <= api.asked)

    guest.send_signal(signal.SIGRTMIN + 6)
    other.kill()

    eventually(lambda: not fleet.tasks(), within=3)
    stopped = fleet.stop(name("s"), task=None, reason="test")
    assert stopped is not None
    assert stopped.exit_code == -(signal.SIGRTMIN + 6)
    assert stopped.stop_code


def test_after_its_end_nothing_is_run(fleet: Fleet, name: Name) -> None:
    """A job that comes so late fails for good, with a reason."""
    fleet.close()

    with pytest.raises(LaunchFailed, match="shutting down"):
        fleet.run(Launch(name("s"), guest_token="t"))


def test_a_host_that_is_none_of_ours_is_a_launch_that_failed(api: GuestsApi, tmp_path: Path, name: Name) -> None:
    """And not one that is tried for ever."""
    fleet = ChildFleet(host="192.0.2.1", public_host="x", run_dir=tmp_path / "run", environment={})

    with pytest.raises(LaunchFailed, match=r"no port on 192\.0\.2\.1"):
        fleet.run(Launch(name("s"), guest_token="t"))

    assert fleet.tasks() == []
    fleet.close()


def test_a_guest_that_can_not_even_begin_is_told_of(tmp_path: Path, name: Name) -> None:
    """Its settings are wrong: the task stops at once and says so by its status."""
    fleet = ChildFleet(host="127.0.0.1", public_host="127.0.0.1", run_dir=tmp_path / "run", environment={})

    fleet.run(Launch(name("s"), guest_token="t"))

    eventually(lambda: not fleet.tasks())
    stopped = fleet.stop(name("s"), task=None, reason="test")
    assert stopped is not None
    assert (stopped.exit_code, stopped.stop_code) == (2, "exit_2")
    fleet.close()


def test_nothing_of_our_environment_reaches_a_guest(fleet: Fleet, name: Name) -> None:
    """Neither keys of ours nor its own token can be read from its process: hostile pages live beside it."""
    guest = launch(fleet, name("s"))

    for process in (guest, nursery_of(guest)):
        known = Path(f"/proc/{process.pid}/environ").read_bytes()
        assert b"do-not-leak" not in known
        assert b"token-of-the-guest" not in known
        assert b"token-of-the-guest" not in b" ".join(part.encode() for part in process.cmdline())


def test_a_closed_fleet_leaves_no_process(fleet: Fleet, name: Name) -> None:
    """No guest, and no nursery."""
    guest = launch(fleet, name("s"))
    nursery = nursery_of(guest)

    fleet.close()

    assert not guest.is_running()
    assert not nursery.is_running()
    fleet.close()
