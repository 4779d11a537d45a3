"""Errors as AWS spells them: a code, a message, a status."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An answer that refuses. `more` are further members of the error's shape."""

    def __init__(self, code: str, message: str, *, status: int = 400, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.more = more


def client_error(message: str) -> AwsError:
    return AwsError("ClientException", message)


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


class StartupError(Exception):
    """localaws can't start as it is configured; the text names the setting and says what it takes."""
