"""Requests with a body through a gateway: whatever its length, and however its client waits for the answer."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest
import urllib3

from tests.integration.gateway.grounds import PATIENCE, Ground, RunningGateway
from wallcrawler.wire.caller import BadBody, Caller, Head

pytestmark = pytest.mark.queue

LIMIT = 8 << 20


class Reader(Caller):
    """Answers what it read: how much, and its checksum."""

    async def serve(self, head: Head) -> None:
        try:
            body = await self.body(LIMIT)
        except BadBody as wrong:
            self.refuse(wrong.status, str(wrong))
        else:
            self.answer(200, {"method": head.method, "bytes": len(body), "sum": hashlib.sha256(body).hexdigest()})


class ReadingGuest:
    """Takes connections late, as a busy one does, and reads every body that comes."""

    def __init__(self, *, after: float) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._after = after
        self._began = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._life()))
        self._thread.start()
        assert self._began.wait(PATIENCE)

    async def _life(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._began.set()
        await asyncio.sleep(self._after)  # its slowness is what is tested
        server = await self._loop.create_server(Reader, sock=self._listener)
        await self._stopping.wait()
        server.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE)


@pytest.fixture
def guest() -> Iterator[ReadingGuest]:
    guest = ReadingGuest(after=0.2)
    yield guest
    guest.stop()


@pytest.mark.parametrize("length", [0, 1, 65_536, 5_000_000])
def test_a_body_of_any_length_arrives_whole(
    ground: Ground, gateway: RunningGateway, guest: ReadingGuest, length: int
) -> None:
    """Also what came while the guest was still being connected to."""
    session = ground.ready(guest.address)
    body = os.urandom(length)

    with urllib3.PoolManager() as pool:
        answer = pool.request(
            "POST", f"{gateway.origin}/webdriver/x", body=body, headers=signed(ground, session.id), timeout=PATIENCE
        )

    assert answer.status == 200
    assert answer.json() == {"method": "POST", "bytes": length, "sum": hashlib.sha256(body).hexdigest()}


def test_a_client_that_keeps_its_connections_gets_every_answer(
    ground: Ground, gateway: RunningGateway, guest: ReadingGuest
) -> None:
    """As Selenium does, over urllib3: each answer says that its connection ends, and the next opens another."""
    session = ground.ready(guest.address)
    with urllib3.HTTPConnectionPool(gateway.netloc, maxsize=1, timeout=PATIENCE, retries=False) as pool:
        answers = [
            pool.request(method, "/webdriver/x", body=body, headers=signed(ground, session.id))
            for method, body in [("POST", b"{}"), ("GET", None), ("DELETE", None), ("POST", b"x" * 100_000)]
        ]

    assert [(answer.json()["method"], answer.json()["bytes"]) for answer in answers] == [
        ("POST", 2),
        ("GET", 0),
        ("DELETE", 0),
        ("POST", 100_000),
    ]
    assert {answer.headers["connection"] for answer in answers} == {"close"}


def test_a_client_that_waits_to_be_told_to_go_on(ground: Ground, gateway: RunningGateway, guest: ReadingGuest) -> None:
    """`Expect: 100-continue`: the guest says it, and the gateway passes it on."""
    session = ground.ready(guest.address)
    host, _, port = gateway.netloc.partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as client, client.makefile("rb") as answers:
        head = [f"{name}: {value}" for name, value in signed(ground, session.id).items()]
        lines = ["POST /webdriver/x HTTP/1.1", "Host: x", "Content-Length: 4", "Expect: 100-continue", *head, "", ""]
        client.sendall("\r\n".join(lines).encode())
        told = answers.readline(), answers.readline()
        client.sendall(b"body")
        answer = answers.read()

    assert told == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert hashlib.sha256(b"body").hexdigest().encode() in answer


def signed(ground: Ground, session_id: str) -> dict[str, str]:
    return {"x-bb-signing-key": ground.token(session_id)}
