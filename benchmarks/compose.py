"""`python -m benchmarks.compose`: creates of a stack that runs, beside `docker run` of the same image.

    WALLCRAWLER_API_KEY=... python -m benchmarks.compose --url http://127.0.0.1:8080

Sessions are created and released one after another, floor and product taking turns; then many at once. Afterwards
nothing may be left of them: no live session, no container. Exits 1 where something is, or a create failed.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from controller.chrome import FLAGS

#: Seconds for what was released to be gone.
SETTLED_WITHIN = 60

#: What a session's container has, too: wallcrawler/aws/stack.py, `Browser`.
LIMITS = ("--cpus", "1", "--memory", "2g", "--shm-size", "512m", "--cap-drop", "ALL", "--init")
SECCOMP = Path(__file__).parents[1] / "deploy" / "compose" / "seccomp" / "chromium.json"

#: How the image starts Chromium by itself, with the switches of a session, and asks it for one answer. It says
#: "DevTools listening" long before it gives one.
BARE = """
chromium {switches} --remote-debugging-port=9333 --user-data-dir=/tmp/profile about:blank 2>&1 | while read -r line; do
    [[ $line = *"DevTools listening"* ]] || continue
    exec 3<> /dev/tcp/127.0.0.1/9333
    printf 'GET /json/version HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' >&3
    read -r _ status _ <&3
    [[ $status = 200 ]] && echo ANSWERED
done
"""


@dataclass(slots=True)
class Results:
    """Milliseconds."""

    create: list[float] = field(default_factory=list)
    release: list[float] = field(default_factory=list)
    wake: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    at_once: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Stack:
    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"X-BB-API-Key": self._key, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self._url + path, data, headers, method=method)) as answer:
            return json.load(answer)

    def live(self) -> int:
        return sum(len(self.call("GET", f"/v1/sessions?status={status}")) for status in ("PENDING", "RUNNING"))


def one(stack: Stack, results: Results, times: list[float]) -> None:
    began = time.perf_counter()
    try:
        session = stack.call("POST", "/v1/sessions", {})
    except OSError as refused:
        results.failed.append(str(refused))
        return
    answered_at = time.time()
    times.append((time.perf_counter() - began) * 1000)
    began = time.perf_counter()
    stack.call("POST", f"/v1/sessions/{session['id']}", {"status": "REQUEST_RELEASE"})
    results.release.append((time.perf_counter() - began) * 1000)
    history = stack.call("GET", f"/v1/sessions/{session['id']}/events")
    ready = next(entry["at"] for entry in history if entry.get("to") == "READY")
    results.wake.append((answered_at - datetime.fromisoformat(ready).timestamp()) * 1000)


def floor(image: str, network: str) -> float:
    """From `docker run` to Chromium's first answer."""
    name = f"wc-floor-{secrets.token_hex(4)}"
    switches = " ".join(switch for switch in FLAGS if not switch.startswith("--remote-debugging-port"))
    inside = ["--entrypoint", "bash", image, "-c", BARE.format(switches=switches)]
    began = time.perf_counter()
    place = ["--network", network, "--security-opt", f"seccomp={SECCOMP}"]
    command = ["docker", "run", "--rm", "--name", name, *LIMITS, *place, *inside]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        found = any("ANSWERED" in line for line in process.stdout)
        took = (time.perf_counter() - began) * 1000
        subprocess.run(["docker", "kill", name], capture_output=True, check=False)
    if not found:
        raise SystemExit(f"{image} started no Chromium that answers")
    return took


def quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compose", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--image", default="wallcrawler-browser")
    parser.add_argument("--network", default="wallcrawler-browsers", help="the one that the stack's browsers are on")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--floors", type=int, default=12, help="how many of the rounds measure the floor as well")
    parser.add_argument("--at-once", type=int, default=20)
    chosen = parser.parse_args()
    stack, results = Stack(chosen.url, os.environ["WALLCRAWLER_API_KEY"]), Results()
    for number in range(chosen.rounds):
        if number % max(1, chosen.rounds // chosen.floors) == 0:
            results.floor.append(floor(chosen.image, chosen.network))
        one(stack, results, results.create)
    with ThreadPoolExecutor(chosen.at_once) as callers:
        for _ in range(chosen.at_once):
            callers.submit(one, stack, results, results.at_once)
    until = time.monotonic() + SETTLED_WITHIN
    while (left := stack.live()) and time.monotonic() < until:
        time.sleep(1)  # looked at from outside, once a second
    rows = {
        "create in a row": results.create,
        "docker run to the first answer of DevTools": results.floor,
        "READY written to answered": results.wake,
        "release": results.release,
        f"create, {chosen.at_once} at once": results.at_once,
    }
    for what, values in rows.items():
        if values:
            quantiles = ", ".join(f"p{round(part * 100)} {quantile(values, part):.0f}" for part in (0.5, 0.95, 0.99))
            sys.stdout.write(f"{what}: {len(values)} of them, {quantiles} ms\n")
    for part in (0.5, 0.95):
        ratio = quantile(results.create, part) / quantile(results.floor, part)
        sys.stdout.write(f"create / floor, p{round(part * 100)}: {ratio:.2f}\n")
    sys.stdout.write(f"failed: {results.failed}\nlive afterwards: {left}\n")
    return 1 if results.failed or left else 0


if __name__ == "__main__":
    sys.exit(main())
