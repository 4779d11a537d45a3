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

from tests.conformance import programs
from tests.eventually import eventually
from tests.instances import bb, chrome, platform

__all__ = ["bb", "chrome", "platform"]


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
