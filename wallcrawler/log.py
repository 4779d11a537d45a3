"""Facts, one line each, as JSON or for a terminal.

Ids come from context: whoever takes up a request or a task binds `session_id` once, and every line below carries it.
Secrets are masked here, last, so that no caller has to remember to. docs/reference/log-messages.md explains every
event.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal

import structlog

Format = Literal["json", "console"]

#: Names whose values are never shown.
_SECRET_NAMES = re.compile(
    r"(token|signing[_-]?keys?|api[_-]?key|password|secret|authorization|connect[_-]?url)$", re.IGNORECASE
)
#: Secrets inside longer texts: our API keys, JWTs, the query parameters that carry them, and user:password@ of a URL.
_SECRET_TEXTS = (
    (re.compile(r"\bwc_[A-Za-z0-9_-]{16,}"), "wc_***"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), "***"),
    (re.compile(r"((?:signingKey|apiKey|token|[a-z-]*signature)=)[^&\s\"']+", re.IGNORECASE), r"\1***"),
    (re.compile(r"(://[^/\s:@]*:)[^@/\s]+@"), r"\1***@"),
)


def mask(text: str) -> str:
    """The text without the secrets that can be told by their shape."""
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text


def _masked(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return "***" if _SECRET_NAMES.search(name) else mask(value)
    if isinstance(value, dict):
        return {key: _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(name, inner) for inner in value]
    return "***" if _SECRET_NAMES.search(name) else mask(repr(value))


def _mask_all(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: _masked(name, value) for name, value in event.items()}


class _FromLibraries(logging.Handler):
    """Lines that libraries write with `logging` come out as ours do."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        log.log(record.levelno, "library", text=record.getMessage(), exc_info=record.exc_info or None)


def configure(*, service: str, fmt: Format = "console", level: str = "INFO") -> None:
    """Set up logging for this process: `service` stands on every line; output goes to stderr."""
    renderer: list[Any] = (
        [structlog.processors.format_exc_info, _mask_all, structlog.processors.JSONRenderer()]
        if fmt == "json"
        else [
            structlog.processors.format_exc_info,
            _mask_all,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=28),
        ]
    )

    def name_service(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        # Not a context variable: those do not reach the threads that are started later.
        event["service"] = service
        return event

    structlog.configure(
        processors=[
            name_service,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        # One write a line: print() makes two of it, and other processes write to the same place.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.root.handlers[:] = [_FromLibraries()]
    logging.root.setLevel(logging.WARNING)


def get() -> Any:
    """A logger: `log.info("session.ready", task=...)`. Event names are literals, so that docs can be checked."""
    return structlog.get_logger()


@contextmanager
def about(**ids: str | None) -> Iterator[None]:
    """Put these ids on every line inside."""
    with structlog.contextvars.bound_contextvars(**{name: value for name, value in ids.items() if value is not None}):
        yield
