"""What can be set, and what is said of what can't."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wallcrawler.errors import SettingsError
from wallcrawler.settings import Settings, variable


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment that the tests run in."""
    for name in list(os.environ):
        if name.startswith("WALLCRAWLER_") or name == "REDIS_URL":
            monkeypatch.delenv(name)


def refused(**given: object) -> str:
    with pytest.raises(SettingsError) as wrong:
        Settings.load(**given)
    return str(wrong.value)


def test_nothing_has_to_be_set() -> None:
    """One machine, loopback, and the deadlines of the design."""
    settings = Settings.load()

    assert (settings.mode, settings.host, settings.port) == ("embedded", "127.0.0.1", 8080)
    assert (settings.create_deadline, settings.connect_within, settings.linger) == (45, 300, 1)
    assert (settings.default_timeout, settings.max_session_timeout) == (3600, 21_600)
    assert (settings.redis_url, settings.api_key, settings.chrome) == (None, None, None)
    assert settings.viewport_size == (1280, 720)


def test_every_field_is_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name in capitals; Redis has the name that every platform gives it."""
    monkeypatch.setenv("WALLCRAWLER_PORT", "9999")
    monkeypatch.setenv("WALLCRAWLER_VIEWPORT", "800x600")
    monkeypatch.setenv("WALLCRAWLER_CREATE_DEADLINE", "12.5")
    monkeypatch.setenv("REDIS_URL", "redis://:pass@redis:6379/0")

    settings = Settings.load()

    assert (settings.port, settings.viewport_size, settings.create_deadline) == (9999, (800, 600), 12.5)
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://:pass@redis:6379/0"


def test_what_is_given_stands_above_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command's option is what counts, for every field by its own name."""
    monkeypatch.setenv("WALLCRAWLER_PORT", "9999")
    monkeypatch.setenv("REDIS_URL", "redis://environment")

    settings = Settings.load(port=1234, redis_url="redis://given")

    assert settings.port == 1234
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://given"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files and CI write VARIABLE= for what they leave open."""
    for name in ("WALLCRAWLER_PORT", "WALLCRAWLER_API_KEY", "WALLCRAWLER_CHROME", "REDIS_URL"):
        monkeypatch.setenv(name, "")

    settings = Settings.load()

    assert (settings.port, settings.api_key, settings.chrome, settings.redis_url) == (8080, None, None, None)


def test_every_wrong_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody has to start four times to be told four things."""
    monkeypatch.setenv("WALLCRAWLER_PORT", "eighty")
    monkeypatch.setenv("WALLCRAWLER_VIEWPORT", "big")
    monkeypatch.setenv("WALLCRAWLER_CONCURRENCY", "0")
    monkeypatch.setenv("WALLCRAWLER_MODE", "cloudy")

    problems = refused()

    for name in ("WALLCRAWLER_PORT", "WALLCRAWLER_VIEWPORT", "WALLCRAWLER_CONCURRENCY", "WALLCRAWLER_MODE"):
        assert f"{name}: " in problems


def test_a_wrong_secret_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start-up errors end up in logs."""
    monkeypatch.setenv("WALLCRAWLER_API_KEY", "5hort")

    monkeypatch.setenv("WALLCRAWLER_PROXIES", "http://user:5hort@proxy.example/path")

    problems = refused()

    assert "WALLCRAWLER_API_KEY: " in problems
    assert "WALLCRAWLER_PROXIES: " in problems
    assert "5hort" not in problems


def test_secrets_are_not_shown_by_printing_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as text nor as what a debugger shows."""
    monkeypatch.setenv("WALLCRAWLER_API_KEY", "wc_do_not_show_me")
    monkeypatch.setenv("REDIS_URL", "redis://:hidden-too@redis")
    monkeypatch.setenv("WALLCRAWLER_PROXIES", "http://user:hidden-too@proxy.example")

    shown = f"{Settings.load()} {Settings.load()!r}"

    assert "do_not_show_me" not in shown
    assert "hidden-too" not in shown


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("port", [0, 65_535], [-1, 65_536]),
        ("concurrency", [1, 100_000], [0, 100_001]),
        ("default_timeout", [60, 21_600], [59, 21_601]),
        ("max_session_timeout", [60, 21_600], [59, 21_601]),
        ("create_deadline", [0.1, 55], [0, 56]),
        ("connect_within", [0.1, 1e9], [0, -1]),
        ("linger", [0, 60], [-0.1]),
        ("release_wait", [0, 30], [-1, 31]),
        ("reread_every", [0.1], [0]),
        ("sweep_every", [0.1], [0]),
        ("retention", [1], [0]),
        ("viewport", ["10x10", "12800x7200"], ["", "1x1", "1280", "1280x", "1280X720", "1280x720\n", " 1280x720"]),
        ("region", ["us-east-1", "ap-southeast-1"], ["mars-1", ""]),
        ("api_threads", [5, 2000], [4, 2001]),
        ("worker_threads", [1, 256], [0, 257]),
        ("mode", ["embedded", "compose", "aws"], ["cloudy", ""]),
        (
            "gateway_url",
            ["https://browsers.example", "http://10.0.0.1:8081/"],
            ["browsers.example", "ftp://x", "https://", "https://browsers.example/prefix"],
        ),
        ("guest_api_url", ["http://api:8080"], ["api:8080", ""]),
        ("launch_type", ["FARGATE", "EC2"], ["fargate"]),
        ("metrics_port", [0, 65_535], [-1, 65_536]),
        ("drain", [0, 300], [-1]),
        ("egress_private", ["auto", "allow", "refuse"], ["yes", ""]),
        ("egress_allow", ["", "intranet.example:443, 10.0.0.0/8"], ["a b", "10.0.0.1/8"]),
        ("egress_deny", ["*.example", "[fd00::/8]:80"], ["example.com:0"]),
        ("proxies", ["http://a, socks5://u:p@b:1"], ["ftp://a", "http://a/path"]),
        ("log_format", ["json", "console"], ["xml"]),
        ("log_level", ["DEBUG", "ERROR"], ["debug", "LOUD"]),
    ],
)
def test_every_setting_has_its_range(field: str, good: list[object], bad: list[object]) -> None:
    """The ends are in, what lies beyond is refused by name."""
    for value in good:
        Settings.load(**{field: value})
    for value in bad:
        assert refused(**{field: value}).startswith(f"{variable(field)}: ")


@pytest.mark.parametrize(
    ("host", "public_host", "reachable"),
    [
        ("127.0.0.1", None, "127.0.0.1"),
        ("0.0.0.0", None, "127.0.0.1"),
        ("10.0.0.7", None, "10.0.0.7"),
        ("0.0.0.0", "browsers.example", "browsers.example"),
    ],
)
def test_connect_urls_name_a_host_that_can_be_reached(host: str, public_host: str | None, reachable: str) -> None:
    """Nobody can connect to 0.0.0.0."""
    assert Settings.load(host=host, public_host=public_host).reachable_host == reachable


def test_the_home_is_a_real_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A tilde is whoever runs this."""
    monkeypatch.setenv("HOME", str(tmp_path))

    assert Settings.load().home_dir == (tmp_path / ".wallcrawler").resolve()


def test_settings_stay_as_they_were_loaded() -> None:
    """Nobody changes them under somebody else's feet."""
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().port = 1


@pytest.mark.parametrize(
    ("field", "name"), [("port", "WALLCRAWLER_PORT"), ("redis_url", "REDIS_URL"), ("REDIS_URL", "REDIS_URL")]
)
def test_the_variable_of_a_field(field: str, name: str) -> None:
    """As messages name it."""
    assert variable(field) == name
