"""Create, wake, release and idle of a running `wallcrawler up`, each beside its floor."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psutil

from benchmarks.floor import bare


class Instance:
    """`wallcrawler up` in a process and a home of its own."""

    def __init__(self, home: str) -> None:
        #: Where its sessions' directories are; short, because sockets live below it.
        self.run_dir = tempfile.mkdtemp(prefix="wc-run-")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "up", "--no-proof"],
            env={
                "PATH": os.environ["PATH"],
                "WALLCRAWLER_HOME": home,
                "WALLCRAWLER_PORT": "0",
                "WALLCRAWLER_RUN_DIR": self.run_dir,
                "WALLCRAWLER_LOG_LEVEL": "WARNING",
                "WALLCRAWLER_CONCURRENCY": "100",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        printed = ""
        for line in self.process.stdout:
            printed += line
            if "Serving" in line:
                break
        self.url = re.search(r'base_url="([^"]+)"', printed)[1]  # type: ignore[index]
        self.api_key = re.search(r'api_key="([^"]+)"', printed)[1]  # type: ignore[index]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"X-BB-API-Key": self.api_key, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def family(self) -> list[psutil.Process]:
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def idle(self, seconds: float) -> tuple[float, float]:
        """Megabytes resident and per cent of a core, of the process and its children, while nothing is asked."""
        family = self.family()
        before = sum(sum(process.cpu_times()[:2]) for process in family)
        time.sleep(seconds)  # this is what is measured
        spent = sum(sum(process.cpu_times()[:2]) for process in family) - before
        return sum(process.memory_info().rss for process in family) / 1e6, spent / seconds * 100


@contextmanager
def instance() -> Iterator[Instance]:
    with tempfile.TemporaryDirectory(prefix="wc-bench-") as home:
        running = Instance(home)
        try:
            yield running
        finally:
            running.process.send_signal(signal.SIGINT)
            running.process.wait(30)


def measure(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each round, floor and product taking turns; `idle_*` are single readings."""
    results: dict[str, list[float]] = {
        name: [] for name in ("floor_launch", "create", "wake", "floor_exit", "release", "idle_mb", "idle_cpu")
    }
    with instance() as running:
        for _warm in range(2):
            running.call("POST", f"/v1/sessions/{running.call('POST', '/v1/sessions', {})['id']}", RELEASE)
        for _ in range(rounds):
            with bare() as chromium:
                time.sleep(0.05)  # as long as a session takes from its create to its release here
                results["floor_launch"].append(chromium.started_ms)
                results["floor_exit"].append(chromium.terminate())
            began = time.perf_counter()
            session = running.call("POST", "/v1/sessions", {})
            answered, answered_at = time.perf_counter(), time.time()
            results["create"].append((answered - began) * 1000)
            time.sleep(0.05)  # as long as the floor's Chromium lived
            began = time.perf_counter()
            running.call("POST", f"/v1/sessions/{session['id']}", RELEASE)
            results["release"].append((time.perf_counter() - began) * 1000)
            results["wake"].append((answered_at - _ready_at(running, session["id"])) * 1000)
        time.sleep(2)  # until what the last release left to do is done: idle is measured next
        megabytes, cpu = running.idle(10)
        results["idle_mb"].append(megabytes)
        results["idle_cpu"].append(cpu)
    return results


RELEASE = {"status": "REQUEST_RELEASE"}


def _ready_at(running: Instance, session_id: str) -> float:
    """When READY was written, whole milliseconds."""
    history = running.call("GET", f"/v1/sessions/{session_id}/events")
    ready = next(entry["at"] for entry in history if entry["to"] == "READY")
    return datetime.fromisoformat(ready).timestamp()
