"""`docker compose up`: real containers, and every fault that the pipeline between them may have."""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from browserbase import Browserbase
from playwright.sync_api import sync_playwright
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.compose.stack import Stack
from tests.eventually import eventually

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("peace")]


def close_frame(client: ClientConnection) -> tuple[int, str]:
    """The code and the reason with which the server ends this connection."""
    with pytest.raises(ConnectionClosed) as closed:
        _read_on(client)
    assert closed.value.rcvd is not None, "the connection ended without a close frame"
    return closed.value.rcvd.code, closed.value.rcvd.reason


def _read_on(client: ClientConnection) -> None:
    while True:
        client.recv(timeout=30)


def test_the_main_job(stack: Stack) -> None:
    """SDK create, a real container, Playwright drives it over the gateway, release, and the container is gone."""
    with Browserbase(base_url=stack.url, api_key=stack.api_key, max_retries=0, _strict_response_validation=True) as bb:
        session = bb.sessions.create()
        (container,) = stack.browsers()
        with sync_playwright() as playwright:
            browser = playwright.chromium.connect_over_cdp(session.connect_url)
            page = browser.contexts[0].pages[0]
            page.goto("data:text/html,<title>driven</title>")
            assert page.title() == "driven"
            debug = bb.sessions.debug(session.id)
            assert debug.pages[0].title == "driven"
            browser.close()
        eventually(lambda: bb.sessions.retrieve(session.id).status == "COMPLETED", within=15)

    assert stack.retrieve(session.id)["endedReason"] == "disconnected"
    eventually(lambda: container not in stack.browsers(), within=20)


def test_a_release_is_over_the_gateway_what_it_is_without(stack: Stack) -> None:
    """The client's close frame says why, and the token opens nothing any more."""
    session = stack.create(keepAlive=True)
    with connect(session["connectUrl"]) as client:
        stack.release(session["id"])
        frame = close_frame(client)

    assert frame == (4000, "released")
    eventually(lambda: stack.retrieve(session["id"])["status"] == "COMPLETED", within=15)
    http = session["connectUrl"].replace("ws://", "http://").replace("/?", "/json/version?")
    assert httpx.get(http).status_code in {401, 410}


def test_the_browser_is_sandboxed_and_nobody(stack: Stack) -> None:
    """Not root, no privilege, Chrome's own sandbox on, and no credential of AWS in it."""
    stack.create(keepAlive=True)
    (container,) = stack.browsers()

    processes = stack.docker("top", container, "-eo", "user,pid,args")
    environment = stack.docker("exec", container, "env")

    assert "--no-sandbox" not in processes
    assert "type=renderer" in processes
    assert not [line for line in processes.splitlines()[1:] if line.startswith("root ")]
    renderer = next(line.split()[1] for line in processes.splitlines() if "type=renderer" in line)
    status = subprocess.run(["cat", f"/proc/{renderer}/status"], capture_output=True, text=True, check=True).stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Seccomp"] == "2"
    assert fields["CapEff"].strip("0") == ""
    assert len(fields["NSpid"].split()) > 2, "the renderer is in no namespace of its own"
    assert "AWS_" not in environment


def test_a_page_reaches_its_own_session_and_nothing_behind_it(stack: Stack) -> None:
    """What an extension in the browser opens, and what a hostile page must not find: queue, tables, and ECS itself."""
    session = stack.create(keepAlive=True)
    opens = f"""new Promise(done => {{
        const socket = new WebSocket("{session["connectUrl"]}");
        socket.onopen = () => done(true); socket.onerror = () => done(false); }})"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(session["connectUrl"])
        assert browser.contexts[0].pages[0].evaluate(opens) is True
        browser.close()

    (container,) = stack.browsers()
    probe = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
    for host, port in (("localaws", 4570), ("redis", 6379), ("ministack", 4566), ("provisioner", 9100)):
        with pytest.raises(subprocess.CalledProcessError):
            stack.docker("exec", container, "python3", "-c", probe, host, str(port))
        address = stack.address(host)
        with pytest.raises(subprocess.CalledProcessError):
            stack.docker("exec", container, "python3", "-c", probe, address, str(port))
    stack.docker("exec", container, "python3", "-c", probe, "api", "8080")


def test_a_container_that_is_killed_ends_its_session_with_the_reason(stack: Stack) -> None:
    """ECS's own word for it reaches the record, and the gateway tells the client."""
    session = stack.create(keepAlive=True)
    (container,) = stack.browsers()
    with connect(session["connectUrl"]) as client:
        stack.docker("kill", container)
        code, reason = close_frame(client)

    eventually(lambda: "endedAt" in stack.retrieve(session["id"]), within=20)
    ended = stack.retrieve(session["id"])
    assert (ended["status"], ended["endedReason"]) == ("ERROR", "task_stopped:SIGKILL")
    assert (code, reason) == (4012, ended["endedReason"])


def test_events_that_repeat_and_come_late(stack: Stack) -> None:
    """Each task event three times, and half a second late: nothing is counted twice, nothing is launched twice."""
    stack.faults(duplicate=2, delay=0.5)

    session = stack.create()
    assert len(stack.browsers()) == 1
    stack.release(session["id"])
    eventually(stack.settled, within=30)

    events = stack.events(session["id"])
    assert len(events) == len(set(events))


def test_no_capacity_is_waited_for(stack: Stack) -> None:
    """RunTask fails a few times for want of capacity: the create is late, and not lost."""
    stack.faults(run_task_failure="RESOURCE:MEMORY")
    with ThreadPoolExecutor(1) as pool:
        create = pool.submit(stack.create)
        eventually(lambda: stack.http.get("/v1/sessions", params={"status": "PENDING"}).json(), within=10)
        stack.faults()
        session = create.result(40)

    assert stack.events(session["id"]).count("LAUNCHED") <= 1


def test_services_are_scaled_and_none_of_their_work_is_lost(stack: Stack) -> None:
    """Three provisioners, two notifiers, two APIs: sessions that live go on, and those to come are all answered."""
    living = stack.create(keepAlive=True)
    stack.compose(
        "up", "-d", "--wait", "--no-recreate", "--scale", "provisioner=3", "--scale", "notifier=2", "--scale", "api=2"
    )
    assert len(stack.containers("api")) == 2

    with ThreadPoolExecutor(6) as pool:
        sessions = list(pool.map(lambda _: stack.create(keepAlive=True), range(6)))

    assert len({session["id"] for session in sessions}) == 6
    assert len(stack.browsers()) == 7
    with connect(living["connectUrl"]) as client:
        client.send('{"id": 1, "method": "Browser.getVersion"}')
        assert "Chrome" in str(client.recv(timeout=10))


def test_a_provisioner_is_killed_while_it_works(stack: Stack) -> None:
    """kill -9 between RunTask and its record, or thereabouts: every create is answered, with one browser each."""
    with ThreadPoolExecutor(4) as pool:
        creates = [pool.submit(stack.create, keepAlive=True) for _ in range(4)]
        eventually(stack.browsers, within=20)
        stack.docker("kill", stack.containers("provisioner")[0])
        sessions = [create.result(50) for create in creates]

    assert len(stack.browsers()) == len(sessions) == 4
    stack.compose("up", "-d", "--wait", "--no-recreate", "provisioner")


def test_a_notifier_that_is_down_costs_one_re_read(stack: Stack) -> None:
    """Nobody rings: the create answers all the same."""
    stack.compose("stop", "notifier")
    try:
        session = stack.create()
    finally:
        stack.compose("start", "notifier")

    assert session["status"] == "RUNNING"


def test_localaws_is_killed_with_browsers_running(stack: Stack) -> None:
    """It finds its containers again: the session lives on, and its end is noticed."""
    session = stack.create(keepAlive=True)
    (container,) = stack.browsers()

    stack.docker("kill", stack.containers("localaws")[0])
    stack.compose("up", "-d", "--wait", "--no-recreate", "localaws")

    assert stack.browsers() == [container]
    with connect(session["connectUrl"]) as client:
        client.send('{"id": 1, "method": "Browser.getVersion"}')
        assert "Chrome" in str(client.recv(timeout=10))
        stack.docker("kill", container)
        assert close_frame(client)[0] == 4012
    eventually(lambda: "endedAt" in stack.retrieve(session["id"]), within=20)


def test_localaws_is_stopped_and_the_browsers_with_it(stack: Stack) -> None:
    """Their sessions end, and say that somebody else ended them. Browsers have the name of their project."""
    session = stack.create(keepAlive=True)
    (container,) = stack.browsers()

    stack.compose("stop", "localaws")
    eventually(lambda: "endedAt" in stack.retrieve(session["id"]), within=20)
    left = stack.browsers()
    stack.compose("up", "-d", "--wait", "--no-recreate", "localaws")

    assert container.startswith(f"{stack.name}-")
    assert left == []
    assert stack.retrieve(session["id"])["endedReason"] in {"task_stopped:terminated", "task_stopped:TerminationNotice"}


def test_ministack_stops_for_ten_seconds(stack: Stack) -> None:
    """Tables, queues and streams are away and come back: who lives goes on, and who comes afterwards is served."""
    session = stack.create(keepAlive=True)
    (ministack,) = stack.containers("ministack")
    stack.docker("pause", ministack)
    back = threading.Timer(10, stack.docker, ["unpause", ministack])
    back.start()

    with connect(session["connectUrl"], open_timeout=30) as client:
        client.send('{"id": 1, "method": "Browser.getVersion"}')
        assert "Chrome" in str(client.recv(timeout=30))
        back.join()
        again = stack.create()

    assert again["status"] == "RUNNING"
    eventually(lambda: stack.retrieve(again["id"])["status"] == "RUNNING", within=5)
