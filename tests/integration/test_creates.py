"""The way of a create, and what may go wrong on it: the caller always learns the truth, in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from services.embedded import Embedded
from services.provisioner import app as provisioner
from tests.eventually import eventually
from tests.integration.guests import Script, ScriptedFleet
from tests.platform import Platform
from wallcrawler.messages import TaskChanged

pytestmark = pytest.mark.queue

Start = Callable[..., Platform]


def in_background(platform: Platform) -> tuple[threading.Thread, list[httpx.Response]]:
    """A create that somebody waits for."""
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(platform.http.post("/v1/sessions", json={})))
    thread.start()
    return thread, answers


def only_session(platform: Platform) -> str:
    """The id of the one session, once its row is there."""
    eventually(lambda: platform.http.get("/v1/sessions").json())
    return str(platform.http.get("/v1/sessions").json()[0]["id"])


def valkey_of(platform: Platform) -> psutil.Process:
    port = platform.ports.celery.conf.broker_url.rpartition(":")[2].partition("/")[0]
    children = psutil.Process().children(recursive=True)
    return next(child for child in children if "valkey" in child.name() and f":{port}" in " ".join(child.cmdline()))


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["x-should-retry"] == "false"
    return str(answer.json()["message"])


def test_a_create_goes_through_every_hop(platform: Platform) -> None:
    """Stored, launched, located, up: READY has both halves, and the history tells each with its time."""
    session = platform.create(keepAlive=True, timeout=120, userMetadata={"a": {"b": "c"}}, region="ap-southeast-1")

    events = platform.events(session["id"])
    assert session["status"] == "RUNNING"
    assert (session["keepAlive"], session["region"]) == (True, "ap-southeast-1")
    assert session["userMetadata"] == {"a": {"b": "c"}}
    assert session["connectUrl"].endswith(f"/?signingKey={session['signingKey']}")
    assert events[0] == "CREATED"
    # The record of the launch has nothing new to tell where the task's own event overtook it.
    assert set(events[1:]) - {"LAUNCHED"} == {"BROWSER_UP", "LOCATED"}
    assert len(events) == len(set(events))
    assert platform.history(session["id"])[-1]["to"] == "READY"


@pytest.mark.parametrize("late", ["LOCATED", "BROWSER_UP"])
def test_the_halves_of_ready_come_in_either_order(start: Start, fleet: ScriptedFleet, late: str) -> None:
    """Whichever is last makes the session READY."""
    held: list[TaskChanged] = []
    if late == "LOCATED":
        fleet.twist = lambda event: held.append(event) or []
    else:
        fleet.next = Script(up_after=0.3)
    platform = start(sweep_every=60)
    thread, answers = in_background(platform)
    if late == "LOCATED":
        session_id = only_session(platform)
        eventually(lambda: "BROWSER_UP" in platform.events(session_id))
        fleet.send_again(held)
    thread.join()

    assert answers[0].status_code == 201
    assert platform.history(answers[0].json()["id"])[-1]["event"] == late


def test_fifty_creates_against_a_concurrency_of_ten(start: Start) -> None:
    """Exactly ten run, forty are told when to come back, and the count is exact, also after they end."""
    platform = start(concurrency=10)

    answers = platform.create_many(50)

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * 10 + [429] * 40
    for answer in answers:
        if answer.status_code == 429:
            assert answer.headers["x-ratelimit-limit"] == "10"
            assert answer.headers["x-ratelimit-remaining"] == "0"
            assert float(answer.headers["x-ratelimit-reset"]) > 0
            assert 0 < float(answer.headers["retry-after"]) <= 60
            assert "limit 10" in answer.json()["message"]
    assert platform.live() == platform.counted() == len(platform.ports.fleet.tasks()) == 10
    for answer in answers:
        if answer.status_code == 201:
            platform.release(answer.json()["id"])
    eventually(platform.settled)
    assert [answer.status_code for answer in platform.create_many(10)] == [201] * 10


def test_creates_that_wait_leave_room_for_everything_else(start: Start, fleet: ScriptedFleet) -> None:
    """More waiting callers than threads: the surplus is told 429, and releases and health still answer at once."""
    fleet.next = Script(up_after=1.5)
    platform = start(api_threads=8)

    with ThreadPoolExecutor(12) as pool:
        creates = [pool.submit(platform.http.post, "/v1/sessions", json={}) for _ in range(12)]
        eventually(lambda: len(fleet.tasks()) == 4)
        began = time.monotonic()
        assert platform.http.get("/v1/projects").status_code == 200
        took = time.monotonic() - began
    statuses = sorted(create.result().status_code for create in creates)

    assert took < 1
    assert statuses == [201] * 4 + [429] * 8
    assert platform.counted() == 4


def test_a_task_that_dies_while_starting_answers_at_once(start: Start, fleet: ScriptedFleet) -> None:
    """502 with the reason, long before the deadline, and the place is given back."""
    fleet.next = Script(up_after=None, dies_after=0.2, exit_code=137)
    platform = start()

    began = time.monotonic()
    message = refused(platform.http.post("/v1/sessions", json={}), 502)

    assert time.monotonic() - began < 2
    assert "task_stopped:exit_137" in message
    assert platform.settled()


def test_a_task_that_runs_out_of_memory_says_so(start: Start, fleet: ScriptedFleet) -> None:
    """The fleet's word becomes the session's reason."""
    fleet.next = Script(dies_after=0.3, exit_code=137, out_of_memory=True)
    platform = start()

    session = platform.create()

    eventually(lambda: platform.ended(session["id"]))
    ended = platform.retrieve(session["id"])
    assert (ended["status"], ended["endedReason"]) == ("ERROR", "out_of_memory")


def test_a_fleet_that_refuses_is_a_502_with_its_reason(start: Start, fleet: ScriptedFleet) -> None:
    """launch_failed carries why."""
    fleet.next = Script(refused="no port on 127.0.0.1")
    platform = start()

    message = refused(platform.http.post("/v1/sessions", json={}), 502)

    assert "launch_failed:no port on 127.0.0.1" in message
    assert platform.settled()


def test_a_guest_that_never_reports_meets_the_deadline(start: Start, fleet: ScriptedFleet) -> None:
    """504 just after the deadline; the task is stopped and the place is free."""
    fleet.next = Script(up_after=None)
    platform = start(create_deadline=1.0)

    began = time.monotonic()
    message = refused(platform.http.post("/v1/sessions", json={}), 504)
    took = time.monotonic() - began

    assert 1.0 <= took < 2
    assert "create_deadline" in message
    eventually(platform.settled)


def test_a_release_while_it_starts_ends_the_wait(start: Start, fleet: ScriptedFleet) -> None:
    """The waiting caller learns that somebody released its session."""
    fleet.next = Script(up_after=20)
    platform = start()
    thread, answers = in_background(platform)
    eventually(lambda: len(fleet.tasks()) == 1)

    platform.release(platform.http.get("/v1/sessions").json()[0]["id"])
    thread.join(5)

    assert "released" in refused(answers[0], 409)
    eventually(platform.settled)


def test_a_provision_job_that_is_delivered_three_times_is_one_browser(platform: Platform, fleet: ScriptedFleet) -> None:
    """The fleet recognises the session, also afterwards and after its end."""
    session = platform.create()
    for _ in range(3):
        platform.ports.jobs.provision(session["id"])
    eventually(lambda: fleet.runs >= 1)
    platform.release(session["id"])
    platform.ports.jobs.provision(session["id"])
    second = platform.create()

    assert len(fleet.tasks()) == 1
    platform.release(second["id"])
    eventually(platform.settled)
    assert platform.events(session["id"]).count("LAUNCHED") <= 1


def test_a_job_repeated_while_it_runs_is_one_browser(start: Start, fleet: ScriptedFleet) -> None:
    """Three workers at once run the same job."""
    fleet.next = Script(up_after=0.5)
    platform = start()
    thread, answers = in_background(platform)
    session_id = only_session(platform)

    for _ in range(3):
        platform.ports.jobs.provision(session_id)
    thread.join()

    assert answers[0].status_code == 201
    assert fleet.runs >= 2
    assert len(fleet.tasks()) == 1


def test_a_worker_that_dies_between_run_and_record(start: Start, fleet: ScriptedFleet) -> None:
    """The task's own event and the guest's own report make the session READY all the same."""
    fleet.next = Script(dies_in_run=True)
    platform = start()

    session = platform.create()

    assert len(fleet.tasks()) == 1
    platform.release(session["id"])
    eventually(platform.settled)


def test_a_worker_that_dies_and_an_event_that_is_lost(start: Start, fleet: ScriptedFleet) -> None:
    """Nothing but the task itself tells of it: sweep asks the fleet, and the create still answers."""
    fleet.next = Script(dies_in_run=True)
    fleet.twist = lambda event: [] if event.status == "RUNNING" else [event]
    platform = start()

    session = platform.create()

    assert "LOCATED" in platform.events(session["id"])
    platform.release(session["id"])
    eventually(platform.settled)


def test_a_job_that_was_lost_is_enqueued_again(start: Start, fleet: ScriptedFleet) -> None:
    """Valkey forgot the queue: sweep finds a CREATING session without a task."""
    platform = start()
    lost = platform.ports.jobs.provision
    taken: list[str] = []

    class LosesFirst(type(platform.ports.jobs)):  # type: ignore[misc]
        def provision(self, session_id: str) -> None:
            taken.append(session_id) if not taken else lost(session_id)

    object.__setattr__(platform.ports, "jobs", LosesFirst(platform.ports.celery))
    session = platform.create()

    assert taken == [session["id"]]
    assert platform.live() == platform.counted() == 1


def test_valkey_is_killed_and_comes_back_during_a_wait(start: Start, fleet: ScriptedFleet) -> None:
    """The create still answers 201, and the next one as well."""
    fleet.next = Script(up_after=1.0)
    platform = start()
    thread, answers = in_background(platform)
    eventually(lambda: len(fleet.tasks()) == 1)

    valkey_of(platform).kill()
    thread.join(20)

    assert answers[0].status_code == 201, answers[0].text
    fleet.next = Script()
    assert platform.http.post("/v1/sessions", json={}).status_code == 201
    eventually(lambda: platform.http.get("/readyz").status_code == 200)
    for session in platform.http.get("/v1/sessions").json():
        platform.release(session["id"])
    eventually(platform.settled, within=10)


def test_valkey_is_killed_before_the_job_is_taken(start: Start) -> None:
    """A create that comes while the server is away waits for it instead of failing."""
    platform = start()
    valkey_of(platform).kill()

    answer = platform.http.post("/v1/sessions", json={})

    assert answer.status_code == 201, answer.text


class WithoutNotifier(Embedded):
    """An instance whose notifier is down: nobody rings."""

    slices = (provisioner,)


def test_the_re_read_answers_where_the_notifier_is_down(start: Start) -> None:
    """A lost wake-up costs one re-read, and nothing else."""
    platform = start(kind=WithoutNotifier, reread_every=0.5)

    began = time.monotonic()
    session = platform.create()
    took = time.monotonic() - began

    assert took < 3
    assert platform.release(session["id"]).json()["status"] == "COMPLETED"


def test_a_caller_that_hangs_up_leaves_no_session_for_ever(start: Start, fleet: ScriptedFleet) -> None:
    """Nobody ever connects: the session ends as never_connected, by sweep where the guest's own timer is not there."""
    fleet.next = Script(up_after=0.5)
    platform = start(connect_within=0.5)

    with pytest.raises(httpx.ReadTimeout):
        platform.http.post("/v1/sessions", json={}, timeout=0.2)

    eventually(platform.settled, within=15)
    (session,) = platform.http.get("/v1/sessions").json()
    assert (session["status"], session["endedReason"]) == ("COMPLETED", "never_connected")
