"""Fleet: one task for a session, whatever happens to it, whatever the engine."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.contract.engines import FLEETS, Surroundings, guest_of
from tests.contract.guests_api import GuestsApi
from tests.eventually import eventually
from wallcrawler.ports import Fleet, Launch, Task, TaskStatus

Name = Callable[[str], str]

#: Seconds in which a guest without a browser ends when it is asked to.
ENDED = 8.0


class Watched:
    """A fleet, the API that its guests speak to, and everything that its feed has said."""

    def __init__(self, fleet: Fleet, api: GuestsApi) -> None:
        self.fleet = fleet
        self.api = api
        self.heard: list[Task] = []

    def launch(self, session_id: str) -> Task:
        return self.fleet.run(Launch(session_id, guest_token=f"token-of-{session_id}"))

    def start(self, session_id: str) -> Task:
        """Launch, and wait until the guest is up."""
        task = self.launch(session_id)
        eventually(lambda: session_id in self.api.asked)
        return task

    def listen(self) -> None:
        """Take whatever the feed has by now."""
        source = self.fleet.events()
        while deliveries := source.receive(0.01):
            for delivery in deliveries:
                assert "token-of-" not in str(delivery.body)
                if task := self.fleet.read(delivery.body):
                    self.heard.append(task)
                source.ack(delivery)

    def last_of(self, session_id: str) -> Task | None:
        """What was said last of this session's task, by version and not by order."""
        self.listen()
        return max(
            (task for task in self.heard if task.session_id == session_id), key=lambda t: t.version, default=None
        )

    def stopped(self, session_id: str) -> bool:
        last = self.last_of(session_id)
        return last is not None and last.status is TaskStatus.STOPPED

    def running(self) -> set[str]:
        return {task.session_id for task in self.fleet.tasks()}


@pytest.fixture(scope="module")
def api() -> Iterator[GuestsApi]:
    """Keeps guests waiting, and lets them go when they are asked to."""
    api = GuestsApi()
    yield api
    api.close()


def script(folder: Path, body: str = "exec sleep 600") -> Path:
    path = folder / "chromium"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module", params=list(FLEETS.values()), ids=list(FLEETS))
def engine(request: pytest.FixtureRequest) -> Callable[[Surroundings], Fleet]:
    engine: Callable[[Surroundings], Fleet] = request.param
    return engine


@pytest.fixture(scope="module")
def fleet(
    engine: Callable[[Surroundings], Fleet], api: GuestsApi, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """One for all tests that leave it running."""
    place = tmp_path_factory.mktemp("fleet")
    fleet = engine(Surroundings(place / "run", api.url, script(place), grace=10.0))
    yield Watched(fleet, api)
    fleet.close()


# -- 1. run -----------------------------------------------------------------------------------------------------------


def test_a_session_gets_a_task(fleet: Watched, name: Name) -> None:
    """Its guest comes up, at the address that the task has or learns, and asks for its own assignment."""
    task = fleet.launch(name("s"))

    assert task.session_id == name("s")
    assert task.status is not TaskStatus.STOPPED
    eventually(lambda: name("s") in fleet.api.asked)
    eventually(lambda: (last := fleet.last_of(name("s"))) and last.address)


def test_however_often_it_is_run_there_is_one_task(fleet: Watched, name: Name) -> None:
    """While it runs, and after it has stopped: a late repetition of a job starts no second browser."""
    first = fleet.launch(name("s"))
    again = fleet.start(name("s"))
    fleet.fleet.stop(name("s"), task=first.id, reason="test")
    eventually(lambda: fleet.stopped(name("s")), within=ENDED)
    late = fleet.launch(name("s"))

    assert first.id == again.id == late.id
    assert late.status is TaskStatus.STOPPED
    assert name("s") not in fleet.running()


def test_at_once_there_is_one_task(fleet: Watched, name: Name) -> None:
    """Eight workers were given the same job at the same moment."""
    with ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(lambda _: fleet.launch(name("s")), range(8)))

    assert len({task.id for task in tasks}) == 1
    assert sum(task.session_id == name("s") for task in fleet.fleet.tasks()) == 1


def test_sessions_do_not_share_a_task(fleet: Watched, name: Name) -> None:
    """Nor an address."""
    with ThreadPoolExecutor(4) as pool:
        tasks = list(pool.map(lambda number: fleet.launch(name(f"s{number}")), range(4)))

    assert len({task.id for task in tasks}) == 4
    addresses = [task.address for task in tasks if task.address]
    assert len(set(addresses)) == len(addresses)


# -- 2. stop ----------------------------------------------------------------------------------------------------------


def test_a_task_is_stopped_for_a_reason(fleet: Watched, name: Name) -> None:
    """It is asked, ends, and the reason is told with its end."""
    task = fleet.start(name("s"))
    guest = guest_of(task.address)

    answer = fleet.fleet.stop(name("s"), task=task.id, reason="its session was released")

    assert answer is not None
    assert answer.id == task.id
    eventually(lambda: fleet.stopped(name("s")), within=ENDED)
    last = fleet.last_of(name("s"))
    assert last is not None
    assert last.stopped_reason == "its session was released"
    assert not guest.is_running()


def test_a_task_may_be_stopped_again(fleet: Watched, name: Name) -> None:
    """Before it has ended and after; the first reason stays."""
    task = fleet.start(name("s"))

    for reason in ("first", "second"):
        fleet.fleet.stop(name("s"), task=task.id, reason=reason)
    eventually(lambda: fleet.stopped(name("s")), within=ENDED)
    late = fleet.fleet.stop(name("s"), task=task.id, reason="third")

    assert late is not None
    assert (late.status, late.stopped_reason) == (TaskStatus.STOPPED, "first")


def test_a_task_may_be_stopped_by_its_session_alone(fleet: Watched, name: Name) -> None:
    """Where the record of its launch was lost, nobody knows its name."""
    fleet.start(name("s"))

    assert fleet.fleet.stop(name("s"), task=None, reason="test") is not None
    eventually(lambda: fleet.stopped(name("s")), within=ENDED)


def test_what_never_ran_is_none(fleet: Watched, name: Name) -> None:
    """So that a release knows that there is nothing to wait for."""
    assert fleet.fleet.stop(name("nobody"), task=None, reason="test") is None
    assert fleet.fleet.stop(name("nobody"), task="no-such-task", reason="test") is None


def test_one_stop_leaves_the_others_alone(fleet: Watched, name: Name) -> None:
    """Neither their tasks nor their processes are touched."""
    one, other = fleet.start(name("one")), fleet.start(name("other"))
    neighbour = guest_of(other.address)

    fleet.fleet.stop(name("one"), task=one.id, reason="test")
    eventually(lambda: fleet.stopped(name("one")), within=ENDED)

    assert neighbour.is_running()
    assert name("other") in fleet.running()


# -- 3. tasks ---------------------------------------------------------------------------------------------------------


def test_what_is_not_stopped_is_listed(fleet: Watched, name: Name) -> None:
    """From the moment at which `run` returned until its end."""
    tasks = [fleet.start(name(f"s{number}")) for number in range(3)]
    assert {name(f"s{number}") for number in range(3)} <= fleet.running()

    fleet.fleet.stop(name("s1"), task=tasks[1].id, reason="test")
    eventually(lambda: fleet.stopped(name("s1")), within=ENDED)

    assert name("s1") not in fleet.running()
    assert {name("s0"), name("s2")} <= fleet.running()
    listed = {task.session_id: task.id for task in fleet.fleet.tasks()}
    assert listed[name("s0")] == tasks[0].id


# -- 4. events --------------------------------------------------------------------------------------------------------


def test_every_change_is_told(fleet: Watched, name: Name) -> None:
    """That it runs, and that it has stopped; the later with the higher version."""
    task = fleet.start(name("s"))
    eventually(lambda: fleet.last_of(name("s")) is not None)
    fleet.fleet.stop(name("s"), task=task.id, reason="test")
    eventually(lambda: fleet.stopped(name("s")), within=ENDED)

    told = sorted((one for one in fleet.heard if one.session_id == name("s")), key=lambda one: one.version)
    assert told[0].status is not TaskStatus.STOPPED
    assert told[-1].status is TaskStatus.STOPPED
    assert told[-1].version > told[0].version
    assert {one.id for one in told} == {task.id}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_guest_that_is_killed_is_told_of(fleet: Watched, name: Name, number: signal.Signals) -> None:
    """By which signal: nobody else would ever say so."""
    task = fleet.start(name("s"))

    guest_of(task.address).send_signal(number)

    eventually(lambda: fleet.stopped(name("s")), within=ENDED)
    last = fleet.last_of(name("s"))
    assert last is not None
    assert (last.exit_code, last.stop_code) == (-number, number.name)
    assert name("s") not in fleet.running()


def test_after_all_that_the_fleet_still_works(fleet: Watched, name: Name) -> None:
    """Whatever happened to one task, the next one is run, stopped and told of."""
    task = fleet.start(name("s"))
    fleet.fleet.stop(name("s"), task=task.id, reason="test")

    eventually(lambda: fleet.stopped(name("s")), within=ENDED)


# -- Ends by force, and the end of all --------------------------------------------------------------------------------


@pytest.fixture
def own(engine: Callable[[Surroundings], Fleet], tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    """Makes fleets for tests that end them, each with an API of its own."""
    made: list[tuple[Fleet, GuestsApi]] = []

    def make(*, grace: float = 5.0, chromium: str = "exec sleep 600", **kind: bool) -> Watched:
        api = GuestsApi(**kind)
        fleet = engine(Surroundings(tmp_path / "run", api.url, script(tmp_path, chromium), grace))
        made.append((fleet, api))
        return Watched(fleet, api)

    yield make
    for fleet, api in made:
        fleet.close()
        api.close()


def test_a_task_that_does_not_stop_is_ended_by_force(own: Callable[..., Watched], name: Name) -> None:
    """After its grace, which a guest whose last report nobody hears would exceed."""
    fleet = own(grace=0.5, hears=False)
    task = fleet.start(name("s"))
    asked = time.monotonic()

    fleet.fleet.stop(name("s"), task=task.id, reason="test")

    eventually(lambda: fleet.stopped(name("s")), within=4)
    assert time.monotonic() - asked >= 0.5
    last = fleet.last_of(name("s"))
    assert last is not None
    assert last.stop_code == "SIGKILL"


def test_a_task_that_is_stopped_at_its_birth_takes_nobody_along(own: Callable[..., Watched], name: Name) -> None:
    """A session that is released while it starts ends by itself, however early the stop comes."""
    fleet = own(grace=1.0)
    bystanders = {name(f"bystander{number}") for number in range(4)}
    for session_id in bystanders:
        fleet.launch(session_id)
    eventually(lambda: bystanders <= fleet.api.asked)

    newcomers = [name(f"newcomer{number}") for number in range(40)]
    for session_id in newcomers:
        task = fleet.launch(session_id)
        fleet.fleet.stop(session_id, task=task.id, reason="test")

    eventually(lambda: all(map(fleet.stopped, newcomers)), within=ENDED)
    assert fleet.running() == bystanders


def test_a_task_takes_its_browser_along(own: Callable[..., Watched], tmp_path: Path, name: Name) -> None:
    """Whether it is asked to stop or killed: nothing that it started is left, and nothing that it wrote."""
    pids = tmp_path / "pids"
    pids.mkdir()
    fleet = own(assigns=True, chromium=f"sleep 600 & echo $! $$ > {pids}/$$; exec sleep 600")
    tasks = [fleet.launch(name(f"s{number}")) for number in range(2)]
    eventually(lambda: sum(bool(path.read_text().strip()) for path in pids.iterdir()) == 2)
    browsers = [psutil.Process(int(pid)) for path in pids.iterdir() for pid in path.read_text().split()]

    fleet.fleet.stop(name("s0"), task=tasks[0].id, reason="test")
    guest_of(tasks[1].address).kill()

    eventually(lambda: fleet.stopped(name("s0")) and fleet.stopped(name("s1")), within=ENDED)
    eventually(lambda: not any(map(alive, browsers)))
    assert list((tmp_path / "run").iterdir()) == []


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_the_end_of_the_fleet_is_the_end_of_everything(own: Callable[..., Watched], name: Name) -> None:
    """Every task is stopped and told of, no process is left, and ending it again is no error."""
    fleet = own()
    tasks = [fleet.launch(name(f"s{number}")) for number in range(5)]
    eventually(lambda: len(fleet.api.asked) == 5)
    guests = [guest_of(task.address) for task in tasks]

    fleet.fleet.close()

    assert fleet.running() == set()
    eventually(lambda: not any(map(alive, guests)))
    assert all(fleet.stopped(name(f"s{number}")) for number in range(5))
    fleet.fleet.close()
