"""How Chrome is started, what it knows of the world, and what its end is called."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from controller import chrome
from controller.chrome import ENOUGH_SHM, FLAGS, WINDOW_TOP, Chrome, ChromeDied, diagnose, environment, switches
from tests.eventually import eventually
from wallcrawler.lifecycle import Reason
from wallcrawler.tokens import Signer

HERE = Path("/run/wc/session-1")


def chosen(**different: object) -> list[str]:
    common: dict[str, object] = {"directory": HERE, "viewport": (1280, 720), "sandbox": True, "shm": ENOUGH_SHM}
    return switches(**common | different)  # type: ignore[arg-type]


# -- Switches ---------------------------------------------------------------------------------------------------------


def test_a_session_has_its_own_profile_and_any_port() -> None:
    """Remote debugging is refused on the default profile, and two sessions never meet in one."""
    line = chosen()

    assert f"--user-data-dir={HERE}/profile" in line
    assert "--remote-debugging-port=0" in line
    assert set(FLAGS) < set(line)


@pytest.mark.parametrize(
    ("viewport", "screen"),
    [((1280, 720), "1920x1080"), ((320, 240), "1920x1080"), ((2560, 1440), f"2560x{1440 + WINDOW_TOP}")],
)
def test_the_window_is_as_much_larger_as_chrome_itself(viewport: tuple[int, int], screen: str) -> None:
    """So that the page has the asked size, on a screen that holds it."""
    line = chosen(viewport=viewport)

    assert f"--window-size={viewport[0]},{viewport[1] + WINDOW_TOP}" in line
    assert f"--screen-info={{{screen}}}" in line


@pytest.mark.parametrize("sandbox", [True, False])
def test_the_sandbox_is_on_where_it_can_be(sandbox: bool) -> None:
    """For whom it does not work; the bar that warns of it is hidden, it would take its height from the page."""
    line = chosen(sandbox=sandbox)

    assert ("--no-sandbox" in line) is not sandbox
    assert ("--test-type" in line) is not sandbox


@pytest.mark.parametrize(
    ("shm", "avoided"), [(0, True), (64 << 20, True), (ENOUGH_SHM - 1, True), (ENOUGH_SHM, False), (8 << 30, False)]
)
def test_a_small_shared_memory_is_not_used(shm: int, avoided: bool) -> None:
    """Containers have 64 MB of it, and a page then crashes."""
    assert ("--disable-dev-shm-usage" in chosen(shm=shm)) is avoided


@pytest.mark.parametrize("ignored", [True, False])
def test_certificate_errors_count_unless_they_are_not_to(ignored: bool) -> None:
    """The default is the safe one."""
    assert ("--ignore-certificate-errors" in chosen(ignore_certificate_errors=ignored)) is ignored
    assert "--ignore-certificate-errors" not in chosen()


@pytest.mark.parametrize(
    "flag", ["--disable-extensions", "--single-process", "--remote-allow-origins", "--disable-web-security"]
)
def test_flags_that_would_break_clients_or_sessions_are_not_there(flag: str) -> None:
    """Stagehand brings an extension; a second context must not end Chrome; pages must not read each other."""
    assert not any(part.startswith(flag) for part in chosen(sandbox=False, shm=0, ignore_certificate_errors=True))


def test_one_list_of_disabled_features() -> None:
    """Chrome takes the last one, so that a second would undo the first."""
    assert sum(flag.startswith("--disable-features=") for flag in chosen(sandbox=False, shm=0)) == 1


# -- What it knows ----------------------------------------------------------------------------------------------------


def test_nothing_of_our_environment_reaches_chrome(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hostile pages live in it: no token, no key, no proxy, no home of ours."""
    for name in ("WALLCRAWLER_GUEST_TOKEN", "AWS_SECRET_ACCESS_KEY", "REDIS_URL", "HTTPS_PROXY", "LD_PRELOAD"):
        monkeypatch.setenv(name, "secret")

    known = environment(HERE)

    assert known == {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(HERE),
        "TMPDIR": str(HERE),
        "XDG_RUNTIME_DIR": str(HERE),
    }


# -- What its end is called -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "oom_kills", "last_words", "reason", "sentence"),
    [
        (-signal.SIGKILL, 1, "", Reason.OUT_OF_MEMORY, "the kernel ended Chrome for want of memory"),
        (-signal.SIGKILL, 0, "", Reason.BROWSER_CRASHED, "Chrome ended with signal SIGKILL"),
        (-signal.SIGSEGV, 0, "", Reason.BROWSER_CRASHED, "Chrome ended with signal SIGSEGV"),
        (-signal.SIGSEGV, 3, "", Reason.BROWSER_CRASHED, "Chrome ended with signal SIGSEGV"),
        (-signal.SIGTRAP, 0, "a check", Reason.BROWSER_CRASHED, "Chrome ended with signal SIGTRAP; it said: a check"),
        (7, 0, "no display", Reason.BROWSER_CRASHED, "Chrome ended with exit status 7; it said: no display"),
        (0, 0, "", Reason.BROWSER_CRASHED, "Chrome ended with exit status 0"),
        (127, 2, "", Reason.BROWSER_CRASHED, "Chrome ended with exit status 127"),
    ],
)
def test_diagnosis(status: int, oom_kills: int, last_words: str, reason: Reason, sentence: str) -> None:
    """Memory only where the kernel says so, else a crash, in a sentence for the history."""
    assert diagnose(status, oom_kills=oom_kills, last_words=last_words) == (reason, sentence)


@pytest.mark.parametrize("status", [-64, -40, -34, -31, -1, 0, 1, 255])
def test_there_is_a_diagnosis_for_every_end(status: int) -> None:
    """Also for signals that have no name."""
    reason, sentence = diagnose(status, oom_kills=0, last_words="")

    assert reason is Reason.BROWSER_CRASHED
    assert sentence.startswith("Chrome ended with ")


def test_chromes_last_words_hold_no_secret() -> None:
    """It prints addresses that it could not open."""
    token = Signer.generate().mint("session-1", "cdp", issued_at=0, expires_at=4e9)

    _, sentence = diagnose(1, oom_kills=0, last_words=f"failed to load ws://x/?signingKey={token}")

    assert token not in sentence


# -- A process that is not Chrome ------------------------------------------------------------------------------------


LISTENING = "DevTools listening on ws://127.0.0.1:4567/devtools/browser/ab-cd"


def script(folder: Path, body: str) -> str:
    path = folder / "chrome.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_endpoint_is_read_from_its_stderr(tmp_path: Path) -> None:
    """As soon as Chrome says so, between other lines; nothing polls."""
    binary = script(tmp_path, f"echo '[1:1] a warning' >&2; echo '{LISTENING}' >&2; exec cat")

    async def life() -> chrome.Endpoint:
        running = await Chrome.start(binary, [], tmp_path / "session", environment(tmp_path / "session"))
        try:
            return await asyncio.wait_for(running.endpoint(), 5)
        finally:
            await running.kill()

    assert asyncio.run(life()) == chrome.Endpoint(4567, "/devtools/browser/ab-cd")
    assert (tmp_path / "session" / "profile").stat().st_mode & 0o777 == 0o700


def test_a_chrome_that_dies_before_it_listens_says_why(tmp_path: Path) -> None:
    """With its status and its last words, at once."""
    binary = script(tmp_path, "echo 'no display today' >&2; exit 7")

    async def life() -> None:
        running = await Chrome.start(binary, [], tmp_path / "session", environment(tmp_path / "session"))
        await asyncio.wait_for(running.endpoint(), 5)

    with pytest.raises(ChromeDied) as died:
        asyncio.run(life())
    assert died.value.reason is Reason.BROWSER_CRASHED
    assert str(died.value) == "Chrome ended with exit status 7; it said: no display today"


def test_a_binary_that_is_not_there_is_a_death_too(tmp_path: Path) -> None:
    """Whatever setpriv would have printed, the session's reason names the binary."""
    missing = str(tmp_path / "nowhere" / "chromium")

    async def life() -> None:
        running = await Chrome.start(missing, [], tmp_path / "session", environment(tmp_path / "session"))
        await asyncio.wait_for(running.endpoint(), 5)

    with pytest.raises(ChromeDied, match=missing) as died:
        asyncio.run(life())
    assert died.value.reason is Reason.BROWSER_CRASHED


def test_all_of_it_is_gone_when_it_is_killed(tmp_path: Path) -> None:
    """Children as well, and killing again is no error."""
    binary = script(tmp_path, f"sleep 600 & echo $! > child; echo '{LISTENING}' >&2; exec sleep 600")

    async def life() -> None:
        running = await Chrome.start(binary, [], tmp_path / "session", environment(tmp_path / "session"))
        await asyncio.wait_for(running.endpoint(), 5)
        await running.kill()
        await running.kill()

    asyncio.run(life())

    child = int((tmp_path / "session" / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    eventually(lambda: not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z")
