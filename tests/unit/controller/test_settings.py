"""What a guest is told by its environment."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from controller import settings
from controller.settings import GuestSettings, find_chrome

NEEDED = {
    "WALLCRAWLER_SESSION_ID": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
    "WALLCRAWLER_API_URL": "http://api:8080/",
    "WALLCRAWLER_GUEST_TOKEN": "header.claims.signature",
    "WALLCRAWLER_CHROME": "/usr/bin/chromium",
}


def load(**others: str) -> GuestSettings:
    return GuestSettings.from_environment(NEEDED | others)


def test_session_api_and_token_are_enough() -> None:
    """In a container the rest is known: one port, every address, JSON logs."""
    loaded = load()

    assert loaded.session_id == NEEDED["WALLCRAWLER_SESSION_ID"]
    assert loaded.api_url == "http://api:8080"
    assert (loaded.host, loaded.port, loaded.loopback_port) == ("0.0.0.0", 9223, 0)
    assert (loaded.log_format, loaded.log_level) == ("json", "INFO")
    assert loaded.run_dir == Path(tempfile.gettempdir())


def test_everything_can_be_set() -> None:
    """By the variables that the fleet passes on."""
    loaded = load(
        WALLCRAWLER_GUEST_HOST="127.0.0.1",
        WALLCRAWLER_GUEST_PORT="0",
        WALLCRAWLER_GUEST_LOOPBACK_PORT="8081",
        WALLCRAWLER_RUN_DIR="/run/wc",
        WALLCRAWLER_LOG_FORMAT="console",
        WALLCRAWLER_LOG_LEVEL="DEBUG",
    )

    assert (loaded.host, loaded.port, loaded.loopback_port) == ("127.0.0.1", 0, 8081)
    assert loaded.chrome == "/usr/bin/chromium"
    assert (loaded.log_format, loaded.log_level) == ("console", "DEBUG")
    assert loaded.directory == Path("/run/wc/0f1e2d3c-4b5a")


def test_what_pages_never_reach_is_the_control_plane() -> None:
    """The API, the guest's own second port, and what the platform names."""
    loaded = load(WALLCRAWLER_GUEST_LOOPBACK_PORT="8081", WALLCRAWLER_EGRESS_CLOSED="redis:6379,gateway:9222")

    assert loaded.internal == ("api:8080", "localhost:8081", "redis:6379", "gateway:9222")
    assert load(WALLCRAWLER_API_URL="https://api.example/prefix").internal == ("api.example:443",)
    assert load(WALLCRAWLER_API_URL="http://[fd00::1]").internal == ("[fd00::1]:80",)


@pytest.mark.parametrize("missing", ["WALLCRAWLER_SESSION_ID", "WALLCRAWLER_API_URL", "WALLCRAWLER_GUEST_TOKEN"])
@pytest.mark.parametrize("how", ["unset", "empty"])
def test_what_is_missing_is_named(missing: str, how: str) -> None:
    """Before anything is started."""
    environment = {name: value for name, value in NEEDED.items() if name != missing}
    if how == "empty":
        environment[missing] = ""

    with pytest.raises(ValueError, match=f"^{missing} must be set$"):
        GuestSettings.from_environment(environment)


def test_everything_that_is_missing_is_named_at_once() -> None:
    """Nobody wants to be told one by one."""
    with pytest.raises(ValueError, match="SESSION_ID and WALLCRAWLER_API_URL and WALLCRAWLER_GUEST_TOKEN must be set"):
        GuestSettings.from_environment({})


@pytest.mark.parametrize("name", ["WALLCRAWLER_GUEST_PORT", "WALLCRAWLER_GUEST_LOOPBACK_PORT"])
@pytest.mark.parametrize("port", ["-1", "65536", "http", "80.0", " 80", "²", ""])
def test_a_port_that_is_none_is_named(name: str, port: str) -> None:
    """With what it is."""
    with pytest.raises(ValueError, match=f"{name} must be a port"):
        load(**{name: port})


def test_a_log_format_that_is_none_is_named() -> None:
    """With what there are."""
    with pytest.raises(ValueError, match="WALLCRAWLER_LOG_FORMAT must be json or console"):
        load(WALLCRAWLER_LOG_FORMAT="xml")


def test_a_log_level_that_is_none_is_named() -> None:
    """Rather than ending the guest with a traceback when it logs its first line."""
    with pytest.raises(ValueError, match="WALLCRAWLER_LOG_LEVEL"):
        load(WALLCRAWLER_LOG_LEVEL="LOUD")


def test_the_token_is_not_shown() -> None:
    """By a repr, which ends up in tracebacks."""
    assert "signature" not in repr(load())


def test_chromium_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no variable names it, the usual names are looked for."""
    chromium = tmp_path / "chromium"
    chromium.write_text("#!/bin/sh\n")
    chromium.chmod(0o755)
    monkeypatch.setattr(settings, "CHROMES", ("/no/such/chromium", "chromium"))
    monkeypatch.setenv("PATH", str(tmp_path))

    found = load(WALLCRAWLER_CHROME="").chrome

    assert found == str(chromium) == find_chrome()


def test_a_machine_without_chromium_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the variable and the package."""
    monkeypatch.setattr(settings, "CHROMES", ("no-such-chromium",))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ValueError, match="WALLCRAWLER_CHROME: no Chromium found; install the package chromium"):
        load(WALLCRAWLER_CHROME="")
