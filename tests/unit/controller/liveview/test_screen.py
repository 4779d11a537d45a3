"""A tab is filmed once for all, as fast as somebody takes its pictures, and its last picture is never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from controller.cdp import Connection, Refused
from controller.liveview import screen as screens
from controller.liveview.messages import Answer, Input
from controller.liveview.screen import MOST_PENDING, SPARE_PENDING, Screen
from controller.liveview.viewer import UNDER_WAY, Viewer
from controller.liveview.websocket import Socket
from tests.unit.controller.liveview.paper import PaperConnection, PaperSocket, frame, timelapse, turns

ACK, FILM = "Page.screencastFrameAck", "Page.startScreencast"
MOVE = Input("Input.dispatchMouseEvent", {"type": "mouseMoved"}, (0.5, 0.5), spare=True)
PRESS = Input("Input.dispatchMouseEvent", {"type": "mousePressed"}, (0.25, 0.5))


class Scene:
    """A screen, and who looks at it."""

    def __init__(self, connection: PaperConnection, viewers: int) -> None:
        self.connection = connection
        self.sockets = [PaperSocket() for _ in range(viewers)]
        self.screen = Screen(cast("Connection", connection), "P", "S")
        self.viewers = [Viewer(cast("Socket", socket), read_only=False) for socket in self.sockets]
        self.screen.begin()
        for viewer in self.viewers:
            self.screen.joined(viewer)


def played(act: Callable[[Scene], Awaitable[None]], *silent: str, viewers: int = 1) -> Scene:
    """A scene in which this happened."""

    async def play() -> Scene:
        scene = Scene(PaperConnection(*silent), viewers)
        await turns()
        await act(scene)
        for viewer in scene.viewers:
            viewer.left()
        await scene.screen.end()
        return scene

    with asyncio.Runner(loop_factory=timelapse) as runner:
        return runner.run(play())


def test_all_viewers_see_one_film() -> None:
    """It is started once, and who comes late sees the last picture at once."""

    async def act(scene: Scene) -> None:
        scene.screen.filmed(frame(b"one"))
        late = Viewer(cast("Socket", scene.sockets[0]), read_only=True)
        scene.sockets[0].said.clear()
        scene.screen.joined(late)
        scene.viewers.append(late)
        await turns()

    scene = played(act, viewers=2)

    assert scene.connection.count(FILM) == 1
    assert scene.connection.count(ACK) == 1
    assert [socket.frames for socket in scene.sockets] == [[b"one"], [b"one"]]


def test_chrome_makes_no_pictures_that_nobody_takes() -> None:
    """Without an acknowledgement it sends no more; the first viewer that takes one sets it going again."""

    async def act(scene: Scene) -> None:
        for number in range(UNDER_WAY):
            scene.screen.filmed(frame(b"x", number))
            await asyncio.sleep(2 * screens.FRAME_EVERY)  # of a loop that does not wait
        held = scene.connection.count(ACK)
        scene.viewers[0].drawn()
        scene.screen.wanted()
        await turns()
        assert (held, scene.connection.count(ACK)) == (1, UNDER_WAY)

    played(act)


def test_the_last_picture_of_a_movement_is_asked_for() -> None:
    """Chrome drops pictures while others are not acknowledged, perhaps the last; after a lone one it is not asked."""

    async def lone(scene: Scene) -> None:
        scene.screen.filmed(frame(b"x"))
        await asyncio.sleep(60)

    async def burst(scene: Scene) -> None:
        for number in range(3):
            scene.screen.filmed(frame(b"x", number))
        await asyncio.sleep(60)

    assert played(lone).connection.count(FILM) == 1
    assert played(burst).connection.count(FILM) == 2


def test_a_page_that_does_not_answer_gets_no_more_to_do() -> None:
    """Moves of the mouse are left out first; what is left out of clicks and keys is told."""

    async def act(scene: Scene) -> None:
        scene.screen.filmed(frame(b"x"))
        await turns()
        moves = [scene.screen.take(MOVE) for _ in range(100)]
        presses = [scene.screen.take(PRESS) for _ in range(1000)]
        await turns()
        assert all(moves)
        assert presses == sorted(presses, reverse=True)
        assert presses[-1] is False

    commands = played(act, "Input.dispatchMouseEvent").connection.params("Input.dispatchMouseEvent")

    assert sum(command["type"] == "mouseMoved" for command in commands) == SPARE_PENDING
    assert len(commands) == MOST_PENDING


def test_what_is_done_before_there_is_a_picture_is_done_to_nothing() -> None:
    """Nobody can have meant a place in it; afterwards places are those of the page's own size."""

    async def act(scene: Scene) -> None:
        scene.screen.take(PRESS)
        scene.screen.filmed(frame(b"x"))
        scene.screen.take(PRESS)
        await turns()

    commands = played(act).connection.params("Input.dispatchMouseEvent")

    assert commands == [{"type": "mousePressed", "x": 250, "y": 250}]


def test_a_tab_that_goes_while_somebody_acts_is_no_error() -> None:
    """Chrome refuses what is done to it, and the next thing is tried again."""

    async def act(scene: Scene) -> None:
        scene.connection.answers = {"Page.reload": Refused("no such target"), "Page.navigate": OSError("gone")}
        scene.screen.send("Page.reload")
        scene.screen.go("https://example.com", lambda _: None)
        await turns()
        scene.screen.send("Page.reload")
        await turns()

    assert played(act).connection.count("Page.reload") == 2


def test_a_failed_navigation_says_why() -> None:
    """In Chrome's own words."""
    why: list[str] = []

    async def act(scene: Scene) -> None:
        scene.connection.answers = {"Page.navigate": {"errorText": "net::ERR_NAME_NOT_RESOLVED"}}
        scene.screen.go("https://nowhere.example", why.append)
        await turns()

    played(act)

    assert why == ["net::ERR_NAME_NOT_RESOLVED"]


@pytest.mark.parametrize(("by", "entry"), [(-1, 10), (1, 12)])
def test_back_and_forward_go_where_there_is_something(by: int, entry: int) -> None:
    """At either end they do nothing."""

    async def act(scene: Scene) -> None:
        entries = [{"id": number} for number in (10, 11, 12)]
        for index in (1, 2 if by > 0 else 0):
            scene.connection.answers = {"Page.getNavigationHistory": {"currentIndex": index, "entries": entries}}
            scene.screen.travel(by)
            await turns()

    assert played(act).connection.params("Page.navigateToHistoryEntry") == [{"entryId": entry}]


def test_a_dialog_is_shown_until_it_is_answered() -> None:
    """To who is there, and to who comes; only a prompt takes a text, and what nobody asked is not answered."""

    async def act(scene: Scene) -> None:
        scene.screen.answer(Answer(accept=True, text="too early"))
        for kind in ("prompt", "confirm"):
            scene.screen.asked({"type": kind, "message": "x" * 10_000, "defaultPrompt": "me"})
            scene.screen.answer(Answer(accept=True, text="you"))
            await turns()
            scene.screen.answered()

    scene = played(act)

    shown: list[Any] = [told["dialog"] for told in scene.sockets[0].told("dialog")]
    assert [dialog and (dialog["kind"], len(dialog["message"])) for dialog in shown] == [
        None, ("prompt", screens.LONGEST_QUESTION), None, ("confirm", screens.LONGEST_QUESTION), None,
    ]  # fmt: skip
    assert scene.connection.params("Page.handleJavaScriptDialog") == [
        {"accept": True, "promptText": "you"},
        {"accept": True},
    ]
