"""All who look at a session: one connection to Chrome, its tabs, and a screen for each tab that somebody looks at.

There is nothing of this while nobody watches. What changes who sees what happens one after another, under one lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from controller.cdp import Connection, Listener, Refused
from controller.chrome import Endpoint
from controller.liveview.address import NoAddress, web_address
from controller.liveview.messages import (
    WATCHING,
    Answer,
    Beat,
    Drawn,
    Go,
    Input,
    Reload,
    Travel,
    Watch,
    WrongMessage,
    parsed,
)
from controller.liveview.screen import Screen
from controller.liveview.viewer import Viewer

#: Seconds between lists of tabs, and between looks for their titles.
TABS_EVERY = 0.2
LOOK_EVERY = 1.0

#: Characters of a title and of an address that are shown.
LONGEST_TITLE, LONGEST_URL = 300, 2_000


class Broadcast:
    """What viewers of one session see, and what becomes of what they say."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        #: Tabs by their ids, in the order in which they were opened, as CDP's TargetInfo has them.
        self._tabs: dict[str, dict[str, Any]] = {}
        self._screens: dict[str, Screen] = {}
        self._viewers: set[Viewer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None

    def join(self, viewer: Viewer, page: str) -> None:
        self._viewers.add(viewer)
        self._start(self._join(viewer, page))

    def leave(self, viewer: Viewer) -> None:
        viewer.left()
        self._viewers.discard(viewer)
        self._start(self._leave(viewer))

    async def close(self) -> None:
        """The session ends."""
        for task in self._tasks:
            task.cancel()
        async with self._lock:
            await self._shut()

    def heard(self, viewer: Viewer, message: bytes) -> None:
        """A viewer said something."""
        viewer.heard()
        try:
            told = parsed(message)
        except WrongMessage as wrong:
            viewer.socket.close(1008, str(wrong)[:120])
            return
        screen = self._screens.get(viewer.page or "")
        if viewer.read_only and not isinstance(told, WATCHING):
            viewer.tell("notice", text="this link only lets you watch")
        elif isinstance(told, Watch):
            self._start(self._turn(viewer, told.page))
        elif isinstance(told, Drawn):
            viewer.drawn()
            if screen is not None:
                screen.wanted()
        elif isinstance(told, Beat):
            self._look_later()
        elif screen is not None:
            _act(viewer, screen, told)

    async def _join(self, viewer: Viewer, page: str) -> None:
        async with self._lock:
            try:
                if self._connection is None:
                    await self._open()
            except OSError:
                viewer.socket.close(1011, "the browser does not answer")
                return
        await self._turn(viewer, page)

    async def _open(self) -> None:
        self._connection = connection = await Connection.open(self._endpoint)
        connection.on("Target.targetCreated", lambda params, _: self._tab(params["targetInfo"], new=True))
        connection.on("Target.targetInfoChanged", lambda params, _: self._tab(params["targetInfo"], new=False))
        connection.on("Target.targetDestroyed", lambda params, _: self._closed(params["targetId"]))
        connection.on("Target.targetCrashed", lambda params, _: self._crashed(params["targetId"]))
        connection.on("Page.screencastFrame", self._to_screen(Screen.filmed))
        connection.on("Page.screencastFrame", lambda *_: self._look_later())
        connection.on("Page.javascriptDialogOpening", self._to_screen(Screen.asked))
        connection.on("Page.javascriptDialogClosed", self._to_screen(lambda screen, _: screen.answered()))
        # Before its answer come all that there are.
        await connection.call("Target.setDiscoverTargets", discover=True)

    def _to_screen(self, heard: Callable[[Screen, dict[str, Any]], None]) -> Listener:
        def listener(params: dict[str, Any], session: str | None) -> None:
            screen = next((screen for screen in self._screens.values() if screen.session == session), None)
            if screen is not None:
                heard(screen, params)

        return listener

    async def _leave(self, viewer: Viewer) -> None:
        async with self._lock:
            await self._unseat(viewer)
            if not self._viewers:
                await self._shut()

    async def _shut(self) -> None:
        """Until somebody looks again."""
        for timer in (self._telling, self._looking):
            if timer is not None:
                timer.cancel()
        self._telling = self._looking = None
        connection, self._connection = self._connection, None
        self._screens.clear()
        self._tabs.clear()
        if connection is not None:
            await connection.close()

    async def _turn(self, viewer: Viewer, page: str) -> None:
        """Have the viewer look at this tab, or at another where there is no such tab."""
        async with self._lock:
            if self._connection is None or viewer not in self._viewers:
                return
            page = page if page in self._tabs else next(iter(self._tabs), "")
            if page and page == viewer.page:
                return
            await self._unseat(viewer)
            try:
                screen = await self._screen(self._connection, page)
            except OSError:
                return  # Chrome is gone: the session's end is told to everybody
            if screen is not None:
                viewer.page = page
                screen.joined(viewer)
            self._tell(viewer)

    async def _unseat(self, viewer: Viewer) -> None:
        screen = self._screens.get(viewer.page or "")
        viewer.page = ""
        if screen is None:
            return
        screen.viewers.discard(viewer)
        if not screen.viewers:
            del self._screens[screen.page]
            with suppress(OSError):  # Chrome is gone, and what it filmed
                await screen.end()

    async def _screen(self, connection: Connection, page: str) -> Screen | None:
        """The tab's, made where there is none yet; None where the tab is gone."""
        if not page or page in self._screens:
            return self._screens.get(page)
        try:
            attached = await connection.call("Target.attachToTarget", targetId=page, flatten=True)
        except Refused:
            return None
        screen = self._screens[page] = Screen(connection, page, attached["sessionId"])
        screen.begin()
        return screen

    def _tab(self, told: dict[str, Any], *, new: bool) -> None:
        if told["type"] != "page" or (not new and told["targetId"] not in self._tabs):
            return
        self._tabs[told["targetId"]] = told
        if new:
            # Whoever looks at a page goes with it where it opens another; and who sees nothing sees the first.
            self._move(told.get("openerId", ""), to=told["targetId"])
        self._tell_later()

    def _closed(self, page: str) -> None:
        if told := self._tabs.pop(page, None):
            self._move(page, to=told.get("openerId", ""))
            self._move("", to="")
            self._tell_later()

    def _move(self, page: str, *, to: str) -> None:
        for viewer in self._viewers:
            if viewer.page == page:
                self._start(self._turn(viewer, to))

    def _crashed(self, page: str) -> None:
        for viewer in self._viewers:
            if viewer.page == page:
                viewer.tell("notice", text="this tab has crashed; load it again")

    def _tell_later(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TABS_EVERY, self._tell_all)
        self._look_later()

    def _look_later(self) -> None:
        """Chrome tells of a new address before the page has its title, and of a new title not at all. So titles are
        looked for after whatever may come with one, and again after one was found."""
        if self._looking is None:
            later = asyncio.get_running_loop().call_later
            self._looking = later(LOOK_EVERY, lambda: self._start(self._look()))

    async def _look(self) -> None:
        self._looking = None
        if self._connection is None:
            return
        try:
            targets = (await self._connection.call("Target.getTargets"))["targetInfos"]
        except (Refused, OSError):
            return  # Chrome is gone, and its tabs with it
        found = {told["targetId"]: told for told in targets if told["targetId"] in self._tabs}
        if changed := {page: told for page, told in found.items() if told != self._tabs[page]}:
            self._tabs |= changed
            self._tell_later()

    def _tell_all(self) -> None:
        self._telling = None
        for viewer in self._viewers:
            self._tell(viewer)

    def _tell(self, viewer: Viewer) -> None:
        tabs = [
            {"id": page, "title": told["title"][:LONGEST_TITLE], "url": told["url"][:LONGEST_URL]}
            for page, told in self._tabs.items()
        ]
        viewer.tell("tabs", page=viewer.page, tabs=tabs, readOnly=viewer.read_only)

    def _start(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _act(viewer: Viewer, screen: Screen, told: Input | Go | Travel | Reload | Answer) -> None:
    if isinstance(told, Input):
        if not screen.take(told):
            viewer.tell("notice", text="this page does not answer")
    elif isinstance(told, Go):
        try:
            screen.go(web_address(told.url), lambda why: viewer.tell("notice", text=why))
        except NoAddress as wrong:
            viewer.tell("notice", text=str(wrong))
    elif isinstance(told, Travel):
        screen.travel(told.by)
    elif isinstance(told, Reload):
        screen.send("Page.reload")
    else:
        screen.answer(told)
