"""A WebSocket that the guest itself answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from controller.liveview.websocket import GOODBYE_WITHIN, NoUpgrade, Socket, switched
from tests.unit.controller.liveview.paper import timelapse
from wallcrawler.wire.caller import Head

UPGRADE = [("upgrade", "websocket"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13")]


class PaperTransport:
    """Keeps what is written to it, and never gets rid of it by itself."""

    def __init__(self) -> None:
        self.written = b""
        self.closing = self.aborted = False

    def write(self, data: bytes) -> None:
        assert not self.closing, "written after the end"
        self.written += data

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def is_closing(self) -> bool:
        return self.closing

    def set_write_buffer_limits(self, high: int) -> None:
        assert high > 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, Socket)


class Conversation:
    """A socket on paper, and its client."""

    def __init__(self, *, largest: int = 1000) -> None:
        self.transport = PaperTransport()
        self.heard: list[bytes] = []
        self.client = Protocol(CLIENT)
        self.socket = Socket(
            cast("asyncio.Transport", self.transport),
            largest=largest,
            heard=self.heard.append,
            room=lambda: None,
            gone=lambda: None,
        )
        self.socket.begin(b"", b"")

    def says(self, *frames: Frame) -> None:
        self.socket.data_received(b"".join(frame.serialize(mask=True) for frame in frames))

    @property
    def answers(self) -> list[Frame]:
        """What the client hears."""
        self.client.receive_data(self.transport.written)
        return [event for event in self.client.events_received() if isinstance(event, Frame)]


def conversing(story: Callable[[Conversation], None], *, largest: int = 1000) -> Conversation:
    async def life() -> Conversation:
        conversation = Conversation(largest=largest)
        story(conversation)
        await asyncio.sleep(2 * GOODBYE_WITHIN)  # of a loop that does not wait
        return conversation

    with asyncio.Runner(loop_factory=timelapse) as runner:
        return runner.run(life())


def test_the_answer_is_that_of_the_standard() -> None:
    """RFC 6455's own example of a key."""
    answer = switched(Head("GET", "/socket", UPGRADE))

    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (Head("POST", "/socket", UPGRADE), 405),
        (Head("GET", "/socket", []), 426),
        (Head("GET", "/socket", UPGRADE[:1]), 400),
        (Head("GET", "/socket", [*UPGRADE[:2], ("sec-websocket-version", "8")]), 400),
    ],
)
def test_what_is_no_upgrade_is_refused(head: Head, status: int) -> None:
    """With the status that says what is missing."""
    with pytest.raises(NoUpgrade) as refused:
        switched(head)

    assert refused.value.status == status


def test_messages_are_heard_whole() -> None:
    """In parts, in one, and with a ping between them, which is answered."""

    def story(conversation: Conversation) -> None:
        conversation.says(
            Frame(Opcode.TEXT, b"one"),
            Frame(Opcode.TEXT, b"t", fin=False),
            Frame(Opcode.PING, b"there?"),
            Frame(Opcode.CONT, b"wo"),
        )
        conversation.socket.say("three")
        conversation.socket.say(b"four")

    conversation = conversing(story)

    assert conversation.heard == [b"one", b"two"]
    assert [(frame.opcode, bytes(frame.data)) for frame in conversation.answers] == [
        (Opcode.PONG, b"there?"),
        (Opcode.TEXT, b"three"),
        (Opcode.BINARY, b"four"),
    ]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([Frame(Opcode.TEXT, b"x" * 1001)], 1009),
        ([Frame(Opcode.TEXT, b"x" * 600, fin=False), Frame(Opcode.CONT, b"x" * 600)], 1009),
        ([Frame(Opcode.CONT, b"of nothing")], 1002),
    ],
)
def test_what_breaks_the_rules_is_closed(frames: list[Frame], code: int) -> None:
    """A message that is too long in all its parts, and one that never began; nothing of it is heard."""
    conversation = conversing(lambda conversation: conversation.says(*frames))

    assert conversation.heard == []
    assert conversation.transport.closing
    assert closing(conversation) == code


def closing(conversation: Conversation) -> int:
    [last] = conversation.answers
    assert last.opcode is Opcode.CLOSE
    return int.from_bytes(last.data[:2], "big")


def test_the_end_is_said_once_and_nobody_is_waited_for() -> None:
    """Nothing is written behind the close frame; a client that does not read it is left after a while."""

    def story(conversation: Conversation) -> None:
        conversation.socket.close(4000, "released")
        conversation.socket.close(4001, "disconnected")
        conversation.socket.say("too late")

    conversation = conversing(story)

    assert closing(conversation) == 4000
    assert conversation.transport.aborted


def test_a_client_that_leaves_in_order_is_answered() -> None:
    """Its close frame comes back, and the connection ends."""
    goodbye = Frame(Opcode.CLOSE, (1000).to_bytes(2, "big"))

    conversation = conversing(lambda conversation: conversation.says(goodbye))

    assert closing(conversation) == 1000
    assert conversation.transport.closing
