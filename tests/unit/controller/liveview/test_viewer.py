"""One who looks gets the newest picture, and never a queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from controller.liveview.viewer import BEAT_EVERY, GONE_AFTER, UNDER_WAY, Viewer
from controller.liveview.websocket import Socket
from tests.unit.controller.liveview.paper import PaperSocket, timelapse


def looking(story: Callable[[Viewer, PaperSocket], None]) -> PaperSocket:
    """What was said to a viewer to whom this happened."""
    socket = PaperSocket()

    async def life() -> None:
        viewer = Viewer(cast("Socket", socket), read_only=False)
        story(viewer, socket)
        viewer.left()

    with asyncio.Runner(loop_factory=timelapse) as runner:
        runner.run(life())
    return socket


def test_a_viewer_that_is_slow_gets_the_newest_picture() -> None:
    """Two are under way; of those that came meanwhile, only the last is sent when one was drawn."""

    def story(viewer: Viewer, _: PaperSocket) -> None:
        for number in range(10):
            viewer.show(b"%d" % number)
        viewer.drawn()

    assert looking(story).frames == [b"0", b"1", b"9"]


def test_a_viewer_that_does_not_read_costs_nothing() -> None:
    """Of pictures and of each kind of message one is kept, the newest."""

    def story(viewer: Viewer, socket: PaperSocket) -> None:
        socket.full = True
        for number in range(100):
            viewer.show(b"%d" % number)
            viewer.tell("tabs", tabs=[number])
            viewer.tell("notice", text=str(number))
        assert socket.said == []
        socket.full = False
        viewer.pay()

    socket = looking(story)

    assert socket.frames == [b"99"]
    assert [told["tabs"] for told in socket.told("tabs")] == [[99]]
    assert [told["text"] for told in socket.told("notice")] == ["99"]


def test_nobody_draws_more_than_was_sent() -> None:
    """A viewer that says `drawn` again and again gets no more under way than others."""

    def story(viewer: Viewer, _socket: PaperSocket) -> None:
        for _ in range(50):
            viewer.drawn()
        for number in range(10):
            viewer.show(b"%d" % number)

    assert len(looking(story).frames) == UNDER_WAY


def test_a_picture_of_the_tab_before_is_not_shown() -> None:
    """Who turned to another tab while a picture waited for them does not see it any more."""

    def story(viewer: Viewer, socket: PaperSocket) -> None:
        socket.full = True
        viewer.show(b"before")
        viewer.forget()
        socket.full = False
        viewer.pay()

    assert looking(story).said == []


def test_who_says_nothing_for_a_minute_is_gone() -> None:
    """A beat asks whether it is there; one that answers stays, one that does not is let go."""
    sockets = []

    async def life(*, answers: bool) -> None:
        socket = PaperSocket()
        sockets.append(socket)
        viewer = Viewer(cast("Socket", socket), read_only=False)
        for _ in range(10):
            await asyncio.sleep(BEAT_EVERY)
            if answers:
                viewer.heard()
        viewer.left()

    with asyncio.Runner(loop_factory=timelapse) as runner:
        runner.run(life(answers=True))
        runner.run(life(answers=False))

    assert [socket.aborted for socket in sockets] == [False, True]
    assert len(sockets[0].told("beat")) > 2 * GONE_AFTER / BEAT_EVERY
