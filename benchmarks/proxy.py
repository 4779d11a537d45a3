"""What the guest's proxy adds to CDP: round trips and large answers, direct and proxied in turns, on one Chrome.

The client is a bare socket that does as little as it can, so that it is not the client that is measured.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import statistics
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.lifecycle import RELEASE, Instance, instance

#: Round trips in a batch; batches take turns between the two ways.
BATCH = 200
#: Bytes of a large answer.
LARGE = 2_000_000


class Cdp:
    """One CDP connection, one question at a time. Frames as RFC 6455, section 5.2, has them."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._socket.recv(1)
        if b" 101 " not in head:
            raise ConnectionError(head.decode(errors="replace"))
        self._numbers = iter(range(1, 10_000_000))
        self._session: dict[str, str] = {}

    def attach(self) -> None:
        """Speak to the first page from now on."""
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]}

    def call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._send(json.dumps({"id": number, "method": method, "params": params, **self._session}).encode())
        while True:
            answer = json.loads(self._receive())
            if answer.get("id") == number:
                return answer["result"]

    def _send(self, payload: bytes) -> None:
        # A mask of zeros leaves the payload as it is.
        length = len(payload)
        short = struct.pack("!BB", 0x81, 0x80 | length) if length < 126 else struct.pack("!BBH", 0x81, 0xFE, length)
        self._socket.sendall(short + b"\0\0\0\0" + payload)

    def _receive(self) -> bytes:
        length = self._exactly(2)[1]
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = bytearray(count)
        view = memoryview(data)
        while view:
            view = view[self._socket.recv_into(view) :]
        return bytes(data)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def both_ways() -> Iterator[tuple[Cdp, Cdp]]:
    """The same page of one session's Chrome: through the proxy, and direct."""
    with instance() as running:
        session = running.call("POST", "/v1/sessions", {"keepAlive": True})
        proxied, direct = Cdp(session["connectUrl"]), Cdp(_direct_url(running))
        for connection in (proxied, direct):
            connection.attach()
        try:
            yield proxied, direct
        finally:
            direct.close()
            proxied.close()
            running.call("POST", f"/v1/sessions/{session['id']}", RELEASE)


def _direct_url(running: Instance) -> str:
    """Where the one Chrome of this instance listens, from the file that it writes into its profile."""
    (written,) = Path(running.run_dir).glob("*/profile/DevToolsActivePort")
    port, path = written.read_text().split()
    return f"ws://127.0.0.1:{port}{path}"


def measure(rounds: int) -> dict[str, float]:
    """Medians: microseconds of a round trip, milliseconds of a large answer; of `rounds` batches each way, in turns."""
    small: dict[str, list[float]] = {"proxied": [], "direct": []}
    large: dict[str, list[float]] = {"proxied": [], "direct": []}
    expression = f"'x'.repeat({LARGE})"
    with both_ways() as (proxied, direct):
        ways = {"proxied": proxied, "direct": direct}
        for connection in ways.values():
            for _ in range(BATCH):
                connection.call("Browser.getVersion")
        for _ in range(rounds):
            for name, connection in ways.items():
                for _ in range(BATCH):
                    began = time.perf_counter()
                    connection.call("Browser.getVersion")
                    small[name].append((time.perf_counter() - began) * 1e6)
                began = time.perf_counter()
                connection.call("Runtime.evaluate", expression=expression)
                large[name].append((time.perf_counter() - began) * 1e3)
    return {
        "proxied_us": statistics.median(small["proxied"]),
        "direct_us": statistics.median(small["direct"]),
        "proxied_2mb_ms": statistics.median(large["proxied"]),
        "direct_2mb_ms": statistics.median(large["direct"]),
    }
