"""What a gateway stands on in tests: real tables, a real bell, and guests whose strings a test pulls."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection

from services.gateway.server import listening, serve
from tests.unit.records import a_session
from wallcrawler.bell import RedisBell
from wallcrawler.catalog import Catalog
from wallcrawler.clock import SystemClock
from wallcrawler.lifecycle import Event
from wallcrawler.local.tables import SqliteTables
from wallcrawler.local.valkey import Valkey
from wallcrawler.session import Session
from wallcrawler.sessions import Sessions
from wallcrawler.tokens import Audience, Signer, Verifier

#: Seconds in which anything that a test waits for happens, or it has failed.
PATIENCE = 10.0


def switched(head: str) -> bytes:
    """The answer to an upgrade (RFC 6455, section 4.2.2)."""
    key = next(line[19:] for line in head.split("\r\n") if line.startswith("sec-websocket-key: "))
    accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()


def text(payload: bytes) -> bytes:
    """A server's text frame."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


def closed_with(connection: ClientConnection) -> tuple[int, str] | None:
    """The code and the reason with which the server ends this connection; None where it says nothing."""
    with pytest.raises(ConnectionClosed) as closed:
        connection.recv(timeout=PATIENCE)
    return (closed.value.rcvd.code, closed.value.rcvd.reason) if closed.value.rcvd else None


def raw_client(netloc: str, token: str) -> socket.socket:
    """A socket behind its upgrade: what the server says next is the first that is read from it."""
    host, _, port = netloc.partition(":")
    client = socket.create_connection((host, int(port)), timeout=PATIENCE)
    client.sendall(
        f"GET /?signingKey={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return client


class PuppetGuest:
    """Listens like a guest, answers every upgrade with 101, and then does what the test does with its socket.

    `heads` are the requests that came, /health aside, and `answer` is what others than upgrades get.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: list[str] = []
        self.phase = "serving"
        self.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
        self.switches = True
        self._upgraded: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # its listener was closed: the end
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                with suppress(OSError):  # a client that is gone already
                    self._meet(connection)

    def _meet(self, connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(65_536)
        if head.startswith(b"GET /health "):
            body = json.dumps({"phase": self.phase}).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            connection.close()
            return
        self.heads.append(head.decode())
        if not self.switches or b"upgrade: websocket" not in head.lower():
            connection.sendall(self.answer)
            connection.close()
            return
        connection.sendall(switched(head.decode()))
        self._upgraded.put(connection)

    def accepted(self) -> socket.socket:
        """The next client's socket, from the guest's side."""
        connection = self._upgraded.get(timeout=PATIENCE)
        connection.settimeout(PATIENCE)
        return connection

    def die(self) -> None:
        """As kill -9 does it: the port and all sockets are gone at once, and nobody was told."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


class RunningGateway:
    """A gateway on a thread of its own, from `start` to `stop`."""

    def __init__(self, **given: Any) -> None:
        self._given = {"drain": 0.0} | given
        self._listener = listening("127.0.0.1", 0)
        self.netloc = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.origin = f"http://{self.netloc}"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._life()))
        self._began = threading.Event()
        self._thread.start()
        assert self._began.wait(PATIENCE)

    async def _life(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._loop.call_soon(self._began.set)
        await serve(listener=self._listener, stopping=self._stopping, **self._given)

    def url(self, token: str, path: str = "/") -> str:
        return f"ws://{self.netloc}{path}?signingKey={token}"

    def tell_to_stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        if self.running:
            self.tell_to_stop()
        self._thread.join(PATIENCE)
        assert not self.running, "the gateway did not end"


class Ground:
    """Tables, a bell and a signing key, in `folder`; records are written into it as the platform would."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "wallcrawler.db"
        self.valkey = Valkey()
        self.tables = SqliteTables(self.database)
        self.bell = RedisBell(self.valkey.url)
        self.sessions = Sessions(self.tables, SystemClock())
        self.signer = Signer.generate()
        catalog = Catalog(self.tables, SystemClock())
        catalog.add_project("tests", concurrency=100_000, default_timeout=3600, id="project-1")
        self._count = 0

    def starting(self) -> Session:
        self._count += 1
        now = time.time()
        times = {"created_at": now, "updated_at": now, "ends_at": now + 3600, "create_by": now + 45}
        return self.sessions.create(a_session(f"session-{self._count}", **times))

    def ready(self, address: str) -> Session:
        session = self.starting()
        self.sessions.advance(session.id, Event.LAUNCHED, task=f"paper/{session.id}")
        self.sessions.advance(session.id, Event.LOCATED, address=address)
        return self.sessions.advance(session.id, Event.BROWSER_UP, browser_up_at=time.time())

    def end(self, session: Session, reason: str, *, event: Event = Event.EXITED, ring: bool = True) -> None:
        """As the notifier does it: the record first, then the bell."""
        self.sessions.advance(session.id, event, reason=reason)
        if ring:
            self.bell.ring(session.id)

    def token(self, session_id: str, audience: Audience = "cdp", *, lasts: float = 600) -> str:
        return self.signer.mint(session_id, audience, issued_at=time.time() - 900, expires_at=time.time() + lasts)

    @contextmanager
    def gateway(self, **given: Any) -> Iterator[RunningGateway]:
        needs: dict[str, Any] = {
            "sessions": self.sessions,
            "bell": self.bell,
            "verifier": Verifier(self.signer.verify_keys),
            "dependencies": {"tables": self.tables.ping, "bell": self.bell.ping},
        }
        gateway = RunningGateway(**needs | given)
        try:
            yield gateway
        finally:
            gateway.stop()

    @contextmanager
    def lost_bell(self) -> Iterator[RedisBell]:
        """A bell whose server is not there."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        bell = RedisBell(f"redis://127.0.0.1:{port}")
        yield bell
        bell.close()

    def close(self) -> None:
        self.bell.close()
        self.tables.close()
        self.valkey.close()
