"""The live view of a session: its page's files, and the WebSocket over which it sees and acts.

    GET /view/index.html?page=<target>&signingKey=<token>    no token is asked for: the page is the same for everybody
    GET /view/view.css, /view/view.js                        likewise
    GET /view/socket?page=<target>&signingKey=<token>        a WebSocket; see controller.liveview.messages

Whose token is of the audience `watch` sees, and what they send is refused here, whatever their page does. What makes
the pictures is imported and connected when somebody looks for the first time, and stops when nobody does any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from controller.parts import Browser, Handler, Part, Request
from wallcrawler import log as logs
from wallcrawler.lifecycle import close_frame

if TYPE_CHECKING:
    from controller.liveview.broadcast import Broadcast
    from controller.liveview.viewer import Viewer

log = logs.get()

#: Viewers of one session at the same time.
VIEWERS = 32

_PAGE = Path(__file__).parent.parent / "liveview" / "page"

#: The page's files, and what they are.
FILES: Mapping[str, str] = {
    "/index.html": "text/html; charset=utf-8",
    "/view.css": "text/css; charset=utf-8",
    "/view.js": "text/javascript; charset=utf-8",
}

#: Nothing but the page's own files runs in it or is loaded by it; it may be framed by anybody who has its address.
HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors *",
    ),
    ("cache-control", "no-cache"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)


class LiveView(Part):
    """Lets people see the session's browser."""

    name = "view"

    _broadcast: Broadcast | None = None
    _browser: Browser | None = None
    _listening = False
    _rounds: asyncio.TimerHandle | None = None

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {"view": self._answer}

    async def begin(self, browser: Browser) -> None:
        self._browser = browser
        self._viewers: set[Viewer] = set()

    async def close(self) -> None:
        if self._rounds is not None:
            self._rounds.cancel()
        if self._broadcast is not None:
            await self._broadcast.close()

    async def _answer(self, request: Request) -> None:
        if kind := FILES.get(request.path):
            file = await asyncio.to_thread((_PAGE / request.path[1:]).read_bytes)
            request.caller.send(200, file, kind, HEADERS)
        elif request.path == "/socket":
            self._socket(request)
        else:
            request.caller.refuse(404, "no such path")

    def _socket(self, request: Request) -> None:
        from controller.liveview.broadcast import Broadcast  # noqa: PLC0415 - a session that nobody watches has no need
        from controller.liveview.messages import LARGEST  # noqa: PLC0415
        from controller.liveview.viewer import Viewer  # noqa: PLC0415
        from controller.liveview.websocket import NoUpgrade, Socket, switched  # noqa: PLC0415

        assert self._browser is not None  # noqa: S101 - the gate opens after all parts have begun
        try:
            answer = switched(request.head)
        except NoUpgrade as wrong:
            request.caller.refuse(wrong.status, str(wrong))
            return
        if len(self._viewers) >= VIEWERS:
            request.caller.refuse(429, f"at most {VIEWERS} people can watch a session")
            return
        self._broadcast = broadcast = self._broadcast or Broadcast(self._browser.endpoint)
        socket = Socket(
            request.caller.transport,
            largest=LARGEST,
            heard=lambda message: broadcast.heard(viewer, message),
            room=lambda: viewer.pay(),  # noqa: PLW0108 - there is no viewer before it has its socket
            gone=lambda: self._left(viewer),
        )
        viewer = Viewer(socket, read_only=request.audience == "watch")
        self._joined(viewer, request.ended)
        socket.begin(answer, request.caller.taken_over())
        broadcast.join(viewer, parse_qs(request.query).get("page", [""])[0])

    def _joined(self, viewer: Viewer, ended: asyncio.Future[str]) -> None:
        self._viewers.add(viewer)
        if not self._listening:
            self._listening = True
            ended.add_done_callback(lambda _: self._say_goodbye(ended.result()))
        log.info("view.opened", viewers=len(self._viewers), read_only=viewer.read_only)
        if self._rounds is None:
            self._go_round()

    def _go_round(self) -> None:
        """While somebody looks, say so often enough that a session is not given up for want of a first client."""
        self._rounds = None
        if self._viewers:
            self.guest.watched()
            every = self.guest.assignment.connect_within / 2
            self._rounds = asyncio.get_running_loop().call_later(every, self._go_round)

    def _left(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        log.info("view.closed", viewers=len(self._viewers))
        if self._broadcast is not None:
            self._broadcast.leave(viewer)

    def _say_goodbye(self, reason: str) -> None:
        for viewer in list(self._viewers):
            viewer.socket.close(*close_frame(reason))
