"""localaws as a process of its own: how it starts, how it ends, and what the next one finds."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.eventually import eventually
from tests.integration.localaws.emulator import ROOT, Emulator
from tests.integration.localaws.stand import Stand, until

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LOCALAWS_DRIVER": "process",
    "LOCALAWS_LOG_FORMAT": "json",
    "LOCALAWS_CLOSE_WITHIN": "2",
}


class Process:
    """`python -m localaws` in a home, and whoever comes after it there."""

    def __init__(self, home: Path, emulator: Emulator, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        queue = emulator.queue()
        self._log = home / "log"
        self._environment = (
            ENVIRONMENT
            | {
                "LOCALAWS_HOME": str(home),
                "LOCALAWS_PORT": self.url.rsplit(":", 1)[-1],
                "LOCALAWS_ENDPOINT_URL": emulator.url,
                "LOCALAWS_EVENTS_QUEUE": queue,
            }
            | environment
        )
        self.stand = Stand(self.url, emulator=emulator, queue=queue)
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "localaws"], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        eventually(self._answers, within=15)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/_localaws/health", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def end(self, number: signal.Signals) -> int:
        """The exit status."""
        self._process.send_signal(number)
        return self._process.wait(15)

    def restart(self, number: signal.Signals) -> None:
        self.end(number)
        self.start()

    def close(self) -> None:
        if self._process.poll() is None:
            # What it was to keep is not kept by a test.
            for arn in self.stand.ecs.list_tasks()["taskArns"]:
                self.stand.ecs.stop_task(task=arn)
                self.stand.stopped(arn)
            self.end(signal.SIGTERM)
        self.stand.http.close()


@contextmanager
def process(home: Path, emulator: Emulator, **environment: str) -> Iterator[Process]:
    started = Process(home, emulator, **environment)
    try:
        yield started
    finally:
        started.close()


def pid_of(stand: Stand, arn: str) -> int:
    """Of the task's container."""
    return int(stand.task(arn)["containers"][0]["runtimeId"])


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_sigterm_stops_the_tasks_and_the_process_cleanly(emulator: Emulator, tmp_path: Path) -> None:
    """Their last events are sent before it ends, with status 0."""
    with process(tmp_path, emulator) as local:
        local.stand.register()
        arn = local.stand.running()
        pid = pid_of(local.stand, arn)

        status = local.end(signal.SIGTERM)

        last = local.stand.events(arn)[-1]["detail"]
        assert (status, alive(pid)) == (0, False)
        assert (last["lastStatus"], last["stopCode"]) == ("STOPPED", "TerminationNotice")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_localaws(emulator: Emulator, tmp_path: Path, number: signal.Signals) -> None:
    """Not even one that ignores SIGTERM, not even when localaws is killed."""
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    with process(tmp_path, emulator) as local:
        local.stand.register(sys.executable, "-c", stubborn)
        arn = local.stand.running()
        pid = pid_of(local.stand, arn)
        eventually(lambda: "up" in local.stand.output(arn))

        local.end(number)

        eventually(lambda: not alive(pid))


def test_after_a_crash_the_lost_tasks_are_told_of(emulator: Emulator, tmp_path: Path) -> None:
    """The next localaws sees that nothing runs, and says so in an event with a higher version."""
    with process(tmp_path, emulator) as local:
        local.stand.register()
        arn = local.stand.running()

        local.restart(signal.SIGKILL)

        task = local.stand.stopped(arn)
        assert task["containers"][0]["reason"] == "ContainerRuntimeError: the container is gone"
        eventually(lambda: "STOPPED" in local.stand.statuses(arn))
        # At least once: one that was killed between sending and noting it has sent the event again.
        told = list(dict.fromkeys(local.stand.versions(arn)))
        assert told == sorted(told)
        assert local.stand.events(arn)[-1]["detail"]["version"] == task["version"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_kept_tasks_are_found_again(emulator: Emulator, tmp_path: Path, number: signal.Signals) -> None:
    """They run on meanwhile, are described as before, and can be stopped; no event is made up or lost."""
    with process(tmp_path, emulator, LOCALAWS_KEEP="1") as local:
        local.stand.register()
        arn = local.stand.running(clientToken="t")
        before = local.stand.task(arn)
        pid = pid_of(local.stand, arn)

        local.restart(number)

        assert alive(pid)
        assert local.stand.task(arn) == before
        assert local.stand.run(clientToken="t") == arn
        local.stand.ecs.stop_task(task=arn)
        task = local.stand.stopped(arn)
        assert (task["containers"][0]["exitCode"], task["stopCode"]) == (0, "UserInitiated")
        eventually(lambda: "STOPPED" in local.stand.statuses(arn))
        # At least once: one that was killed between sending and noting it has sent the event again.
        assert sorted(set(local.stand.versions(arn))) == [1, 2, 3, 4, 5, 6, 7]


def test_a_kept_task_that_ended_meanwhile_is_told_of_with_its_status(emulator: Emulator, tmp_path: Path) -> None:
    """The status of a process that is nobody's child is found in a file."""
    with process(tmp_path, emulator, LOCALAWS_KEEP="1") as local:
        local.stand.register(*until(tmp_path / "go", "exit 9"))
        arn = local.stand.running()
        pid = pid_of(local.stand, arn)
        local.end(signal.SIGTERM)
        (tmp_path / "go").touch()
        eventually(lambda: not alive(pid))

        local.start()

        task = local.stand.stopped(arn)
        assert (task["containers"][0]["exitCode"], task["stopCode"]) == (9, "EssentialContainerExited")


def test_what_a_kept_task_has_started_is_not_taken_for_it(emulator: Emulator, tmp_path: Path) -> None:
    """A child in a session of its own runs on with its task, is not the task, and ends with localaws' next start."""
    child = "import subprocess as s; c = s.Popen(['sleep', '1000'], start_new_session=True); print(c.pid, flush=True)"
    with process(tmp_path, emulator, LOCALAWS_KEEP="1") as local:
        local.stand.register(sys.executable, "-c", f"{child}; c.wait()")
        arn = local.stand.running()
        eventually(lambda: local.stand.output(arn))
        task, started = pid_of(local.stand, arn), int(local.stand.output(arn))

        local.restart(signal.SIGKILL)
        both = (alive(task), alive(started), local.stand.status(arn))
        local.end(signal.SIGKILL)
        os.kill(task, signal.SIGKILL)
        local.start()

        assert both == (True, True, "RUNNING")
        assert local.stand.stopped(arn)["containers"][0]["exitCode"] == 137
        eventually(lambda: not alive(started))


def test_a_task_that_had_not_begun_begins_after_the_restart(emulator: Emulator, tmp_path: Path) -> None:
    """What RunTask has promised is kept."""
    with process(tmp_path, emulator) as local:
        local.stand.register()
        local.stand.switch(slow_start=60)
        arn = local.stand.run()
        eventually(lambda: local.stand.status(arn) == "PENDING")

        local.restart(signal.SIGKILL)

        eventually(lambda: local.stand.status(arn) == "RUNNING")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"LOCALAWS_PORT": "70000"}, "LOCALAWS_PORT"),
        ({"LOCALAWS_PIPE_SOURCE": "t"}, "LOCALAWS_PIPE_QUEUE"),
        ({"LOCALAWS_SECCOMP": "/nosuch"}, "LOCALAWS_SECCOMP: there is no file /nosuch"),
        ({"LOCALAWS_DRIVER": "docker", "DOCKER_HOST": "unix:///nosuch.sock"}, "LOCALAWS_DRIVER: the Docker engine"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    """One line on stderr, status 2, and no traceback."""
    ended = subprocess.run(
        [sys.executable, "-m", "localaws"],
        cwd=ROOT,
        env=ENVIRONMENT | {"LOCALAWS_HOME": str(tmp_path), "LOCALAWS_PORT": "0"} | environment,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert said in ended.stderr
