"""How requests come in, below Flask.

waitress reads a body whole before anybody looks at it, into a file where it is long. So the route's limit is applied
here, from the request's head on, and where the body is a file, it is only read on when its sender may send one. What
is over the limit or a stranger's is read to its end and kept nowhere, because a client that is still sending hears no
answer; then it is answered with the error triple, like everything else that is no proper request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Final

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask
from waitress.utilities import Error

from services.api.admission import Admission
from services.api.answers import UNSERVED, Refusal
from services.api.limits import BODY_LIMIT, Limits
from wallcrawler import log as logs
from wallcrawler.errors import TryLater, WallcrawlerError

log = logs.get()

#: Bytes beyond a limit that are read before the connection is cut.
UNKEPT: Final = 1 << 30

#: Threads that ask who a file's sender is.
ASKERS: Final = 4


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


class Refused(Error):  # type: ignore[misc]
    """The answer to a request that no route is to see."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = status, HTTPStatus(status).phrase


class Intake:
    """What is asked of a request's head."""

    def __init__(self, limits: Limits, admission: Admission) -> None:
        self.limits = limits
        self._admission = admission
        # Keys are looked up in tables that may be far away, and the thread that reads has all connections to read.
        self._askers = ThreadPoolExecutor(max_workers=ASKERS, thread_name_prefix="admission")

    def admitted(self, request: LimitedRequest, decided: Callable[[], None]) -> Future[Refused | None]:
        """Whether a file may come. Calls `decided` from another thread."""
        decision = self._askers.submit(self._decide, request.command, request.path, request.query, request.headers)
        decision.add_done_callback(lambda _: decided())
        return decision

    def _decide(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> Refused | None:
        try:
            self._admission.check(method, path, query, headers)
        except Refusal as refusal:
            return Refused(refusal.status, refusal.message)
        except TryLater as later:
            return Refused(503, f"{later}; ask again in a moment")
        except WallcrawlerError as broken:
            log.error("http.unserved", why=str(broken))
            return Refused(503, UNSERVED)
        except Exception:
            log.exception("http.failed")
            return Refused(500, "something broke; the server's log has it")
        return None

    def stop(self) -> None:
        """Decide nothing any more."""
        self._askers.shutdown(cancel_futures=True)


class LimitedRequest(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """One request, whose body is kept up to its route's limit."""

    command: str
    path: str
    query: str
    headers: dict[str, str]
    expect_continue: bool
    completed: bool

    def __init__(self, adjustments: Any, intake: Intake, decided: Callable[[], None]) -> None:
        super().__init__(adjustments)
        self._intake = intake
        self._decided = decided
        self._limit = 0
        self._decision: Future[Refused | None] | None = None
        #: Why nothing of the body is kept.
        self._refused: Refused | None = None

    @property
    def undecided(self) -> bool:
        """Whether it is to be seen whether the body may come."""
        return self._decision is not None and not self._decision.done()

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError:
            # Of a URI that is none, such as http://[/.
            raise ParsingError("the request line has no valid URI") from None
        self._limit = self._intake.limits.of(self.command, self.path)
        if self.content_length > self._limit:
            self._exceed()
            if self.expect_continue:
                # The client asks before it sends.
                self.expect_continue = False
                self._refuse()
        elif self._limit > BODY_LIMIT and self.body_rcv is not None:
            self._decision = self._intake.admitted(self, self._decided)

    def received(self, data: bytes) -> int:
        self._heed()
        consumed: int = super().received(data)
        if self.error is None and self.body_rcv is not None:
            if self._refused is None and len(self.body_rcv) > self._limit:
                self._exceed()
            if self._refused and (self.completed or len(self.body_rcv) > self._limit + UNKEPT):
                self._refuse()
        return consumed

    def _exceed(self) -> None:
        self._forget(Refused(413, self._intake.limits.exceeded(self.command, self.path)))

    def _heed(self) -> None:
        """What was decided meanwhile."""
        if self._decision is not None and self._decision.done():
            refused, self._decision = self._decision.result(), None
            if refused is not None:
                self._forget(refused)

    def _forget(self, why: Refused) -> None:
        kept = self.body_rcv.buf
        self.body_rcv.buf = _Nowhere(len(kept))
        kept.close()
        self._refused = why

    def _refuse(self) -> None:
        self.error = self._refused
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


def channel_of(intake: Intake) -> type[HTTPChannel]:
    """What waitress makes of a connection."""

    class Channel(HTTPChannel):  # type: ignore[misc]
        error_task_class = Triple

        def parser_class(self, adjustments: Any) -> LimitedRequest:
            return LimitedRequest(adjustments, intake, self.server.pull_trigger)

        def readable(self) -> bool:
            waits = self.request is not None and self.request.undecided
            return not waits and super().readable()

        def handle_close(self) -> None:
            super().handle_close()
            if self.request is not None:
                # The client went away in the middle of a body, whose beginning may lie in a file.
                self.request.close()

    return Channel
