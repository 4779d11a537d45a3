"""WebDriver's answers of a guest that has no chromedriver, or none that runs yet."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from controller.chrome import Endpoint
from controller.parts import Browser, Request
from controller.parts.selenium import Selenium
from controller.webdriver import driver
from tests.unit.controller.parts.guests import a_guest
from wallcrawler.wire.caller import Caller, Head


class Asked(Caller):
    """A caller whose body is there, and whose answer is kept."""

    def __init__(self, body: bytes = b"") -> None:
        super().__init__()
        self._body = body
        self.answered: tuple[int, Any] = (0, None)

    async def serve(self, head: Head) -> None:
        raise AssertionError("its request is read already")

    async def body(self, limit: int) -> bytes:
        assert limit >= len(self._body)
        return self._body

    def answer(self, status: int, body: object) -> None:
        self.answered = status, body


@pytest.fixture
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "CHROMEDRIVERS", ("no-such-chromedriver",))


def asked(folder: Path, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    async def run() -> tuple[int, Any]:
        part = Selenium(a_guest(folder, None, []))
        await part.begin(cast("Browser", SimpleNamespace(endpoint=Endpoint(9, "/devtools/browser/b"))))
        caller = Asked(body)
        await part.handlers["webdriver"](Request(Head(method, path, []), path, "", "cdp", caller))
        await part.close()
        return caller.answered

    return asyncio.run(run())


def refused(answer: tuple[int, Any]) -> tuple[int, str, str]:
    """Status, error and message, in the shape that WebDriver clients read."""
    status, body = answer
    assert body["value"].keys() == {"error", "message", "stacktrace"}
    return status, body["value"]["error"], body["value"]["message"]


@pytest.mark.usefixtures("_nothing_installed")
def test_a_server_without_chromedriver_says_what_is_missing(tmp_path: Path) -> None:
    """501, and the package by its name."""
    status, error, message = refused(asked(tmp_path, "POST", "/session", b"{}"))

    assert (status, error) == (501, "session not created")
    assert "chromium-driver" in message


def test_it_is_ready_without_having_started_anything(tmp_path: Path) -> None:
    """Clients ask this before they begin."""
    status, body = asked(tmp_path, "GET", "/status")

    assert (status, body["value"]["ready"]) == (200, True)


@pytest.mark.parametrize("path", ["/session/abc", "/session/abc/url"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_session_that_nobody_began(tmp_path: Path, method: str, path: str) -> None:
    """In WebDriver's own words, so that clients raise what they raise elsewhere."""
    assert refused(asked(tmp_path, method, path))[:2] == (404, "invalid session id")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/sessions"), ("GET", "/session"), ("POST", "/shutdown"), ("GET", "/a/b")],
)
def test_no_other_command_of_chromedriver_is_reached(tmp_path: Path, method: str, path: str) -> None:
    """Neither its list of sessions, which holds internal addresses, nor its end."""
    assert refused(asked(tmp_path, method, path))[:2] == (404, "unknown command")


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 10_000])
def test_a_body_that_is_no_json(tmp_path: Path, body: bytes) -> None:
    """400, and nothing was started."""
    assert refused(asked(tmp_path, "POST", "/session", body))[:2] == (400, "invalid argument")


def test_a_proxy_that_would_not_be_used(tmp_path: Path) -> None:
    """400 as well: what it hides would be shown."""
    wish = {"capabilities": {"alwaysMatch": {"proxy": {"proxyType": "manual", "httpProxy": "p:1"}}}}

    status, error, message = refused(asked(tmp_path, "POST", "/session", json.dumps(wish).encode()))

    assert (status, error) == (400, "invalid argument")
    assert "proxy" in message
