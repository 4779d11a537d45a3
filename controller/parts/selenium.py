"""WebDriver: Selenium drives the session's very Chrome, by a chromedriver that attaches to it.

    POST   /webdriver/session             a WebDriver session; the first one starts chromedriver. There may be several:
                                          they share the browser, as all clients do
    *      /webdriver/session/<id>/...    passes to chromedriver, and its answers back
    GET    /webdriver/session/<id>        as a WebSocket: WebDriver BiDi, where it was asked for with `webSocketUrl`
    DELETE /webdriver/session/<id>        driver.quit(): this client is gone; chromedriver leaves Chrome as it is
    GET    /webdriver/status              ready

A WebDriver session counts as a client from its beginning to its end, however long it says nothing: HTTP has no
connection whose loss would tell that a client is gone. /wd/hub is the same as /webdriver.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from controller import chrome
from controller.parts import Browser, Guest, Handler, Part, Request
from wallcrawler import log as logs
from wallcrawler.lifecycle import close_frame
from wallcrawler.wire.frames import close
from wallcrawler.wire.http import Answer
from wallcrawler.wire.splice import Splice

if TYPE_CHECKING:
    from controller.webdriver.driver import Driver

log = logs.get()

#: Bytes of the largest command: Selenium sends files in them, packed.
BODY_LIMIT = 64 << 20

#: Seconds in which a session that ends says why.
REASON_WITHIN = 1.0

#: Header fields of an upgrade that chromedriver needs.
_UPGRADE = frozenset(
    {"upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"}
)

_SESSION = re.compile(r"/session/([\w-]+)(/.*)?", re.ASCII)


class Selenium(Part):
    """Answers WebDriver clients."""

    name = "selenium"

    def __init__(self, guest: Guest) -> None:
        super().__init__(guest)
        self._debugger = ""
        self._driver: Driver | None = None
        self._starting = asyncio.Lock()
        self._open: set[str] = set()
        self._ended = False

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {"webdriver": self._answer}

    async def begin(self, browser: Browser) -> None:
        self._debugger = f"127.0.0.1:{browser.endpoint.port}"

    async def drain(self, browser: Browser) -> None:
        await self._end()

    async def close(self) -> None:
        await self._end()

    async def _end(self) -> None:
        self._ended = True
        async with self._starting:
            if self._driver is not None:
                await self._driver.kill()

    async def _answer(self, request: Request) -> None:
        """Raises BadBody."""
        method, path = request.head.method, request.path.rstrip("/")
        body = b"" if _wants_socket(request) else await request.caller.body(BODY_LIMIT)
        if (method, path) == ("POST", "/session"):
            await self._begin_session(request, body)
        elif (method, path) == ("GET", "/status"):
            request.caller.answer(200, {"value": {"ready": not self._ended, "message": "sessions can be created"}})
        elif found := _SESSION.fullmatch(path):
            await self._command(request, found[1], path, body)
        else:
            _refuse(request, 404, "unknown command", f"{method} {path} is no command of WebDriver")

    # -- Sessions ------------------------------------------------------------------------------------------------------

    async def _begin_session(self, request: Request, body: bytes) -> None:
        from controller.webdriver import capabilities  # noqa: PLC0415 - most sessions have no WebDriver client
        from controller.webdriver.driver import Missing  # noqa: PLC0415

        try:
            asked = json.loads(body or b"{}")
            wanted = capabilities.attaching(asked if isinstance(asked, dict) else {}, self._debugger)
            driver = await self._started()
            answer = await driver.ask("POST", "/session", json.dumps(wanted).encode())
            told = json.loads(answer.body)
        except (ValueError, RecursionError):
            _refuse(request, 400, "invalid argument", "the body must be valid JSON")
        except capabilities.NotPossible as not_possible:
            _refuse(request, 400, "invalid argument", str(not_possible))
        except Missing as missing:
            _refuse(request, 501, "session not created", str(missing))
        except OSError as broken:
            await self._refuse_broken(request, "session not created", broken)
        else:
            if answer.status == 200 and (session_id := capabilities.session_id(told)):
                connect_url, socket_url = _addresses(request)
                told = capabilities.shown(told, connect_url=connect_url, socket_url=socket_url)
                self._open.add(session_id)
                self._attend()
            request.caller.answer(answer.status, told)

    async def _started(self) -> Driver:
        """Raises Missing, OSError."""
        from controller.egress.machine import MARKS  # noqa: PLC0415
        from controller.webdriver.driver import Driver  # noqa: PLC0415

        async with self._starting:
            if self._ended:
                raise OSError("the session ends")
            if self._driver is None:
                directory = self.guest.directory
                self._driver = driver = await Driver.start(directory, chrome.environment(directory))
                # No page may reach it; the egress knows by this mark.
                await asyncio.to_thread((directory / MARKS / str(driver.port)).touch)
                driver.exited.add_done_callback(lambda _: self._driver_gone())
                log.info("webdriver.started", port=driver.port)
            return self._driver

    def _driver_gone(self) -> None:
        if not self._ended:
            log.warning("webdriver.died", sessions=len(self._open))
            self._driver = None
            self._open.clear()
            self._attend()

    def _attend(self) -> None:
        self.guest.attend(len(self._open))

    # -- Commands ------------------------------------------------------------------------------------------------------

    async def _command(self, request: Request, session_id: str, path: str, body: bytes) -> None:
        driver = self._driver
        if driver is None or session_id not in self._open:
            _refuse(request, 404, "invalid session id", "there is no such WebDriver session here, or it was quit")
            return
        try:
            if _wants_socket(request):
                await self._splice(request, session_id, driver)
                return
            answer = await driver.ask(request.head.method, path, body)
        except OSError as broken:
            await self._refuse_broken(request, "unknown error", broken)
            return
        request.caller.send(answer.status, answer.body, answer.headers.get("content-type", "application/json"))
        if _ends(request.head.method, path, answer):
            self._left(session_id)

    def _left(self, session_id: str) -> None:
        if session_id in self._open:
            self._open.discard(session_id)
            self._attend()

    async def _refuse_broken(self, request: Request, error: str, broken: OSError) -> None:
        """chromedriver went away in the middle, or never came."""
        await asyncio.wait({request.ended}, timeout=REASON_WITHIN if self._ended else 0)
        if request.ended.done():
            _refuse(request, 404, "invalid session id", f"the session has ended: {request.ended.result()}")
        else:
            log.warning("webdriver.failed", why=str(broken) or type(broken).__name__)
            _refuse(request, 500, error, f"chromedriver does not answer: {broken}")

    # -- BiDi ----------------------------------------------------------------------------------------------------------

    async def _splice(self, request: Request, session_id: str, driver: Driver) -> None:
        """Raises OSError."""
        splice = Splice(request.caller.transport, _Conversation(self, session_id, request), drives=False)
        await asyncio.get_running_loop().create_connection(lambda: splice.chrome, "127.0.0.1", driver.port)
        headers = [("host", f"127.0.0.1:{driver.port}")]
        headers += [(name, value) for name, value in request.head.headers if name in _UPGRADE]
        lines = [f"GET /session/{session_id} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
        splice.begin("\r\n".join(lines).encode("latin-1"), request.caller.taken_over())

    async def look(self, session_id: str) -> None:
        """A BiDi client may have ended its session without a word of HTTP."""
        if (driver := self._driver) is None or self._ended:
            return
        try:
            answer = await driver.ask("GET", f"/session/{session_id}/timeouts")
        except OSError:
            return  # it died, which is told by its exit
        if answer.status == 404:
            self._left(session_id)


class _Conversation:
    """Keeps one BiDi socket."""

    def __init__(self, part: Selenium, session_id: str, request: Request) -> None:
        self._part = part
        self._session_id = session_id
        self._ended = request.ended
        self._looking: asyncio.Task[None] | None = None

    def joined(self, splice: Splice) -> None:
        """It counts by its session, and not by its socket."""

    def left(self, splice: Splice) -> None:
        self._looking = asyncio.create_task(self._part.look(self._session_id))

    async def why(self, splice: Splice) -> bytes | None:
        await asyncio.wait({self._ended}, timeout=REASON_WITHIN)
        return close(*close_frame(self._ended.result())) if self._ended.done() else None


def _wants_socket(request: Request) -> bool:
    return request.head.header("upgrade").lower() == "websocket"


def _ends(method: str, path: str, answer: Answer) -> bool:
    """Whether the WebDriver session is over with this answer: quit, its last window closed, or found to be gone."""
    if answer.status == 404:
        return bool(_value(answer, "error") == "invalid session id")
    if method != "DELETE" or answer.status != 200:
        return False
    return path.count("/") == 2 or (path.endswith("/window") and _value(answer) == [])


def _value(answer: Answer, name: str = "") -> Any:
    try:
        value = json.loads(answer.body)["value"]
        return value[name] if name else value
    except (ValueError, LookupError, TypeError):
        return None


def _addresses(request: Request) -> tuple[str, str]:
    """Where this caller reaches the browser by CDP, and WebDriver's own sockets."""
    scheme = "wss" if request.head.header("x-forwarded-proto") == "https" else "ws"
    place, key = f"{scheme}://{request.head.header('host')}", f"signingKey={request.token}"
    return f"{place}/?{key}", f"{place}/webdriver/session?{key}"


def _refuse(request: Request, status: int, error: str, message: str) -> None:
    """In the words of WebDriver, which its clients know (W3C WebDriver, 6.6)."""
    log.info("gate.refused", status=status, why=message)
    request.caller.answer(status, {"value": {"error": error, "message": message, "stacktrace": ""}})
