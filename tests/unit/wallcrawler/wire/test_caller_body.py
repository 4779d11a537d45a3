"""A request's body, as a Caller reads it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from wallcrawler.wire.caller import HEAD_LIMIT, BadBody, Caller, Head

pytestmark = pytest.mark.usefixtures("loopback")

LIMIT = 4 << 20


class Echo(Caller):
    """Answers how long the body was, after a moment in which more of it comes."""

    async def serve(self, head: Head) -> None:
        await asyncio.sleep(0)
        try:
            body = await self.body(LIMIT)
        except BadBody as wrong:
            self.refuse(wrong.status, str(wrong))
        else:
            self.answer(200, {"bytes": len(body), "sum": sum(body)})


def exchange(*parts: bytes, within: float = 10) -> tuple[int, dict[str, object]]:
    """The answer to a request that is sent in these parts."""

    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        server = await loop.create_server(Echo, sock=listener)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        async with asyncio.timeout(within):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)  # so that they arrive apart, which is what is tested
            answer = await reader.read()
        writer.close()
        server.close()
        return answer

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def post(*headers: str) -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", "host: here", *headers, "", ""]).encode()


def test_a_body_that_comes_with_its_head() -> None:
    """One packet is enough."""
    assert exchange(post("content-length: 5") + b"\1\2\3\4\5") == (200, {"bytes": 5, "sum": 15})


def test_a_body_in_pieces() -> None:
    """Some of it with the head, the rest later."""
    body = bytes(range(1, 101))

    assert exchange(post("content-length: 100") + body[:7], body[7:50], body[50:]) == (200, {"bytes": 100, "sum": 5050})


def test_a_chunked_body() -> None:
    """Its framing is not part of it."""
    head = post("transfer-encoding: chunked")

    assert exchange(head, b"3\r\n\1\1\1\r\n", b"2\r\n\1\1\r\n0\r\n\r\n") == (200, {"bytes": 5, "sum": 5})


def test_no_body() -> None:
    assert exchange(post("content-length: 0")) == (200, {"bytes": 0, "sum": 0})


def test_a_body_larger_than_a_head_may_be() -> None:
    """It is read with back-pressure, and none of it is lost."""
    body = os.urandom(HEAD_LIMIT * 20)

    assert exchange(post(f"content-length: {len(body)}") + body) == (200, {"bytes": len(body), "sum": sum(body)})


def test_a_body_beyond_the_limit_is_refused() -> None:
    """With the limit in the message."""
    status, answer = exchange(post("transfer-encoding: chunked"), b"%x\r\n" % (LIMIT + 1), b"\0" * (LIMIT + 1))

    assert status == 413
    assert str(LIMIT) in str(answer["message"])


@pytest.mark.parametrize("chunk", [b"no size\r\n", b"-1\r\n"])
def test_a_broken_body_is_refused(chunk: bytes) -> None:
    assert exchange(post("transfer-encoding: chunked"), chunk)[0] == 400


def test_who_speaks_on_without_having_announced_a_body_is_cut_off(tmp_path: Path) -> None:
    """Nobody holds memory by talking to a request that takes none."""

    class Silent(Caller):
        async def serve(self, head: Head) -> None:
            await asyncio.Event().wait()

    async def run() -> bytes:
        server = await asyncio.get_running_loop().create_unix_server(Silent, str(tmp_path / "s"))
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)  # so that the rest comes after the head, and not with it
        writer.write(b"x" * HEAD_LIMIT * 3)
        async with asyncio.timeout(5):
            answer = await reader.read()
        server.close()
        return answer

    with suppress(ConnectionResetError):  # as good
        assert asyncio.run(run()) == b""
