"""One request on a connection of its own, against a server that says exactly what it is told to."""

from __future__ import annotations

import asyncio
import socket

import pytest

from wallcrawler.wire.http import Answer, ask

#: The only unit here whose job is a socket.
pytestmark = pytest.mark.usefixtures("loopback")


class Server:
    """Answers every connection with the same bytes, cut into parts, and keeps what it heard."""

    def __init__(self, *parts: bytes, hangs_up: bool = True) -> None:
        self._parts = parts
        self._hangs_up = hangs_up
        self.heard = b""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
        self.heard = head + await reader.readexactly(length)
        for part in self._parts:
            writer.write(part)
            await writer.drain()
        if not self._hangs_up:
            await reader.read()
        writer.close()

    def asked(self, path: str = "/", **how: object) -> Answer:
        """What `ask` makes of it."""

        async def exchange() -> Answer:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                return await ask(f"http://127.0.0.1:{port}{path}", **{"within": 5.0, **how})  # type: ignore[arg-type]

        return asyncio.run(exchange())


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


def test_a_get() -> None:
    """The path with its query, the host, nothing else; and the answer with lower-case headers."""
    server = Server(OK + b"{}")

    answer = server.asked("/json/list?a=%20b")

    assert answer == Answer(200, {"content-type": "application/json", "content-length": "2"}, b"{}")
    lines = server.heard.split(b"\r\n")
    assert lines[0] == b"GET /json/list?a=%20b HTTP/1.1"
    assert lines[1].startswith(b"host: 127.0.0.1:")
    assert lines[2:] == [b"connection: close", b"", b""]


def test_a_post_with_its_body_and_headers() -> None:
    """A body has its length, and a POST without one says so."""
    server, empty = Server(OK + b"{}"), Server(OK + b"{}")

    server.asked("/reports", method="POST", headers=[("authorization", "Bearer t")], body=b'{"event": "DRAINED"}')
    empty.asked("/reports", method="POST")

    assert b"authorization: Bearer t\r\n" in server.heard
    assert b"content-length: 20\r\n" in server.heard
    assert server.heard.endswith(b'\r\n\r\n{"event": "DRAINED"}')
    assert b"content-length: 0\r\n" in empty.heard


def test_a_host_that_is_given_is_the_only_one() -> None:
    """Chrome refuses others than its own."""
    server = Server(OK + b"{}")

    server.asked(headers=[("Host", "127.0.0.1:41234")])

    assert server.heard.lower().count(b"host:") == 1
    assert b"127.0.0.1:41234" in server.heard


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([bytes([byte]) for byte in OK + b"{}"], id="byte by byte"),
        pytest.param([CHUNKED + b"1\r\n{\r\n", b"1\r\n}\r\n0\r\n\r\n"], id="chunked"),
        pytest.param([b"HTTP/1.0 200 OK\r\n\r\n{", b"}"], id="until the end"),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"{}"], id="after a 100"),
    ],
)  # fmt: skip
def test_answers_come_in_many_forms(parts: list[bytes]) -> None:
    """However they are cut and framed, the body is the body."""
    answer = Server(*parts).asked()

    assert (answer.status, answer.body) == (200, b"{}")


def test_an_answer_is_not_waited_for_longer_than_its_length() -> None:
    """A server that keeps the connection open keeps nobody waiting."""
    assert Server(OK + b"{}", hangs_up=False).asked(within=3.0).body == b"{}"


@pytest.mark.parametrize("status", [204, 404, 503])
def test_a_status_is_an_answer(status: int) -> None:
    """What it means is the caller's business."""
    answer = Server(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()).asked()

    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="nothing"),
        pytest.param([b"SSH-2.0-OpenSSH\r\n"], id="another protocol"),
        pytest.param([OK + b"{"], id="half a body"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-"], id="half a head"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"], id="a length that is none"),
    ],
)
def test_what_is_no_answer_is_an_oserror(parts: list[bytes]) -> None:
    """So that callers need to know one kind of failure."""
    with pytest.raises(OSError):  # noqa: PT011 - the texts are the library's
        Server(*parts).asked()


def test_a_server_that_says_nothing_is_given_up() -> None:
    """After as many seconds as the caller has."""
    with pytest.raises(TimeoutError):
        Server(hangs_up=False).asked(within=0.1)


def test_nobody_there() -> None:
    """A port that nobody listens on is an OSError as well."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(OSError, match=r"refused|Connect"):
        asyncio.run(ask(f"http://127.0.0.1:{port}/"))
