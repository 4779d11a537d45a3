"""Files that the API sends to a guest, over a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.parts import Request
from controller.parts.uploads import Uploads
from tests.unit.controller.parts.guests import PaperApi, a_guest, until
from wallcrawler.wire.caller import BadBody, Caller, Head

pytestmark = pytest.mark.usefixtures("loopback")

ROOM = {"total": 1 << 20, "count": 3}


class Front(Caller):
    """A guest's port of which there is one part alone."""

    def __init__(self, part: Uploads) -> None:
        super().__init__()
        self._part = part

    async def serve(self, head: Head) -> None:
        path, _, query = head.target.partition("?")
        try:
            await self._part.handlers["control/uploads"](Request(head, path, query, "control", self))
        except BadBody as wrong:
            self.refuse(wrong.status, str(wrong))


class Stand:
    def __init__(self, directory: Path) -> None:
        self.part = Uploads(a_guest(directory, PaperApi(), []))
        self.uploads = directory / "uploads"
        self.http = httpx.AsyncClient()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Stand]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Front(self.part), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with self.http, server:
            yield self
        await self.part.close()

    async def put(self, name: str, body: bytes, method: str = "PUT", **room: int) -> httpx.Response:
        return await self.http.request(method, f"{self.url}/{name}", params=ROOM | room, content=body)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.uploads.iterdir()} if self.uploads.exists() else {}


Story = Callable[[Stand], Awaitable[Any]]


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[[Story], Any]]:
    """Tells a story with a port that is open for as long as it lasts."""

    async def tell(story: Story) -> Any:
        async with Stand(tmp_path / "session").open() as stand:
            return await story(stand)

    yield lambda story: asyncio.run(tell(story))
    assert list((tmp_path / "session/uploads").glob("*")) == []


def test_a_file_is_put_where_the_answer_says(told: Callable[[Story], Any]) -> None:
    """Whatever its name and its length; the next of its name takes its place."""
    long = bytes(range(256)) * 10_000

    async def story(stand: Stand) -> Any:
        answers = [
            await stand.put("caf%C3%A9%20%2523.txt", b"first"),
            await stand.put("caf%C3%A9%20%2523.txt", b"second"),
            await stand.put("empty", b""),
            await stand.put("long", long, total=1 << 30),
        ]
        return [answer.json() for answer in answers], stand.files(), stand.uploads

    answers, files, uploads = told(story)

    assert answers[0] == answers[1] == {"name": "café %23.txt", "path": str(uploads / "café %23.txt")}
    assert files == {"café %23.txt": b"second", "empty": b"", "long": long}


@pytest.mark.parametrize("name", ["", ".", "..", "%2e%2e%2fout", "a%2fb", "a%00", ".hidden", ".half-x"])
def test_a_name_leads_nowhere_else(told: Callable[[Story], Any], name: str) -> None:
    """The API makes names safe; whoever else comes is refused."""

    async def story(stand: Stand) -> Any:
        answer = await stand.put(name, b"x")
        return answer, stand.files()

    answer, files = told(story)

    assert answer.status_code == 400
    assert answer.json()["message"] == "the name is not one of a file"
    assert files == {}


def test_only_puts_are_taken(told: Callable[[Story], Any]) -> None:
    """Nothing can be read back."""

    async def story(stand: Stand) -> Any:
        await stand.put("a", b"x")
        return await stand.put("a", b"", method="GET")

    assert told(story).status_code == 405


def test_there_is_room_for_so_many_bytes(told: Callable[[Story], Any]) -> None:
    """Of all files together, the one that is replaced not among them; what is refused leaves nothing."""

    async def story(stand: Stand) -> Any:
        answers = [
            await stand.put("a", b"x" * 100, total=150),
            await stand.put("b", b"x" * 51, total=150),
            await stand.put("a", b"y" * 150, total=150),
        ]
        return answers, stand.files()

    (first, second, third), files = told(story)

    assert (first.status_code, second.status_code, third.status_code) == (200, 413, 200)
    assert second.json()["message"] == "a session's uploads may have 150 bytes, and it has 100 of them"
    assert files == {"a": b"y" * 150}


def test_there_is_room_for_so_many_files(told: Callable[[Story], Any]) -> None:
    """Replacing one is always possible, and a long body that is refused is heard to its end."""

    async def story(stand: Stand) -> Any:
        answers = [await stand.put(name, b"x" * (5 << 20), total=1 << 30, count=2) for name in ("a", "b", "c", "b")]
        return [answer.status_code for answer in answers], answers[2].json(), set(stand.files())

    statuses, refused, files = told(story)

    assert statuses == [200, 200, 413, 200]
    assert refused["message"] == "a session may have 2 uploaded files, and it has them"
    assert files == {"a", "b"}


def test_files_that_come_at_once_share_the_room(told: Callable[[Story], Any]) -> None:
    """What is still being written counts from its beginning."""

    async def story(stand: Stand) -> Any:
        answers = await asyncio.gather(*(stand.put(f"{n}", b"x" * 400_000, total=1_000_000, count=9) for n in range(5)))
        return sorted(answer.status_code for answer in answers), len(stand.files())

    assert told(story) == ([200, 200, 413, 413, 413], 2)


def test_a_file_that_breaks_off_is_not_there(told: Callable[[Story], Any]) -> None:
    """The one before it is, and its room is free again."""

    async def story(stand: Stand) -> Any:
        await stand.put("a", b"before")
        port = int(stand.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"PUT /a?total=1000000&count=3 HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n" + b"x" * 5000
        )
        await writer.drain()
        await until(lambda: len(list(stand.uploads.iterdir())) == 2)
        writer.close()
        await until(lambda: len(list(stand.uploads.iterdir())) == 1)
        return stand.files(), (await stand.put("b", b"x" * 900_000)).status_code

    files, status = told(story)

    assert files == {"a": b"before"}
    assert status == 200
