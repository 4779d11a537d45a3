"""One tab, filmed once for all who look at it, and driven by those of them who may."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from controller.cdp import Connection, Refused
from controller.liveview.messages import Answer, Input
from controller.liveview.viewer import Viewer
from wallcrawler import log as logs

log = logs.get()

#: The pictures: JPEG's quality from 0 to 100, and the largest size in pixels.
QUALITY = 75
WIDEST, HIGHEST = 1920, 1920

#: Seconds between frames at the least. Chrome sends no more than three that are not acknowledged, and drops others.
FRAME_EVERY = 1 / 25

#: Seconds without a frame after which Chrome is asked for one more, where it may have dropped the last.
SETTLED_AFTER = 0.25

#: Commands that may wait for a page. One that does not answer gets no more moves of the mouse, and then nothing more.
SPARE_PENDING, MOST_PENDING = 16, 256

#: Characters of a dialog's text that are shown.
LONGEST_QUESTION = 2_000


class Screen:
    """A tab that somebody looks at. `session` is the one of the guest's connection in which it is filmed."""

    def __init__(self, connection: Connection, page: str, session: str) -> None:
        self.page = page
        self.session = session
        self.viewers: set[Viewer] = set()
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._frame: bytes | None = None
        self._size: tuple[float, float] | None = None
        self._dialog: dict[str, Any] | None = None
        self._pending: set[asyncio.Task[None]] = set()
        self._acknowledged_at = -FRAME_EVERY
        self._withheld: list[int] = []
        self._lagged = False
        self._settling: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start filming. Nothing is waited for: a page that is busy answers later."""
        self.send("Page.enable")
        # A tab behind others is not drawn, unless it believes that it has the focus; so nobody's tab has to be raised.
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)
        self._film()

    def _film(self) -> None:
        """Also what is filmed already: then the first frame comes again."""
        self.send("Page.startScreencast", format="jpeg", quality=QUALITY, maxWidth=WIDEST, maxHeight=HIGHEST)

    async def end(self) -> None:
        """Nobody looks any more. Raises OSError where Chrome is gone."""
        if self._settling is not None:
            self._settling.cancel()
        for task in self._pending:
            task.cancel()
        with suppress(Refused):  # the tab was closed
            await self._connection.call("Target.detachFromTarget", sessionId=self.session)

    def joined(self, viewer: Viewer) -> None:
        """It sees at once what the others see."""
        self.viewers.add(viewer)
        viewer.forget()
        viewer.tell("dialog", dialog=self._dialog)
        if self._frame is not None:
            viewer.show(self._frame)

    def filmed(self, params: dict[str, Any]) -> None:
        """A frame came: Page.screencastFrame."""
        metadata = params["metadata"]
        self._size = metadata["deviceWidth"], metadata["deviceHeight"]
        self._frame = b64decode(params["data"])
        for viewer in self.viewers:
            viewer.show(self._frame)
        now = self._loop.time()
        self._acknowledged_at = due = max(now, self._acknowledged_at + FRAME_EVERY)
        if due > now:
            self._lagged = True
            self._loop.call_at(due, self._acknowledge, params["sessionId"])
        else:
            self._acknowledge(params["sessionId"])
        self._settle()

    def _acknowledge(self, number: int) -> None:
        if any(viewer.wants for viewer in self.viewers):
            self.send("Page.screencastFrameAck", sessionId=number)
        else:
            self._withheld.append(number)

    def wanted(self) -> None:
        """A viewer has drawn what it had. While none does, Chrome makes no pictures either."""
        if self._withheld:
            withheld, self._withheld = self._withheld, []
            self._lagged = True
            for number in withheld:
                self._acknowledge(number)
            self._settle()

    def _settle(self) -> None:
        """Have the last picture of a movement, which Chrome dropped if we were slow."""
        if self._settling is not None:
            self._settling.cancel()
        if self._lagged:
            self._settling = self._loop.call_later(SETTLED_AFTER, self._settled)

    def _settled(self) -> None:
        self._lagged = False
        self._film()

    def asked(self, params: dict[str, Any]) -> None:
        """The page waits for an answer: Page.javascriptDialogOpening."""
        self._dialog = {
            "kind": params["type"],
            "message": params["message"][:LONGEST_QUESTION],
            "default": params.get("defaultPrompt", "")[:LONGEST_QUESTION],
        }
        self._tell_dialog()

    def answered(self) -> None:
        """By whomever: Page.javascriptDialogClosed."""
        self._dialog = None
        self._tell_dialog()

    def _tell_dialog(self) -> None:
        for viewer in self.viewers:
            viewer.tell("dialog", dialog=self._dialog)

    def take(self, told: Input) -> bool:
        """Do it to the page. False where the page does not keep up, and it was not done."""
        if self._size is None:
            return True  # nobody has seen anything yet that could be meant
        if told.spare and len(self._pending) >= SPARE_PENDING:
            return True
        return self.send(told.method, **told.on(self._size))

    def answer(self, told: Answer) -> None:
        if self._dialog is not None:
            text = {"promptText": told.text} if self._dialog["kind"] == "prompt" else {}
            self.send("Page.handleJavaScriptDialog", accept=told.accept, **text)

    def go(self, url: str, failed: Callable[[str], None]) -> None:
        """`failed` is told what Chrome has against it."""
        self._start(self._go(url, failed))

    async def _go(self, url: str, failed: Callable[[str], None]) -> None:
        answer = await self._connection.call("Page.navigate", self.session, url=url)
        if why := answer.get("errorText"):
            failed(why)

    def travel(self, by: int) -> None:
        """Back or forward, where there is somewhere to go."""
        self._start(self._travel(by))

    async def _travel(self, by: int) -> None:
        history = await self._connection.call("Page.getNavigationHistory", self.session)
        index = history["currentIndex"] + by
        if 0 <= index < len(history["entries"]):
            entry = history["entries"][index]["id"]
            await self._connection.call("Page.navigateToHistoryEntry", self.session, entryId=entry)

    def send(self, method: str, **params: Any) -> bool:
        """Tell Chrome, in order, without waiting for its answer. False where too many wait for one already."""
        return self._start(self._connection.call(method, self.session, **params))

    def _start(self, call: Coroutine[Any, Any, Any]) -> bool:
        if len(self._pending) >= MOST_PENDING:
            call.close()
            return False
        task = asyncio.create_task(_forgiving(call))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return True


async def _forgiving(call: Coroutine[Any, Any, Any]) -> None:
    try:
        await call
    except (Refused, OSError) as refused:
        # The tab went while somebody acted on it, or Chrome did; that they went is told to viewers in other ways.
        log.debug("view.refused", why=str(refused))
