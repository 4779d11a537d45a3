"""What is put into a conversation to keep it open: only where it may stand, and only where there is silence."""

from __future__ import annotations

import asyncio
import itertools
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from services.gateway import gateway as gateways
from services.gateway.gateway import GOING_AWAY, Gateway, Route
from services.gateway.pulse import PING, keep_alive
from tests.unit.records import a_ready_session

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class PaperTransport(asyncio.Transport):
    """Writes down what is written; `unread` is what its other end leaves lying."""

    def __init__(self) -> None:
        self.written = b""
        self.unread = 0
        self.closed = False
        self.reading = True

    def write(self, data: Any) -> None:
        assert not self.closed, "something was written after the close"
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def resume_reading(self) -> None:
        self.reading = True

    def set_protocol(self, protocol: Any) -> None:
        """Whose it is does not matter here."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is none."""

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        self.reading = False


class Conversation:
    """A route between two transports on paper, after its upgrade."""

    def __init__(self) -> None:
        self.client, self.guest = PaperTransport(), PaperTransport()
        self.route = Route(_Nobody(), self.client, a_ready_session(), wants_socket=True)  # type: ignore[arg-type]
        self.route.chrome.connection_made(self.guest)
        self.route.begin(b"GET / HTTP/1.1\r\n\r\n", b"")
        self.says(SWITCHED)

    def says(self, data: bytes) -> None:
        """The guest does."""
        self.route.chrome.data_received(data)

    def frames(self) -> list[Frame]:
        """What the client got, as a library reads it. Raises what is wrong with it."""
        reader, frames = StreamReader(), []
        reader.feed_data(self.client.written.removeprefix(SWITCHED))
        reader.feed_eof()
        while reader.buffer != b"":
            parsing = Frame.parse(reader.read_exact, mask=False)
            try:
                next(parsing)
            except StopIteration as parsed:
                frames.append(parsed.value)
        return frames


class _Nobody:
    """A gateway that takes no notice."""

    def ended(self, route: Route) -> None:
        """It is gone."""


def text(payload: bytes) -> bytes:
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(
    lengths=st.lists(st.sampled_from([0, 1, 125, 126, 127, 300, 65_535, 65_536]), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 70_000), max_size=8),
)
def test_a_ping_never_tears_a_frame(lengths: list[int], cuts: list[int]) -> None:
    """Beaten twice after every piece, wherever it was cut: all of the guest's frames arrive as they were."""
    sent = [text(b"\x89" * length) for length in lengths]
    stream, conversation = b"".join(sent), Conversation()
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})

    for start, end in itertools.pairwise(edges):
        conversation.says(stream[start:end])
        conversation.route.beat()
        conversation.route.beat()

    heard = conversation.frames()
    assert [frame.serialize(mask=False) for frame in heard if frame.opcode is Opcode.TEXT] == sent
    assert heard[-1].opcode is Opcode.PING


def test_only_silence_is_broken() -> None:
    """A ping for every two beats without a word; none where somebody spoke, or where nobody reads."""
    conversation = Conversation()
    route, client = conversation.route, conversation.client

    route.beat()
    after_talk = client.written
    route.beat()
    after_silence = client.written
    route.client.data_received(b"\x8a\x80\0\0\0\0")
    route.beat()
    after_pong = client.written
    client.unread = 1
    route.beat()

    assert after_talk == SWITCHED
    assert after_silence == after_pong == client.written == SWITCHED + PING


def test_nothing_is_said_before_the_upgrade_or_after_the_goodbye() -> None:
    """There a ping would be part of an answer, or behind a close frame."""
    conversation = Conversation()
    early = Route(_Nobody(), PaperTransport(), a_ready_session(), wants_socket=True)  # type: ignore[arg-type]
    conversation.says(Frame(Opcode.CLOSE, b"\x0f\xa0").serialize(mask=False))
    said = conversation.client.written

    for route in (early, conversation.route):
        route.beat()
        route.beat()

    assert early.client.transport.written == b""  # type: ignore[attr-defined]
    assert conversation.client.written == said


def test_a_goodbye_is_the_last_word() -> None:
    """Nothing of the guest's comes behind it."""
    conversation = Conversation()
    conversation.says(text(b"before"))

    conversation.route.finish(GOING_AWAY)

    assert conversation.client.written.endswith(GOING_AWAY)
    assert conversation.client.closed
    assert not conversation.guest.reading


@pytest.mark.usefixtures("loopback")
def test_the_kernel_looks_after_the_other_host() -> None:
    """Probes on silence, and an end of waiting for a host that takes nothing."""
    with socket.socket() as sock:

        class Transport(asyncio.BaseTransport):
            def get_extra_info(self, name: str, default: Any = None) -> Any:
                return {"socket": sock}[name]

        keep_alive(Transport(), dead_after=60)

        tcp = {name: sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}")) for name in OPTIONS}
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert tcp == OPTIONS


OPTIONS = {"KEEPIDLE": 30, "KEEPINTVL": 10, "KEEPCNT": 3, "USER_TIMEOUT": 60_000}


def test_who_takes_no_goodbye_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that never finishes its sentence, or a client that does not listen, holds up no gateway."""
    monkeypatch.setattr(gateways, "GOODBYE_WITHIN", 0.05)
    conversation = Conversation()
    conversation.says(text(b"never to be finished")[:5])

    async def life() -> None:
        gateway = Gateway(None, None)  # type: ignore[arg-type]
        gateway.begun(conversation.route)
        await gateway.drain(0)

    asyncio.run(life())

    assert conversation.client.closed
    assert GOING_AWAY not in conversation.client.written


def test_a_gateway_that_has_nobody_drains_at_once() -> None:
    """Whatever it may take."""

    async def life() -> bool:
        gateway = Gateway(None, None)  # type: ignore[arg-type]
        async with asyncio.timeout(1):
            await gateway.drain(3600)
        return gateway.draining

    assert asyncio.run(life())
