"""The guest's port, with a real Chrome behind it: who may pass, what is passed on, and what is left at the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.eventually import eventually
from tests.platform import Platform

pytestmark = pytest.mark.browser


@pytest.fixture
def session(platform: Platform) -> Iterator[dict[str, Any]]:
    session = platform.create(keepAlive=True)
    yield session
    platform.release(session["id"])
    eventually(platform.settled, within=10)


def origin(session: dict[str, Any]) -> str:
    return f"http://{urlsplit(session['connectUrl']).netloc}"


def status_of(url: str, **options: Any) -> int:
    """The status with which an upgrade is answered; 101 where it passes."""
    try:
        with connect(url, **options):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def guest_of(platform: Platform, session_id: str) -> psutil.Process:
    """The guest's process: the parent of its Chrome."""
    mine = [chrome for chrome in platform.chromes() if any(session_id[:8] in part for part in chrome.cmdline())]
    browser = next(chrome for chrome in mine if not any(part.startswith("--type=") for part in chrome.cmdline()))
    guest = browser.parent()
    assert guest is not None
    return guest


def test_only_the_sessions_own_token_passes(platform: Platform, session: dict[str, Any]) -> None:
    """None, garbage, truncated, unsigned, expired and another session's are all 401; in the header it passes too."""
    other = platform.create(keepAlive=True)
    links, record = platform.ports.links, platform.ports.sessions.get(session["id"])
    key = session["signingKey"]
    unsigned = jwt.encode({"sub": session["id"], "aud": "cdp", "iat": 0, "exp": 2**33}, None, algorithm="none")
    expired = platform.ports.signer.mint(session["id"], "cdp", issued_at=0, expires_at=time.time() - 60)
    refused = {
        "garbage": "garbage",
        "truncated": key[:-10],
        "unsigned": unsigned,
        "expired": expired,
        "another session's": other["signingKey"],
        "a guest's": links.token(record, "guest"),
        "the API key": platform.api_key,
    }

    assert status_of(f"{origin(session)}/".replace("http", "ws")) == 401
    for why, token in refused.items():
        url = f"{origin(session)}/?signingKey={token}".replace("http", "ws")
        assert status_of(url) == 401, why
    bare = f"{origin(session)}/".replace("http", "ws")
    assert status_of(bare, additional_headers={"x-bb-signing-key": key}) == 101
    assert status_of(session["connectUrl"], origin="chrome-extension://abcdefghijklmnopabcdefghijklmnop") == 101
    assert status_of(session["connectUrl"], origin="https://evil.example") == 101
    platform.release(other["id"])


def test_a_view_token_looks_and_does_not_drive(platform: Platform, session: dict[str, Any]) -> None:
    """It lists pages and watches them; the browser itself, and new pages, are not for it."""
    record = platform.ports.sessions.get(session["id"])
    headers = {"x-bb-signing-key": platform.ports.links.token(record, "view")}

    pages = httpx.get(f"{origin(session)}/json/list", headers=headers)
    version = httpx.put(f"{origin(session)}/json/new", headers=headers)
    drive = status_of(f"{origin(session)}/".replace("http", "ws"), additional_headers=headers)

    assert pages.json()[0]["url"] == "about:blank"
    assert version.status_code == 403
    assert drive == 403


def test_json_endpoints_lead_through_the_gate_again(session: dict[str, Any]) -> None:
    """Every URL in them names this port and carries the caller's token: Chrome's own port is in none."""
    headers = {"x-bb-signing-key": session["signingKey"]}

    version = httpx.get(f"{origin(session)}/json/version", headers=headers).json()
    opened = httpx.put(f"{origin(session)}/json/new?about:blank", headers=headers).json()
    listed = httpx.get(f"{origin(session)}/json", headers=headers).json()

    netloc = urlsplit(session["connectUrl"]).netloc
    for url in (version["webSocketDebuggerUrl"], opened["webSocketDebuggerUrl"]):
        assert urlsplit(url).netloc == netloc
        assert status_of(url) == 101
    assert opened["id"] in {page["id"] for page in listed}
    assert httpx.get(f"{origin(session)}/json/close/{opened['id']}", headers=headers).status_code == 200
    assert httpx.get(f"{origin(session)}/json/version").status_code == 401
    assert httpx.get(f"{origin(session)}/etc/passwd", headers=headers).status_code == 404


def test_the_token_is_in_no_process_and_reaches_no_page(platform: Platform, session: dict[str, Any]) -> None:
    """Neither a command line nor Chrome's environment holds it, nor anything else of ours."""
    with connect(session["connectUrl"]):
        for process in [guest_of(platform, session["id"]), *platform.chromes()]:
            told = " ".join(process.cmdline())
            if "chrom" in process.name():
                told += " ".join(f"{name}={value}" for name, value in process.environ().items())
                assert "WALLCRAWLER" not in told
            assert session["signingKey"] not in told
            assert platform.api_key not in told


def test_chrome_holds_no_socket_of_its_guest(platform: Platform, session: dict[str, Any]) -> None:
    """The port is the guest's alone: it closes with it, and no page's process can accept on it."""
    port = urlsplit(session["connectUrl"]).port

    for process in platform.chromes():
        assert port not in listened_by(process)
    assert port in listened_by(guest_of(platform, session["id"]))


def listened_by(process: psutil.Process) -> set[int]:
    return {one.laddr.port for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN}


def test_chromes_sandbox_is_on_where_it_can_be(platform: Platform, session: dict[str, Any]) -> None:
    """For everybody but root, for whom Chrome refuses to start with it."""
    assert session["status"] == "RUNNING"
    flags = [argument for chrome in platform.chromes() for argument in chrome.cmdline()]

    assert ("--no-sandbox" in flags) == (os.geteuid() == 0)
    assert "--disable-extensions" not in flags


def test_a_client_that_does_not_read_costs_no_memory(platform: Platform, session: dict[str, Any]) -> None:
    """Back-pressure: what nobody reads stays in Chrome, and the others' round trips go on."""
    guest = guest_of(platform, session["id"])
    before = guest.memory_info().rss
    slow = socket.create_connection((urlsplit(origin(session)).hostname or "", urlsplit(origin(session)).port or 0))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(
        f"GET /?signingKey={session['signingKey']} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in slow.recv(4096)
    with connect(session["connectUrl"], max_size=None) as client:
        client.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        page = json.loads(client.recv())["result"]["targetInfos"][0]["targetId"]
        flatten = {"targetId": page, "flatten": True}
        slow.sendall(_masked({"id": 1, "method": "Target.attachToTarget", "params": flatten}))
        attached = b""
        while b'"sessionId":"' not in attached:
            attached += slow.recv(4096)
        target = attached.partition(b'"sessionId":"')[2].partition(b'"')[0].decode()
        for number in range(2, 22):
            evaluate = {"expression": "'x'.repeat(5e6)"}
            slow.sendall(_masked({"id": number, "sessionId": target, "method": "Runtime.evaluate", "params": evaluate}))
        for number in range(2, 52):
            client.send(json.dumps({"id": number, "method": "Browser.getVersion"}))
            assert json.loads(client.recv(timeout=10))["id"] == number

    assert guest.memory_info().rss - before < 30e6
    slow.close()


def _masked(message: dict[str, Any]) -> bytes:
    """A client's text frame with a mask of zeros (RFC 6455, section 5.2)."""
    payload = json.dumps(message).encode()
    length = len(payload)
    head = bytes([0x81, 0x80 | length]) if length < 126 else bytes([0x81, 0xFE]) + length.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_however_the_guest_ends_nothing_of_it_is_left(platform: Platform, number: signal.Signals) -> None:
    """Its whole process group, its directory and its port are gone, and the session says why."""
    session = platform.create(keepAlive=True)
    guest = guest_of(platform, session["id"])
    family = guest.children(recursive=True)
    assert family

    guest.send_signal(number)

    eventually(lambda: platform.ended(session["id"]), within=10)
    eventually(lambda: not any(process.is_running() for process in family), within=5)
    assert platform.retrieve(session["id"])["endedReason"].startswith("task_stopped")
    eventually(lambda: not list(platform.run_dir.glob(f"{session['id'][:8]}*")))
    eventually(platform.settled)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((urlsplit(origin(session)).hostname or "", urlsplit(origin(session)).port or 0))
