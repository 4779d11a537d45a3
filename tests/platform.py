"""A running Wallcrawler for tests: real API, real Celery, real Valkey, and a client that speaks to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from services.embedded import Embedded
from wallcrawler.lifecycle import LIVE
from wallcrawler.ports import Fleet
from wallcrawler.settings import Settings

CHROMES = ("/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome")


def need_chrome() -> None:
    """Skip the test, loudly, on a machine without Chromium; fail it in CI."""
    if os.environ.get("WALLCRAWLER_CHROME") or any(shutil.which(chrome) for chrome in CHROMES):
        return
    if os.environ.get("CI"):
        pytest.fail("CI has no Chromium: these tests must run there")
    pytest.skip("NO CHROMIUM ON THIS MACHINE: apt-get install chromium")


def need_chromedriver() -> None:
    """Likewise, for Selenium's."""
    if shutil.which("chromedriver"):
        return
    if os.environ.get("CI"):
        pytest.fail("CI has no chromedriver: these tests must run there")
    pytest.skip("NO CHROMEDRIVER ON THIS MACHINE: apt-get install chromium-driver")


class Platform:
    """One instance, and how tests look at it."""

    def __init__(self, instance: Embedded) -> None:
        self.instance = instance
        self.ports = instance.ports
        self.url = instance.access.url
        self.api_key = instance.access.api_key
        self.project_id = instance.access.project.id
        self.http = httpx.Client(
            base_url=self.url,
            headers={"X-BB-API-Key": self.api_key},
            timeout=60,
            limits=httpx.Limits(max_connections=200),
        )

    def create(self, **body: Any) -> dict[str, Any]:
        answer = self.http.post("/v1/sessions", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def create_many(self, count: int, **body: Any) -> list[httpx.Response]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self.http.post("/v1/sessions", json=body), range(count)))

    def retrieve(self, session_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"/v1/sessions/{session_id}").raise_for_status().json())

    def release(self, session_id: str) -> httpx.Response:
        return self.http.post(f"/v1/sessions/{session_id}", json={"status": "REQUEST_RELEASE"})

    def history(self, session_id: str) -> list[dict[str, Any]]:
        return list(self.http.get(f"/v1/sessions/{session_id}/events").raise_for_status().json())

    def events(self, session_id: str) -> list[str]:
        return [entry["event"] for entry in self.history(session_id)]

    def ended(self, session_id: str) -> bool:
        return "endedReason" in (session := self.retrieve(session_id)) and "endedAt" in session

    def live(self) -> int:
        """Live sessions, counted from their records."""
        return sum(1 for state in LIVE for _ in self.ports.sessions.in_state(state))

    def counted(self) -> int:
        """Live sessions, as the project counts them."""
        return self.ports.catalog.project(self.project_id).active

    def settled(self) -> bool:
        """The invariant: nothing lives, nothing runs, and the count agrees."""
        return self.live() == 0 and self.counted() == 0 and not self.ports.fleet.tasks()

    def chromes(self) -> list[psutil.Process]:
        """Every process of a Chrome of this instance."""
        home_run_dir = str(self.run_dir) + os.sep
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(home_run_dir in argument for argument in process.info["cmdline"] or ())
        ]

    @property
    def run_dir(self) -> Path:
        run_dir = self.instance.settings.run_dir
        assert run_dir is not None
        return run_dir


@contextmanager
def running(
    home: Path, *, fleet: Fleet | None = None, kind: type[Embedded] = Embedded, **settings: Any
) -> Iterator[Platform]:
    """An instance in `home`. Settings are taken as they are, so that a test may set a shorter time than a user may."""
    defaults = {"home": home / "home", "run_dir": _short(home), "port": 0, "log_level": "WARNING"}
    loaded = Settings.load(home=home).model_copy(update=defaults | settings)
    with kind(loaded, fleet=fleet) as instance:
        platform = Platform(instance)
        with platform.http:
            yield platform


def _short(home: Path) -> Path:
    """A run directory with a path that Unix sockets fit into."""
    return Path("/tmp") / f"wc-test-{os.getpid()}-{abs(hash(str(home))) % 10**8}"
