"""`wallcrawler up`, as a person runs it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.eventually import eventually

pytestmark = pytest.mark.browser


class Up:
    """A `wallcrawler up` in a process of its own, with what it printed."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.run_dir = Path("/tmp") / f"wc-up-{os.getpid()}-{home.parent.name[-12:]}"
        self.temporary = home.parent / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.env = {
            "PATH": os.environ["PATH"],
            "WALLCRAWLER_HOME": str(home),
            "WALLCRAWLER_PORT": "0",
            "WALLCRAWLER_RUN_DIR": str(self.run_dir),
            "TMPDIR": str(self.temporary),
            **environment,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "up"],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line

    def serving(self) -> Up:
        eventually(lambda: "Serving" in self.output or self.process.poll() is not None, within=40)
        assert "Serving" in self.output, self.output
        return self

    @property
    def url(self) -> str:
        return re.search(r"listens on (http://\S+)", self.output)[1]  # type: ignore[index]

    @property
    def api_key(self) -> str:
        return re.search(r'api_key="([^"]+)"', self.output)[1]  # type: ignore[index]

    @property
    def snippet(self) -> str:
        return self.output[self.output.index("# pip install") : self.output.index("Serving")]

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"X-BB-API-Key": self.api_key}, timeout=60)

    def family(self) -> list[psutil.Process]:
        """The process and all that it started."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(40)
        self._reader.join(5)
        return status

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments], env=self.env, capture_output=True, text=True, timeout=60
        )


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Starts instances; at the end none of them is left."""
    started: list[Up] = []

    def start(**environment: str) -> Up:
        started.append(Up(tmp_path / "home", **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop(signal.SIGKILL)


def test_it_proves_itself_prints_a_snippet_that_works_and_serves(up: Callable[..., Up], tmp_path: Path) -> None:
    """The first run: timings of one real session, and a program that can be pasted as it stands."""
    one = up().serving()
    program = tmp_path / "snippet.py"
    program.write_text(one.snippet)

    answer = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)

    assert "one real session" in one.output
    for step in ("launch the task", "start Chrome", "wake the caller", "connect over CDP", "release"):
        assert step in one.output
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("Hello from Wallcrawler in session")


def test_ctrl_c_leaves_nothing_behind_and_a_restart_knows_everything(up: Callable[..., Up]) -> None:
    """No process, no temporary directory, no lock; then the same project, the same key and the same history."""
    first = up().serving()
    with first.http() as http:
        session = http.post("/v1/sessions", json={"keepAlive": True}).json()
        project = http.get("/v1/projects").json()[0]
    family = first.family()

    status = first.stop()
    # Looked at before the second runs: it has the same one.
    left = [path for place in (first.run_dir, first.temporary) if place.exists() for path in place.iterdir()]
    second = up().serving()

    assert status == 0
    assert gone(family)
    assert left == []
    assert second.api_key == first.api_key
    with second.http() as http:
        assert http.get("/v1/projects").json()[0]["id"] == project["id"]
        again = http.get(f"/v1/sessions/{session['id']}").json()
    assert (again["status"], again["endedReason"]) == ("ERROR", "task_stopped:platform_shutdown")
    assert second.stop(signal.SIGTERM) == 0
    assert not (first.home / "lock").exists()


def test_kill_9_leaves_no_chrome_and_the_next_start_tells_the_truth(up: Callable[..., Up]) -> None:
    """Whatever the platform's process cannot do any more, its children do for it."""
    first = up().serving()
    with first.http() as http:
        session = http.post("/v1/sessions", json={}).json()
    family = first.family()
    assert len(family) > 5

    first.stop(signal.SIGKILL)

    eventually(lambda: gone(family), within=10)
    second = up().serving()
    with second.http() as http:
        again = http.get(f"/v1/sessions/{session['id']}").json()
        assert http.get("/v1/sessions", params={"status": "RUNNING"}).json() == []
    assert (again["status"], again["endedReason"]) == ("ERROR", "task_stopped:platform_restarted")


def test_a_home_that_is_in_use_and_a_port_that_is_taken_are_named(up: Callable[..., Up]) -> None:
    """One line each, which names the variable that helps."""
    first = up().serving()

    second = up()
    eventually(lambda: second.process.poll() is not None, within=20)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        third = up(WALLCRAWLER_HOME=str(first.home) + "-other", WALLCRAWLER_PORT=str(taken.getsockname()[1]))
        eventually(lambda: third.process.poll() is not None, within=20)

    eventually(lambda: "WALLCRAWLER_HOME" in second.output and str(first.process.pid) in second.output)
    eventually(lambda: "WALLCRAWLER_PORT" in third.output)
    assert second.process.returncode == third.process.returncode == 1


def test_a_key_can_be_given(up: Callable[..., Up]) -> None:
    """WALLCRAWLER_API_KEY is used instead of a made one, and no log line shows it."""
    key = "a key of my own, with spaces"

    one = up(WALLCRAWLER_API_KEY=key).serving()

    assert one.api_key == key
    with one.http() as http:
        assert http.get("/v1/projects").status_code == 200
    assert one.output.count(key) == 1


def test_the_command_line_speaks_to_a_running_instance(up: Callable[..., Up]) -> None:
    """Keys are made, listed and revoked, and sessions listed, shown and released, while it serves."""
    one = up().serving()
    with one.http() as http:
        session = http.post("/v1/sessions", json={"keepAlive": True}).json()

        made = one.command("keys", "create", "ci").stdout.strip()
        assert http.get("/v1/projects", headers={"X-BB-API-Key": made}).status_code == 200
        listed = one.command("keys", "list").stdout
        assert "ci" in listed
        assert made not in listed
        assert one.command("keys", "revoke", made).returncode == 0
        assert http.get("/v1/projects", headers={"X-BB-API-Key": made}).status_code == 401

        assert session["id"] in one.command("sessions", "list", "--status", "RUNNING").stdout
        assert "BROWSER_UP" in one.command("sessions", "show", session["id"]).stdout
        assert one.command("sessions", "release", session["id"]).returncode == 0
        eventually(lambda: http.get(f"/v1/sessions/{session['id']}").json()["status"] == "COMPLETED", within=8)
        nobody = one.command("sessions", "show", "nobody")
    assert nobody.returncode == 1
    assert nobody.stderr.strip() == "wallcrawler: there is no session nobody"


def test_a_projects_limit_is_changed_while_it_serves(up: Callable[..., Up]) -> None:
    """The 429 says which command helps, and it does."""
    one = up(WALLCRAWLER_CONCURRENCY="1").serving()
    with one.http() as http:
        http.post("/v1/sessions", json={"keepAlive": True}).raise_for_status()
        full = http.post("/v1/sessions", json={})
        assert full.status_code == 429
        assert "wallcrawler projects set" in full.json()["message"]

        assert one.command("projects", "set", "--concurrency", "2").returncode == 0
        assert "default" in one.command("projects", "list").stdout
        assert http.post("/v1/sessions", json={}).status_code == 201

        other = one.command("projects", "create", "another", "--concurrency", "3").stdout.strip()
        key = one.command("keys", "create", "theirs", "--project", other).stdout.strip()
        assert http.get("/v1/projects", headers={"X-BB-API-Key": key}).json()[0]["id"] == other


def test_a_stop_during_the_proof_is_heard(up: Callable[..., Up], tmp_path: Path) -> None:
    """Whoever changes his mind at the start need not wait for a browser that does not come."""
    chrome = tmp_path / "chrome"
    chrome.write_text('#!/bin/sh\n[ "$1" = --version ] && exec echo Chromium 1\nexec sleep 600\n')
    chrome.chmod(0o755)
    one = up(WALLCRAWLER_CHROME=str(chrome))
    eventually(lambda: "guest.booted" in one.output, within=20)
    family = one.family()

    status = one.stop()

    assert status == 0
    assert "interrupted" in one.output
    assert gone(family)


def test_the_doctor_says_what_is_missing(up: Callable[..., Up], tmp_path: Path) -> None:
    """A missing browser is named with the command that helps, and `up` says the same instead of failing later."""
    one = up(WALLCRAWLER_CHROME=str(tmp_path / "nowhere"))

    doctor = one.command("doctor")
    one.process.wait(20)

    assert doctor.returncode == 1
    assert "apt-get install chromium" in doctor.stdout
    eventually(lambda: "Chromium" in one.output)
    assert one.process.returncode == 1
