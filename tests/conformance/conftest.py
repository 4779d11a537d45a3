from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browserbase import Browserbase

from tests.conformance import programs
from tests.eventually import eventually
from tests.platform import Platform, need_chrome, running


@pytest.fixture(autouse=True, scope="session")
def _chrome() -> None:
    need_chrome()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A whole instance with real browsers, shared by a module's tests."""
    with running(tmp_path_factory.mktemp("conformance"), concurrency=20) as platform:
        yield platform


@pytest.fixture
def bb(platform: Platform) -> Iterator[Browserbase]:
    """The unmodified SDK, which refuses every answer that is not exactly of its types."""
    with Browserbase(
        base_url=platform.url, api_key=platform.api_key, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a page of this machine, which sessions and fetches of an instance of this machine reach.

    A process serves it that is no child of this one: what this one and its children listen on is Wallcrawler itself,
    which nobody reaches.
    """
    folder, said = tmp_path_factory.mktemp("page"), tmp_path_factory.mktemp("said") / "log"
    (folder / "index.html").write_text("<title>a page</title><h1>of this machine</h1>")
    serve = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), "0"]
    orphan = f"{shlex.join(serve)} >{shlex.quote(str(said))} 2>&1 & echo $!"
    pid = int(subprocess.run(["sh", "-c", orphan], capture_output=True, text=True, check=True).stdout)
    try:
        eventually(lambda: "port" in said.read_text())
        found = re.search(r"port (\d+)", said.read_text())
        assert found is not None
        yield f"http://127.0.0.1:{found[1]}/"
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def node() -> Path:
    """The path of node, with all packages installed."""
    return programs.install()
