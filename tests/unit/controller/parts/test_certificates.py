"""The guest's certificates: a database in Chrome's home, or a sentence that says what is missing."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.parts import Launch, PartFailed
from controller.parts.certificates import REMEDY, TOOL, Certificates
from tests.authority import issue
from tests.unit.controller.parts.guests import ASSIGNMENT, a_guest

needs_the_tool = pytest.mark.skipif(
    shutil.which(TOOL) is None and not os.environ.get("CI"), reason=f"NO CERTUTIL ON THIS MACHINE: {REMEDY}"
)


def prepared(folder: Path, plan: dict[str, Any]) -> Path:
    """The home of a Chrome whose session has this plan."""
    home = folder / "home"
    home.mkdir()
    guest = replace(a_guest(folder, None, []), assignment=replace(ASSIGNMENT, plan=plan))
    launch = Launch(folder, [], {"HOME": str(home), "PATH": os.defpath})
    asyncio.run(Certificates(guest).prepare(launch))
    return home


def trusted(home: Path) -> list[str]:
    """The names and the trust of what is in the home's database."""
    command = [TOOL, "-L", "-d", f"sql:{home}/.pki/nssdb"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(" ".join(line.split()) for line in lines if line.startswith("certificate "))


@needs_the_tool
def test_each_certificate_is_in_the_database_of_chromes_home(tmp_path: Path) -> None:
    """As authorities and as servers, in a folder that is its owner's alone."""
    pem = (issue("one").pem + issue("two").pem).decode()

    home = prepared(tmp_path, {"certificates": {"pem": pem}})

    assert trusted(home) == ["certificate 0 CP,,", "certificate 1 CP,,"]
    assert stat.S_IMODE((home / ".pki/nssdb").stat().st_mode) == 0o700


def test_a_session_without_certificates_has_no_database(tmp_path: Path) -> None:
    """And pays for none."""
    home = prepared(tmp_path, {})

    assert list(home.iterdir()) == []


def test_without_the_tool_the_session_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can't be what was asked for, and somebody can run the answer."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PartFailed) as failed:
        prepared(tmp_path, {"certificates": {"pem": issue("one").pem.decode()}})

    assert failed.value.reason == f"launch_failed:certificates: {REMEDY}"
    assert "apt-get install libnss3-tools" in REMEDY


@needs_the_tool
def test_what_the_tool_refuses_is_said(tmp_path: Path) -> None:
    """In its own words."""
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

    with pytest.raises(PartFailed, match="certificates: certutil said: "):
        prepared(tmp_path, {"certificates": {"pem": pem}})
