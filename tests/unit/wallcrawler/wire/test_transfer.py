"""Files to and from a store that answers exactly what it is told to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from wallcrawler.wire.transfer import PIECE, Damaged, Moved, Refused, TooLong, download, upload

#: The job of these is a socket.
pytestmark = pytest.mark.usefixtures("loopback")

#: Longer than a piece, and no multiple of one.
LONG = bytes(range(256)) * (PIECE // 256) + b"and a rest"


class Store:
    """Answers with these bytes: when it has heard everything, or when it has heard `after` bytes of the body."""

    def __init__(self, answer: bytes, *, after: int | None = None, hangs: bool = False) -> None:
        self._answer = answer
        self._after = after
        self._hangs = hangs
        self.head = b""
        self.body = b""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in self.head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
        self.body = await reader.readexactly(length if self._after is None else self._after)
        writer.write(self._answer)
        await writer.drain()
        if self._hangs:
            await reader.read()
        writer.close()

    def through(self, move: Callable[[str], Awaitable[Moved]]) -> Moved:
        """What comes of a transfer with a URL of this store."""

        async def exchange() -> Moved:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=4 * PIECE)
            async with server:
                return await move(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a%20b?signature=hunter2")

        return asyncio.run(exchange())


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("body", [b"", b"short", LONG], ids=["empty", "short", "long"])
def test_a_file_is_put_where_the_url_leads(tmp_path: Path, body: bytes) -> None:
    """All of it, with its length, and its hash is told."""
    (tmp_path / "file").write_bytes(body)
    store = Store(answer(b"", "204 No Content"))

    moved = store.through(lambda url: upload(url, tmp_path / "file"))

    assert moved == Moved(len(body), sha256(body))
    assert store.head.startswith(b"PUT /a%20b?signature=hunter2 HTTP/1.1\r\n")
    assert store.body == body


@pytest.mark.parametrize("body", [b"", b"short", LONG], ids=["empty", "short", "long"])
def test_a_file_is_fetched_from_where_the_url_leads(tmp_path: Path, body: bytes) -> None:
    """And is what was promised."""
    store = Store(answer(body))

    moved = store.through(lambda url: download(url, tmp_path / "file", limit=len(body), sha256=sha256(body)))

    assert moved == Moved(len(body), sha256(body))
    assert (tmp_path / "file").read_bytes() == body
    assert store.head.startswith(b"GET /a%20b?signature=hunter2 HTTP/1.1\r\n")


def test_a_store_that_says_no_before_it_heard_all_is_understood(tmp_path: Path) -> None:
    """Rather than taken for a broken connection."""
    (tmp_path / "file").write_bytes(LONG * 8)
    store = Store(answer(b"", "413 Content Too Large"), after=10)

    with pytest.raises(Refused) as refused:
        store.through(lambda url: upload(url, tmp_path / "file"))

    assert refused.value.status == 413
    assert "hunter2" not in str(refused.value)


def test_a_store_that_only_hangs_up_is_an_error(tmp_path: Path) -> None:
    """Whether it heard everything or not."""
    (tmp_path / "file").write_bytes(LONG * 8)

    for store in (Store(b""), Store(b"", after=10)):
        with pytest.raises(OSError, match=r"closed the connection|[Rr]eset|[Bb]roken|[Cc]losed"):
            store.through(lambda url: upload(url, tmp_path / "file"))


@pytest.mark.parametrize(
    ("store", "error"),
    [
        (Store(answer(b"", "403 Forbidden")), Refused),
        (Store(answer(b"eleven byte")), TooLong),
        (Store(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\neleven byte\r\n0\r\n\r\n"), TooLong),
        (Store(answer(b"other")), Damaged),
        (Store(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Damaged),
        (Store(b"SSH-2.0-OpenSSH\r\n"), Damaged),
        (Store(b"", hangs=True), TimeoutError),
    ],
    ids=["refused", "too long", "too long in chunks", "other bytes", "broken off", "no HTTP", "silent"],
)
def test_what_can_not_be_fetched_leaves_no_file(tmp_path: Path, store: Store, error: type[OSError]) -> None:
    """And no word of the URL in the error."""
    with pytest.raises(error) as failed:
        store.through(lambda url: download(url, tmp_path / "file", limit=10, sha256=sha256(b"these"), patience=0.5))

    assert list(tmp_path.iterdir()) == []
    assert "hunter2" not in str(failed.value)


def test_a_store_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """After the patience that counts from the last byte."""
    (tmp_path / "file").write_bytes(b"short")
    store = Store(b"", hangs=True)

    with pytest.raises(TimeoutError):
        store.through(lambda url: upload(url, tmp_path / "file", patience=0.2))


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    """Nor removed."""
    (tmp_path / "file").write_bytes(b"mine")

    with pytest.raises(FileExistsError):
        Store(answer(b"theirs")).through(lambda url: download(url, tmp_path / "file", limit=10))

    assert (tmp_path / "file").read_bytes() == b"mine"
