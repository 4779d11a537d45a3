"""How requests come in, below Flask.

waitress reads a body whole before anybody looks at it, into a file where it is long. So the route's limit is applied
here, from the request's head on. What is over it is read to its end and kept nowhere, because a client that is still
sending hears no answer; then it is answered with the error triple, like everything else that is no proper request.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask
from waitress.utilities import RequestEntityTooLarge

from services.api.limits import Limits, too_long
from wallcrawler import log as logs

log = logs.get()

#: Bytes beyond a limit that are read before the connection is cut.
UNKEPT: Final = 1 << 30


class _Nowhere:
    """A body's buffer that counts and forgets."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def append(self, data: bytes) -> None:
        self._length += len(data)

    def close(self) -> None:
        """Nothing was kept."""


class LimitedRequest(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """One request, whose body is kept up to its route's limit."""

    expect_continue: bool
    completed: bool

    def __init__(self, adjustments: Any, limits: Limits) -> None:
        super().__init__(adjustments)
        self._limits = limits
        self._limit = 0
        self._over = False

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError:
            # Of a URI that is none, such as http://[/.
            raise ParsingError("the request line has no valid URI") from None
        self._limit = self._limits.of(self.command, self.path)
        if self.content_length > self._limit:
            self._forget()
            if self.expect_continue:
                # The client asks before it sends.
                self.expect_continue = False
                self._refuse()

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.error is None and self.body_rcv is not None:
            if not self._over and len(self.body_rcv) > self._limit:
                self._forget()
            if self._over and (self.completed or len(self.body_rcv) > self._limit + UNKEPT):
                self._refuse()
        return consumed

    def _forget(self) -> None:
        kept = self.body_rcv.buf
        self.body_rcv.buf = _Nowhere(len(kept))
        kept.close()
        self._over = True

    def _refuse(self) -> None:
        self.error = RequestEntityTooLarge(too_long(self._limit))
        self.completed = True


class Triple(ErrorTask):  # type: ignore[misc]
    """An error that never reached Flask, as Flask's are."""

    def execute(self) -> None:
        error = self.request.error
        log.info("http.refused", status=error.code, why=error.body)
        phrase = HTTPStatus(error.code).phrase
        body = json.dumps({"statusCode": error.code, "error": phrase, "message": error.body}).encode()
        self.status = f"{error.code} {phrase}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


def channel_of(limits: Limits) -> type[HTTPChannel]:
    """What waitress makes of a connection."""

    class Channel(HTTPChannel):  # type: ignore[misc]
        error_task_class = Triple

        def parser_class(self, adjustments: Any) -> LimitedRequest:
            return LimitedRequest(adjustments, limits)

        def handle_close(self) -> None:
            super().handle_close()
            if self.request is not None:
                # The client went away in the middle of a body, whose beginning may lie in a file.
                self.request.close()

    return Channel
