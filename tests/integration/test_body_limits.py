"""How long bodies may be, and what becomes of them, with clients that ask first, that lie, and that leave."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
import pytest

from services.api.limits import BODY_LIMIT, FORM
from tests.eventually import eventually
from tests.integration.guests import scripted
from tests.platform import Platform
from wallcrawler.errors import TryLater, WallcrawlerError
from wallcrawler.project import ApiKey

pytestmark = pytest.mark.queue

UPLOAD_LIMIT = 3 << 20


@pytest.fixture(scope="module")
def everybodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One instance for all of these tests, since none of them breaks anything."""
    with scripted(tmp_path_factory.mktemp("bodies"), upload_limit=UPLOAD_LIMIT) as platform:
        yield platform


@pytest.fixture
def platform(everybodys: Platform) -> Platform:
    return everybodys


def refusal(answer: httpx.Response, status: int) -> str:
    """The message of an error that has exactly the shape which clients parse."""
    body = answer.json()
    assert answer.status_code == body["statusCode"] == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert body == {"statusCode": status, "error": HTTPStatus(status).phrase, "message": body["message"]}
    return str(body["message"])


def temporary_files() -> int:
    """Files without a name that this process, and so the server, has open."""
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{fd}")
            found += target.endswith("(deleted)") and not target.startswith("/dev/zero")
    return found


@pytest.mark.parametrize("size", [BODY_LIMIT + 1, 9 << 20])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_of_json_is_refused_in_json(platform: Platform, size: int, chunked: bool) -> None:
    """However long it is, and whether or not its length is said: 413 names the limit, and no session is made."""
    before = platform.live()
    body = b"[" + b" " * (size - 2) + b"]"

    answer = platform.http.post("/v1/sessions", content=iter([body]) if chunked else body)

    assert refusal(answer, 413) == f"body must be at most {BODY_LIMIT} bytes"
    assert platform.live() == before


def test_a_body_at_the_limit_is_read(platform: Platform) -> None:
    """To the byte: it is refused for what it says, and not for its length."""
    body = b"[" + b" " * (BODY_LIMIT - 2) + b"]"

    answers = [
        platform.http.post("/v1/sessions", content=body),
        platform.http.post("/v1/sessions", content=iter([body])),
    ]

    assert [refusal(answer, 400) for answer in answers] == ["body must be object"] * 2


def test_a_client_that_asks_first_need_not_send(platform: Platform) -> None:
    """`Expect: 100-continue` is answered with the refusal, or with leave to go on."""
    for length, status in ((BODY_LIMIT + 1, 413), (2, 100)):
        with _connected(platform) as client:
            client.sendall(_head(platform, "/v1/sessions", length, "Expect: 100-continue\r\n"))

            assert client.recv(4096).split(b" ", 2)[1] == str(status).encode()


def test_files_have_limits_of_their_own(platform: Platform) -> None:
    """A form may be as long as its file, and what a form needs; the file's limit holds to the byte."""
    session = platform.create()
    route = f"/v1/sessions/{session['id']}/uploads"

    over = platform.http.post(route, files={"file": ("a", b"x" * (UPLOAD_LIMIT + 1))})
    far_over = platform.http.post(route, files={"file": ("a", b"x" * (UPLOAD_LIMIT + FORM))})

    assert refusal(over, 413) == f"body/file must be at most {UPLOAD_LIMIT} bytes"
    whole = f"body/file must be at most {UPLOAD_LIMIT} bytes, and body {UPLOAD_LIMIT + FORM}"
    assert refusal(far_over, 413) == whole


STRANGERS = [
    ("POST", "/v1/sessions/none/uploads", "a key that is none", 401),
    ("POST", "/v1/extensions", "", 401),
    ("PUT", "/blobs/a/b?expires=99999999999&signature=0", "", 403),
    ("PUT", "/uploads/contexts/a/b?expires=99999999999&signature=0", "", 403),
]


@pytest.mark.parametrize(("method", "route", "key", "status"), STRANGERS)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_strangers_file_is_not_kept(
    platform: Platform, method: str, route: str, key: str, status: int, chunked: bool
) -> None:
    """It is read, so that its sender hears why it is refused, and written nowhere."""
    before, piece = temporary_files(), b"x" * (256 << 10)
    seen = set()

    def body() -> Iterator[bytes]:
        for _ in range(UPLOAD_LIMIT // len(piece)):
            yield piece
            seen.add(temporary_files() - before)

    length = {} if chunked else {"content-length": str(UPLOAD_LIMIT)}
    with httpx.Client(base_url=platform.url, headers={"x-bb-api-key": key} if key else {}) as stranger:
        answer = stranger.request(method, route, content=body(), headers=length)

    assert refusal(answer, status)
    assert seen == {0}


def test_a_stranger_is_not_told_more_than_everybody(platform: Platform) -> None:
    """The same words as where there is no file."""
    with httpx.Client(base_url=platform.url, headers={"x-bb-api-key": "none"}) as stranger:
        with_file = stranger.post("/v1/extensions", content=b"x" * (1 << 20))
        without = stranger.get("/v1/sessions")

    assert with_file.json() == without.json()


def test_a_file_waits_for_whoever_knows_the_keys(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """And others' requests do not wait meanwhile, with however many files."""
    asked = threading.Event()
    owner_of = platform.ports.catalog.owner_of

    def slow(key: str) -> ApiKey:
        if key == "slow":
            asked.wait(10)
        return owner_of(key)

    monkeypatch.setattr(platform.ports.catalog, "owner_of", slow)
    with ExitStack() as connections:
        clients = [connections.enter_context(_connected(platform)) for _ in range(10)]
        for client in clients:
            head = _head(platform, "/v1/extensions", 1 << 20).replace(platform.api_key.encode(), b"slow")
            client.sendall(head + b"x" * 1000)
        assert platform.http.get("/v1/sessions").status_code == 200

        asked.set()
        for client in clients:
            client.sendall(b"x" * ((1 << 20) - 1000))
            assert client.recv(4096).split(b" ", 2)[1] == b"401"


@pytest.mark.parametrize(
    ("broken", "status", "says"),
    [
        (TryLater("the table is throttled", after=1), 503, "the table is throttled; ask again in a moment"),
        (WallcrawlerError("the table refuses us"), 503, "its operator has to see to it"),
        (RuntimeError("a mistake"), 500, "something broke; the server's log has it"),
    ],
)
def test_where_nobody_knows_the_keys_a_file_is_refused(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, broken: Exception, status: int, says: str
) -> None:
    """With what a route would say."""

    def refuse(_: str) -> ApiKey:
        raise broken

    monkeypatch.setattr(platform.ports.catalog, "owner_of", refuse)

    assert says in refusal(platform.http.post("/v1/extensions", content=b"x" * (1 << 20)), status)


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"content": b"x"}, 400, "body must be multipart/form-data, with a file in the field 'file'"),
        ({"json": {"file": "x"}}, 400, "body must be multipart/form-data, with a file in the field 'file'"),
        ({"files": {"document": ("a", b"x")}}, 400, "body must have required property 'file'"),
        ({"files": {"file": (None, b"x")}}, 400, "body/file must be a file, with a filename"),
        ({"files": {"file": ("", b"x")}}, 400, "body/file must be a file, with a filename"),
        ({"files": [("file", ("a", b"x")), ("file", ("b", b"x"))]}, 400, "body/file must be one file"),
        ({"files": {"file": ("a", b"x"), "n": (None, b"x" * 600_000)}}, 413, "500000 bytes beside its file"),
        ({"files": [("file", ("a", b"x")), *[("n", (None, b"x"))] * 1001]}, 413, "at most 1000 fields"),
    ],
)
def test_a_form_that_is_none_is_refused(platform: Platform, form: dict[str, object], status: int, says: str) -> None:
    """The message says what the form lacks, or has too much of."""
    session = platform.create()

    answer = platform.http.post(f"/v1/sessions/{session['id']}/uploads", **form)  # type: ignore[arg-type]

    assert says in refusal(answer, status)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost x\r\n\r\n", 400),
        (b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nX: ".ljust(262_144, b"x"), 431),
    ],
)
def test_what_is_no_request_is_refused_like_everything_else(
    platform: Platform, request_bytes: bytes, status: int
) -> None:
    """What never reaches a route has the same triple."""
    with _connected(platform) as client:
        client.sendall(request_bytes)
        answer = b"".join(iter(lambda: client.recv(65_536), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    parsed = httpx.Response(int(head.split(b" ", 2)[1]), content=body, headers={"content-type": "application/json"})
    assert b"Content-Type: application/json" in head
    refusal(parsed, status)


@pytest.mark.parametrize("leave", [lambda client: client.close(), lambda client: client.shutdown(socket.SHUT_WR)])
def test_no_temporary_file_is_left_of_a_body(platform: Platform, leave: Callable[[socket.socket], None]) -> None:
    """Neither of one that was answered, nor of one that was refused, nor of a client that left in the middle."""
    before = temporary_files()
    session = platform.create()
    route = f"/v1/sessions/{session['id']}/uploads"

    platform.http.post(route, files={"file": ("a", b"x" * UPLOAD_LIMIT)})
    platform.http.post(route, files={"file": ("a", b"x" * (UPLOAD_LIMIT + 1))})
    client = _connected(platform)
    client.sendall(_head(platform, route, UPLOAD_LIMIT) + b"x" * (2 << 20))
    eventually(lambda: temporary_files() > before)
    leave(client)

    eventually(lambda: temporary_files() <= before)
    client.close()


def _connected(platform: Platform) -> socket.socket:
    place = urlsplit(platform.url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=10)


def _head(platform: Platform, path: str, length: int, more: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nX-BB-API-Key: {platform.api_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n"
    ).encode()
