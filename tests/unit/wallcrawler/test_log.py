"""What a log line shows, and what it never does."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog

from wallcrawler import log as logs
from wallcrawler.local.blobs import DirectoryBlobs
from wallcrawler.project import new_key
from wallcrawler.tokens import Signer

KEY = new_key()
TOKEN = Signer.generate().mint("session-1", "cdp", issued_at=0, expires_at=4e9)
PASSWORD = "p4ssw0rd-of-redis"


class Stderr:
    """What is written to it, read as often as one likes."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    @property
    def text(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Stderr]:
    """Afterwards logging is as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield Stderr(capsys)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


# -- Masking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {KEY} was used", "key wc_*** was used"),
        (f"({KEY}, {KEY})", "(wc_***, wc_***)"),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer ***"),
        (f"ws://127.0.0.1:9223/?signingKey={TOKEN}&x=1", "ws://127.0.0.1:9223/?signingKey=***&x=1"),
        ("GET /?signingKey=opaque HTTP/1.1", "GET /?signingKey=*** HTTP/1.1"),
        ("/?apiKey=opaque&a=b", "/?apiKey=***&a=b"),
        ("/?APIKEY=opaque", "/?APIKEY=***"),
        ("https://s3/b/k?X-Amz-Signature=0af9&X-Amz-Date=1", "https://s3/b/k?X-Amz-Signature=***&X-Amz-Date=1"),
        ("?X-Amz-Security-Token=FwoG%2F", "?X-Amz-Security-Token=***"),
        (f"redis://:{PASSWORD}@127.0.0.1:6379/0", "redis://:***@127.0.0.1:6379/0"),
        (f"redis://user:{PASSWORD}@redis", "redis://user:***@redis"),
        (f"http://proxy-user:{PASSWORD}@proxy:3128", "http://proxy-user:***@proxy:3128"),
        ("http://127.0.0.1:8080/v1/sessions", "http://127.0.0.1:8080/v1/sessions"),
        ("mail@example.com wrote to https://example.com/@someone", "mail@example.com wrote to https://example.com/@someone"),
        ("wc_short is no key", "wc_short is no key"),
        ("", ""),
    ],
    ids=count(),
)  # fmt: skip
def test_secrets_in_texts_are_masked(text: str, shown: str) -> None:
    """By their shape, wherever they stand, and nothing else is."""
    assert logs.mask(text) == shown


def test_a_signed_blob_url_is_masked(tmp_path: Path) -> None:
    """Whoever reads the log could else fetch the blob."""
    url = DirectoryBlobs(tmp_path, base_url="http://api", secret=b"s").url("profile", method="GET", seconds=60)
    signature = url.rpartition("=")[2]

    assert signature not in logs.mask(f"fetching {url} failed")


@pytest.mark.parametrize("fmt", ["json", "console"])
@pytest.mark.parametrize(
    "name",
    [
        "token",
        "guest_token",
        "guestToken",
        "signing_key",
        "signingKey",
        "api_key",
        "apiKey",
        "password",
        "secret",
        "blob_secret",
        "authorization",
        "Authorization",
        "connect_url",
        "connectUrl",
        "X-BB-API-Key",
        "x-bb-signing-key",
    ],
)
def test_what_is_called_a_secret_is_not_shown(stderr: Stderr, fmt: logs.Format, name: str) -> None:
    """A value of any shape, under a name that says what it is: as a field, and below others."""
    logs.configure(service="api", fmt=fmt)

    logs.get().info(
        "request.seen", **{name: "opaque"}, request={"headers": [{name: "opaque"}]}, pair=({name: "opaque"},)
    )

    assert "opaque" not in stderr.text
    assert stderr.text.count("***") == 3


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_secrets_are_masked_in_whatever_is_logged(stderr: Stderr, fmt: logs.Format) -> None:
    """In nested values, in lists, in tracebacks, in the lines of libraries."""
    logs.configure(service="api", fmt=fmt)
    url = f"redis://:{PASSWORD}@127.0.0.1"

    logs.get().info("a.fact", nested={"a": [{"b": f"ws://x/?signingKey={TOKEN}"}]}, listed=[KEY], pair=(KEY, 1))
    try:
        raise ConnectionError(f"can't reach {url} with {KEY}")
    except ConnectionError:
        logs.get().exception("a.failure")
    logging.getLogger("library").warning("retrying %s with %s", url, TOKEN)

    for secret in (KEY, TOKEN, PASSWORD):
        assert secret not in stderr.text
    assert "can't reach redis://:***@127.0.0.1" in stderr.text


@pytest.mark.parametrize("fmt", ["json", "console"])
@pytest.mark.parametrize("kind", [ValueError, Path, str.encode])
def test_secrets_are_masked_in_what_is_no_text(stderr: Stderr, fmt: logs.Format, kind: Any) -> None:
    """A value that is shown by its text, or its repr, is masked as if it had been one."""
    logs.configure(service="api", fmt=fmt)

    logs.get().info("a.failure", why=kind(f"no use for {KEY}"), nested=[{"why": kind(KEY)}])

    assert KEY not in stderr.text
    assert "no use for" in stderr.text


# -- Lines ------------------------------------------------------------------------------------------------------------


def test_a_line_is_one_json_object(stderr: Stderr) -> None:
    """With the time, the level, the service, the event and its facts."""
    logs.configure(service="notifier", fmt="json")

    logs.get().warning("bell.lost", why="a reason\nof two lines", count=3)

    [line] = stderr.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "bell.lost",
        "level": "warning",
        "service": "notifier",
        "why": "a reason\nof two lines",
        "count": 3,
    }


def test_a_line_for_a_terminal_is_plain_where_there_is_no_terminal(stderr: Stderr) -> None:
    """No colours in a file, and everything on it that JSON has."""
    logs.configure(service="api", fmt="console")

    with logs.about(session_id="session-1"):
        logs.get().info("session.ready", seconds=0.3)

    [line] = stderr.text.splitlines()
    assert "\x1b" not in line
    for part in ("info", "session.ready", "seconds=0.3", "session_id=session-1", "service=api"):
        assert part in line


def test_ids_come_from_the_context(stderr: Stderr) -> None:
    """Whoever takes up a task binds the id once; inside, every line has it, and afterwards none."""
    logs.configure(service="api", fmt="json")

    with logs.about(session_id="session-1", project_id=None):
        logs.get().info("inside")
        with logs.about(session_id="session-2", project_id="project-1"):
            logs.get().info("deeper")
        logs.get().info("inside again")
    logs.get().info("outside")

    ids = [(line["event"], line.get("session_id"), line.get("project_id")) for line in stderr.lines]
    assert ids == [
        ("inside", "session-1", None),
        ("deeper", "session-2", "project-1"),
        ("inside again", "session-1", None),
        ("outside", None, None),
    ]


def test_ids_of_one_thread_are_not_those_of_another(stderr: Stderr) -> None:
    """The service is on every line of the process, the session only on those of who works on it."""
    logs.configure(service="api", fmt="json")

    with logs.about(session_id="session-1"):
        thread = threading.Thread(target=lambda: logs.get().info("elsewhere"))
        thread.start()
        thread.join(5)

    [line] = stderr.lines
    assert line["service"] == "api"
    assert "session_id" not in line


@pytest.mark.parametrize(
    ("level", "shown"),
    [("DEBUG", ["debug", "info", "warning", "error"]), ("WARNING", ["warning", "error"]), ("error", ["error"])],
)
def test_what_is_below_the_level_is_not_written(stderr: Stderr, level: str, shown: list[str]) -> None:
    """And what is at it or above is."""
    logs.configure(service="api", fmt="json", level=level)

    for name in ("debug", "info", "warning", "error"):
        getattr(logs.get(), name)("a.fact")

    assert [line["level"] for line in stderr.lines] == shown


def test_libraries_are_heard_when_something_is_wrong(stderr: Stderr) -> None:
    """Their warnings come out as our lines do, with the traceback, and their chatter does not."""
    logs.configure(service="worker", fmt="json")

    logging.getLogger("kombu").info("connected")
    logging.getLogger("kombu").warning("connection %s", "lost")
    try:
        raise OSError("no route")
    except OSError:
        logging.getLogger("kombu").exception("gave up")

    warning, error = stderr.lines
    assert (warning["level"], warning["text"], warning["service"]) == ("warning", "connection lost", "worker")
    assert "OSError: no route" in error["exception"]
