"""The whole of compose.yaml, under a name and on ports of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from testcontainers.compose import DockerCompose

ROOT = Path(__file__).parents[2]


def need_docker() -> None:
    """Skip the test, loudly, where no Docker engine answers; fail it in CI."""
    found = (
        shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, timeout=60).returncode == 0
    )
    if found:
        return
    if os.environ.get("CI"):
        pytest.fail("CI has no Docker engine: these tests must run there")
    pytest.skip("NO DOCKER ENGINE ANSWERS ON THIS MACHINE")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """A running stack, and how tests look at it and hurt it."""

    def __init__(self, name: str, url: str, api_key: str, compose: DockerCompose) -> None:
        self.name = name
        self.url = url
        self.api_key = api_key
        self._compose = compose
        self.http = httpx.Client(base_url=url, headers={"X-BB-API-Key": api_key}, timeout=60)

    def docker(self, *arguments: str) -> str:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=True).stdout

    def compose(self, *arguments: str) -> None:
        subprocess.run(
            [*self._compose.compose_command_property, *arguments],
            cwd=ROOT,
            capture_output=True,
            timeout=240,
            check=True,
        )

    def containers(self, service: str) -> list[str]:
        """Names of the service's running containers."""
        wanted = f"label=com.docker.compose.service={service}"
        return self.docker(
            "ps",
            "--filter",
            f"label=com.docker.compose.project={self.name}",
            "--filter",
            wanted,
            "--format",
            "{{.Names}}",
        ).split()

    def browsers(self) -> list[str]:
        """Names of the containers of browsers, those that have ended included."""
        return [name for name in self._on_network("-a") if "-browser-" in name]

    def address(self, service: str) -> str:
        """The service's address, which says more than a name that is not found."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        return self.docker("inspect", "-f", form, self.containers(service)[0]).split()[0]

    def _on_network(self, *more: str) -> list[str]:
        return self.docker("ps", *more, "--filter", f"network={self.name}-browsers", "--format", "{{.Names}}").split()

    def create(self, **body: Any) -> dict[str, Any]:
        answer = self.http.post("/v1/sessions", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def retrieve(self, session_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"/v1/sessions/{session_id}").raise_for_status().json())

    def release(self, session_id: str) -> dict[str, Any]:
        answer = self.http.post(f"/v1/sessions/{session_id}", json={"status": "REQUEST_RELEASE"})
        return dict(answer.raise_for_status().json())

    def events(self, session_id: str) -> list[str]:
        return [entry["event"] for entry in self.http.get(f"/v1/sessions/{session_id}/events").json()]

    def settled(self) -> bool:
        """Nothing lives, nothing runs."""
        running = [one for one in self.http.get("/v1/sessions").json() if one["status"] in {"PENDING", "RUNNING"}]
        return not running and not self.browsers()

    def faults(self, **faults: Any) -> None:
        """Switch these faults of localaws on and all others off. From inside: it publishes no port."""
        program = (
            "import sys, urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:4570/_localaws/faults', "
            "sys.argv[1].encode(), {'content-type': 'application/json'}))"
        )
        body = json.dumps({"duplicate": 0, "delay": 0, "run_task_failure": None} | faults)
        self.docker("exec", self.containers("localaws")[0], "python3", "-c", program, body)


@contextmanager
def running() -> Iterator[Stack]:
    """`docker compose up --build --wait`, and at the end `down -v`, after which no container is left."""
    name, port, gateway = f"wc-test-{secrets.token_hex(4)}", free_port(), free_port()
    api_key = f"wc_{secrets.token_urlsafe(24)}"
    with tempfile.NamedTemporaryFile("w", suffix=".env") as env:
        env.write(f"COMPOSE_PROJECT_NAME={name}\nWALLCRAWLER_PORT={port}\nWALLCRAWLER_GATEWAY_PORT={gateway}\n")
        env.write(f"WALLCRAWLER_API_KEY={api_key}\nWALLCRAWLER_CONCURRENCY=20\n")
        env.flush()
        compose = DockerCompose(ROOT, "compose.yaml", build=True, wait=True, env_file=env.name)
        stack = Stack(name, f"http://127.0.0.1:{port}", api_key, compose)
        try:
            compose.start()
            with stack.http:
                yield stack
        finally:
            compose.stop()
