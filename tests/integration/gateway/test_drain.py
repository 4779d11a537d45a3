"""A gateway goes in such a way that its clients can come back through another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from tests.eventually import eventually
from tests.integration.gateway.grounds import PATIENCE, Ground, PuppetGuest, closed_with, raw_client, text

pytestmark = pytest.mark.queue


class GatewayProcess:
    """A gateway in a process of its own; `lines` are the facts that it logged."""

    def __init__(self, ground: Ground, *, drain: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.gateway.process"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        given = {
            "database": str(ground.database),
            "redis_url": ground.valkey.url,
            "namespace": "",
            "verify_keys": dict(ground.signer.verify_keys),
            "port": 0,
            "drain": drain,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(given))
        self.process.stdin.close()
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        eventually(self._started, within=PATIENCE)
        self.netloc = f"127.0.0.1:{self._started()}"

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    def _started(self) -> int:
        facts = [json.loads(line) for line in self.lines if line.startswith("{")]
        return next((fact["port"] for fact in facts if fact["event"] == "process.started"), 0)

    def url(self, token: str) -> str:
        return f"ws://{self.netloc}/?signingKey={token}"

    def ready(self) -> httpx.Response:
        return httpx.get(f"http://{self.netloc}/readyz")


@contextmanager
def gateway_process(ground: Ground, *, drain: float) -> Iterator[GatewayProcess]:
    gateway = GatewayProcess(ground, drain=drain)
    try:
        yield gateway
    finally:
        gateway.process.kill()
        gateway.process.wait(PATIENCE)


def test_sigterm_drains(ground: Ground, guest: PuppetGuest) -> None:
    """Not ready at once, no new clients; those who are here go on, until they are told to go elsewhere; exit 0."""
    token = ground.token(ground.ready(guest.address).id)
    with (
        gateway_process(ground, drain=1.5) as gateway,
        connect(gateway.url(token), close_timeout=0.1) as client,
    ):
        theirs = guest.accepted()
        before = gateway.ready()
        gateway.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        eventually(lambda: gateway.ready().status_code == 503, within=1)
        late = httpx.get(f"http://{gateway.netloc}/json", headers={"x-bb-signing-key": token})
        theirs.sendall(text(b"still here"))
        heard = client.recv(timeout=1)
        told = closed_with(client)
        left = time.monotonic() - began
        status = gateway.process.wait(PATIENCE)

    assert before.status_code == 200
    assert (late.status_code, late.headers["retry-after"]) == (503, "1")
    assert heard == "still here"
    assert told == (1001, "going away")
    assert 1.3 < left < 3
    assert status == 0
    assert not [line for line in gateway.lines if token in line or "Traceback" in line]


def test_a_gateway_that_nobody_uses_goes_at_once(ground: Ground) -> None:
    """The drain is for clients."""
    with gateway_process(ground, drain=60) as gateway:
        gateway.process.send_signal(signal.SIGTERM)

        assert gateway.process.wait(5) == 0


def test_a_sentence_is_finished_before_the_goodbye(ground: Ground, guest: PuppetGuest) -> None:
    """Where the browser is half way through a message, the rest of it comes first."""
    with ground.gateway(drain=0.2) as gateway:
        token = ground.token(ground.ready(guest.address).id)
        with connect(gateway.url(token), close_timeout=0.1) as client:
            theirs, message = guest.accepted(), text(b"s" * 1000)
            theirs.sendall(message[:500])
            gateway.tell_to_stop()
            with pytest.raises(TimeoutError):
                client.recv(timeout=0.7)
            theirs.sendall(message[500:])
            heard = client.recv(timeout=1)
            told = closed_with(client)

    assert heard == "s" * 1000
    assert told == (1001, "going away")


def test_a_client_that_takes_nothing_holds_nobody_up(ground: Ground, guest: PuppetGuest) -> None:
    """The goodbye is for those who listen; whoever doesn't is cut off."""
    with ground.gateway(drain=0.1) as gateway:
        token = ground.token(ground.ready(guest.address).id)
        with connect(gateway.url(token), close_timeout=0.1):
            guest.accepted().sendall(text(b"s" * 1000)[:500])
            gateway.tell_to_stop()
            eventually(lambda: not gateway.running, within=5)


def test_a_thousand_idle_sockets_cost_little(ground: Ground, guest: PuppetGuest) -> None:
    """Less than 16 kB each, and all of them hear the goodbye."""
    token = ground.token(ground.ready(guest.address).id)
    with gateway_process(ground, drain=0) as gateway, ExitStack() as clients:
        process = psutil.Process(gateway.process.pid)
        with connect(gateway.url(token), close_timeout=0.1):
            guest.accepted()
        before = process.memory_info().rss
        sockets = [clients.enter_context(raw_client(gateway.netloc, token)) for _ in range(1000)]
        each = (process.memory_info().rss - before) / len(sockets)
        gateway.process.send_signal(signal.SIGTERM)
        goodbyes = [client.recv(100) for client in sockets]
        status = gateway.process.wait(PATIENCE)

    assert each < 16_000
    assert set(goodbyes) == {b"\x88\x0c\x03\xe9going away"}
    assert status == 0
