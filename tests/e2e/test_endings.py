"""Every ending has its reason, in the record, in the history and in the close frame."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from controller.settings import find_chrome
from tests.eventually import eventually
from tests.platform import Platform, running

pytestmark = pytest.mark.browser


def _read_on(client: ClientConnection) -> None:
    while True:
        client.recv(timeout=10)


def close_frame(client: ClientConnection) -> tuple[int, str]:
    """The code and the reason with which the server ends this connection."""
    with pytest.raises(ConnectionClosed) as closed:
        _read_on(client)
    assert closed.value.rcvd is not None, "the connection ended without a close frame"
    return closed.value.rcvd.code, closed.value.rcvd.reason


def browser_process(platform: Platform, session_id: str) -> psutil.Process:
    """The main process of the session's Chrome."""
    mine = [chrome for chrome in platform.chromes() if any(session_id[:8] in part for part in chrome.cmdline())]
    return next(chrome for chrome in mine if not any(part.startswith("--type=") for part in chrome.cmdline()))


def assert_ended(platform: Platform, session_id: str, *, status: str, reason: str) -> dict[str, Any]:
    eventually(lambda: platform.ended(session_id), within=10)
    session = platform.retrieve(session_id)
    assert (session["status"], session["endedReason"]) == (status, reason)
    assert "connectUrl" not in session
    assert platform.history(session_id)[-1]["reason"] == reason
    eventually(platform.settled, within=10)
    eventually(lambda: not platform.chromes(), within=5)
    return session


def test_a_lost_nursery_is_the_same_reason_everywhere(platform: Platform) -> None:
    """The process that has forked all guests is killed: clients are told what the record says."""
    session = platform.create(keepAlive=True)
    guest = browser_process(platform, session["id"]).parent()
    nursery = guest and guest.parent()
    assert nursery is not None
    with connect(session["connectUrl"]) as client:
        nursery.kill()
        _, told = close_frame(client)

    assert_ended(platform, session["id"], status="ERROR", reason=told)
    assert told == "task_stopped:lost"


def test_a_guest_is_terminated(platform: Platform) -> None:
    """By somebody who has not told the API: it asks there first. Its Chrome is gone meanwhile, and clients are told."""
    session = platform.create(keepAlive=True)
    guest = browser_process(platform, session["id"]).parent()
    assert guest is not None
    with connect(session["connectUrl"]) as client:
        guest.terminate()
        frame = close_frame(client)

    assert_ended(platform, session["id"], status="ERROR", reason="task_stopped:terminated")
    assert frame == (4012, "task_stopped:terminated")


def test_released(platform: Platform) -> None:
    """The release answers when the browser is gone, the client is told why, and the token opens nothing any more."""
    session = platform.create()
    with connect(session["connectUrl"]) as client:
        answer = platform.release(session["id"])
        frame = close_frame(client)

    assert answer.json()["status"] == "COMPLETED"
    assert frame == (4000, "released")
    assert_ended(platform, session["id"], status="COMPLETED", reason="released")
    with pytest.raises((OSError, InvalidStatus)):
        connect(session["connectUrl"], open_timeout=2)


def test_a_release_refuses_the_token_within_a_second(platform: Platform) -> None:
    """From one second after the release nobody gets in, kept alive or not."""
    session = platform.create(keepAlive=True)
    with connect(session["connectUrl"]):
        pass

    asked = time.monotonic()
    platform.release(session["id"])
    answered = time.monotonic()

    assert answered - asked < 1.5
    with pytest.raises((OSError, InvalidStatus)):
        connect(session["connectUrl"], open_timeout=2)


def test_disconnected(platform: Platform) -> None:
    """A second after its last client left, a session that is not kept alive is over."""
    session = platform.create()

    with connect(session["connectUrl"]):
        pass

    assert_ended(platform, session["id"], status="COMPLETED", reason="disconnected")


def test_the_browser_is_closed_by_its_client(platform: Platform) -> None:
    """Puppeteer's browser.close() sends Browser.close: an ending by the client, not a crash."""
    session = platform.create()

    with connect(session["connectUrl"]) as client:
        client.send('{"id": 1, "method": "Browser.close"}')
        close_frame(client)

    assert_ended(platform, session["id"], status="COMPLETED", reason="disconnected")


def test_browser_crashed(platform: Platform) -> None:
    """kill -9 of Chrome: the client is told at once, and the record says so."""
    session = platform.create()
    with connect(session["connectUrl"]) as client:
        browser_process(platform, session["id"]).kill()
        frame = close_frame(client)

    assert frame == (4010, "browser_crashed")
    assert_ended(platform, session["id"], status="ERROR", reason="browser_crashed")
    assert "SIGKILL" in platform.history(session["id"])[-1]["detail"]


def test_a_browser_that_crashes_unattended(platform: Platform) -> None:
    """The same before any client came."""
    session = platform.create()

    browser_process(platform, session["id"]).kill()

    assert_ended(platform, session["id"], status="ERROR", reason="browser_crashed")


def test_task_stopped(platform: Platform) -> None:
    """kill -9 of the guest: nobody is left to report, and the fleet's event ends the session with its Chrome."""
    session = platform.create()
    guest = browser_process(platform, session["id"]).parent()
    assert guest is not None

    guest.kill()

    assert_ended(platform, session["id"], status="ERROR", reason="task_stopped:SIGKILL")


def test_the_nursery_is_killed(platform: Platform) -> None:
    """Its guests end, their sessions say so, and the next create has a new nursery."""
    session = platform.create()
    guest = browser_process(platform, session["id"]).parent()
    assert guest is not None
    nursery = guest.parent()
    assert nursery is not None

    nursery.kill()

    eventually(lambda: platform.ended(session["id"]), within=10)
    assert platform.retrieve(session["id"])["endedReason"].startswith("task_stopped")
    eventually(platform.settled, within=10)
    platform.release(platform.create()["id"])


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Platform]:
    """An instance whose sessions live for two seconds, and wait one for their client."""
    with running(tmp_path, max_session_timeout=3, connect_within=1.0) as platform:
        yield platform


def test_never_connected(impatient: Platform) -> None:
    """A session that nobody comes for ends by itself."""
    session = impatient.create()

    assert_ended(impatient, session["id"], status="COMPLETED", reason="never_connected")


def test_timed_out(impatient: Platform) -> None:
    """At its timeout a session ends, whoever is connected and however it is kept alive."""
    session = impatient.create(keepAlive=True)
    with connect(session["connectUrl"]) as client:
        frame = close_frame(client)

    assert frame == (4002, "timed_out")
    assert_ended(impatient, session["id"], status="TIMED_OUT", reason="timed_out")


def script(folder: Path, body: str) -> Path:
    path = folder / "chrome.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["x-should-retry"] == "false"
    return str(answer.json()["message"])


def test_a_browser_that_dies_while_starting_answers_at_once(tmp_path: Path) -> None:
    """502 with the reason, long before the deadline, and the session's history has what Chrome said."""
    with running(tmp_path, chrome=script(tmp_path, "echo no display today >&2; exit 7")) as platform:
        began = time.monotonic()
        message = refused(platform.http.post("/v1/sessions", json={}), 502)
        took = time.monotonic() - began

        assert took < 3
        assert "browser_crashed" in message
        session = platform.http.get("/v1/sessions").json()[0]
        assert "no display today" in platform.history(session["id"])[-1]["detail"]
        eventually(platform.settled)


def test_a_browser_that_never_answers_meets_the_deadline(tmp_path: Path) -> None:
    """504 at the deadline, and what was started is gone."""
    chrome = script(tmp_path, "exec sleep 600")
    with running(tmp_path, chrome=chrome, create_deadline=1.5) as platform:
        message = refused(platform.http.post("/v1/sessions", json={}), 504)

        assert "create_deadline" in message
        eventually(platform.settled, within=10)
        session = platform.http.get("/v1/sessions").json()[0]
        assert (session["status"], session["endedReason"]) == ("ERROR", "create_deadline")
        sleepers = [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "600"]]
        assert not sleepers


def test_the_platform_is_stopped(tmp_path: Path) -> None:
    """Stopping ends every session with its reason, and a restart still knows them."""
    with running(tmp_path) as platform:
        session = platform.create()
        with connect(session["connectUrl"]) as client:
            platform.instance.stop()
            frame = close_frame(client)
        assert not platform.chromes()
        assert not platform.run_dir.exists()

    assert frame == (4012, "task_stopped:platform_shutdown")
    with running(tmp_path) as platform:
        again = platform.retrieve(session["id"])
        assert (again["status"], again["endedReason"]) == ("ERROR", "task_stopped:platform_shutdown")
        assert platform.settled()


def test_chrome_is_killed_while_it_starts(tmp_path: Path) -> None:
    """A Chrome that is killed before it has answered is a crash with its signal, not a wait for the deadline."""
    chrome = script(tmp_path, "kill -9 $$")
    with running(tmp_path, chrome=chrome) as platform:
        message = refused(platform.http.post("/v1/sessions", json={}), 502)

        assert "browser_crashed" in message
        eventually(platform.settled)


def test_a_page_that_does_not_take_its_size_is_not_waited_for(tmp_path: Path) -> None:
    """Its browser may have been reported by then: the session ends, with what Chrome said."""
    chrome = script(tmp_path, f'exec {find_chrome()} "$@" --start-fullscreen')
    with running(tmp_path, chrome=chrome) as platform:
        platform.http.post("/v1/sessions", json={})
        session = platform.http.get("/v1/sessions").json()[0]

        assert_ended(platform, session["id"], status="ERROR", reason="browser_crashed")
        assert "setContentsSize" in platform.history(session["id"])[-1]["detail"]


def test_no_signal_of_the_terminal_reaches_the_browsers(platform: Platform) -> None:
    """Guests have sessions of their own: a Ctrl-C ends them in order, through their platform, and not by surprise."""
    session = platform.create()

    chrome = browser_process(platform, session["id"])

    assert os.getsid(chrome.pid) != os.getsid(0)
    assert os.getpgid(chrome.pid) == chrome.pid
    platform.release(session["id"])
    assert signal.getsignal(signal.SIGCHLD) in (signal.SIG_DFL, None)
