"""Who is let in, and what a guest gets to hear of who was."""

from __future__ import annotations

import json
import socket
import time
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.integration.gateway.grounds import Ground, PuppetGuest, RunningGateway
from wallcrawler.lifecycle import Event
from wallcrawler.tokens import Signer

pytestmark = pytest.mark.queue


def refused(url: str) -> tuple[int, str, dict[str, str]]:
    """Status, message and headers of the answer to an upgrade that is refused; the body is the API's error triple."""
    with pytest.raises(InvalidStatus) as answer, connect(url):
        pass
    response = answer.value.response
    body = json.loads(response.body or b"")
    assert body.keys() == {"statusCode", "error", "message"}
    assert body["statusCode"] == response.status_code
    assert body["error"] == HTTPStatus(response.status_code).phrase
    return response.status_code, body["message"], dict(response.headers)


def test_only_a_good_token_is_let_in(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """None, garbage, expired, another deployment's and a guest's are 401; nothing of them reaches the guest."""
    session = ground.ready(guest.address)
    now = time.time()
    tokens = {
        "garbage": "garbage",
        "truncated": ground.token(session.id)[:-10],
        "expired": ground.token(session.id, lasts=-60),
        "a foreign key's": Signer.generate().mint(session.id, "cdp", issued_at=now, expires_at=now + 60),
        "a guest's": ground.token(session.id, "guest"),
    }

    answers = {why: refused(gateway.url(token)) for why, token in tokens.items()}
    none = refused(f"ws://{gateway.netloc}/")

    assert {why: answer[0] for why, answer in answers.items()} == dict.fromkeys(tokens, 401)
    assert answers["expired"][1] == "the token has expired"
    assert none[0] == 401
    assert "signingKey" in none[1]
    assert guest.heads == []
    assert not any(token in answer[1] for token, answer in zip(tokens.values(), answers.values(), strict=True))


def test_an_api_key_alone_opens_no_browser(gateway: RunningGateway) -> None:
    """The form of old tutorials that created a session is understood, and told what to do instead."""
    status, message, _ = refused(f"ws://{gateway.netloc}/?apiKey=bb_live_secret")

    assert status == 501
    assert "sessionId" in message
    assert "bb_live_secret" not in message


def test_an_api_key_goes_to_the_guest_of_the_session_that_is_named(
    ground: Ground, gateway: RunningGateway, guest: PuppetGuest
) -> None:
    """Which asks the API about it; here it passes on in a header, and is no part of an address."""
    session = ground.ready(guest.address)

    with connect(f"ws://{gateway.netloc}/?apiKey=bb_live_secret&sessionId={session.id}"):
        pass

    [head] = guest.heads
    line, *lines = head.rstrip().split("\r\n")
    told = dict(header.split(": ", 1) for header in lines)
    assert line == f"GET /?sessionId={session.id} HTTP/1.1"
    assert (told["x-bb-api-key"], told["session-id"]) == ("bb_live_secret", session.id)


def test_a_session_that_is_not_there(ground: Ground, gateway: RunningGateway) -> None:
    """A good token for a record that was purged."""
    status, message, _ = refused(gateway.url(ground.token("nobodys")))

    assert (status, message) == (404, "there is no session nobodys")


def test_a_session_that_is_starting(ground: Ground, gateway: RunningGateway) -> None:
    """Come back in a moment."""
    status, message, headers = refused(gateway.url(ground.token(ground.starting().id)))

    assert (status, headers["retry-after"]) == (503, "1")
    assert "not ready" in message


@pytest.mark.parametrize("event", [Event.RELEASED, Event.EXITED])
def test_a_session_that_is_over_or_on_its_way(
    ground: Ground, gateway: RunningGateway, guest: PuppetGuest, event: Event
) -> None:
    """The reason of its end is in the answer, in the words of its record."""
    session = ground.ready(guest.address)
    ground.end(session, "task_stopped:SIGKILL", event=event)

    status, message, _ = refused(gateway.url(ground.token(session.id)))

    assert (status, message) == (410, "the session has ended: task_stopped:SIGKILL")


def test_a_guest_that_went_before_its_record_was_written(
    ground: Ground, gateway: RunningGateway, guest: PuppetGuest
) -> None:
    """Nobody listens where it was a moment ago: the record is read again, and its reason said."""
    session = ground.ready(guest.address)
    with connect(gateway.url(ground.token(session.id)), close_timeout=0.1):
        pass
    guest.die()
    ground.end(session, "out_of_memory", ring=False)

    status, message, _ = refused(gateway.url(ground.token(session.id)))

    assert (status, message) == (410, "the session has ended: out_of_memory")


def test_a_guest_that_hangs_up_before_a_word(ground: Ground, gateway: RunningGateway) -> None:
    """It took the connection, and ended: an answer all the same."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        session = ground.ready(f"127.0.0.1:{listener.getsockname()[1]}")
        with socket.create_connection(("127.0.0.1", urlsplit(gateway.origin).port or 0)) as client:
            client.sendall(
                f"GET /json HTTP/1.1\r\nhost: x\r\nx-bb-signing-key: {ground.token(session.id)}\r\n\r\n".encode()
            )
            listener.accept()[0].close()
            ground.end(session, "browser_crashed", event=Event.CRASHED)
            answer = client.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 410 Gone\r\n")
    assert b"the session has ended: browser_crashed" in answer


def test_nobody_answers_there(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """And the record knows of no end: 502, after a moment in which it might have come to know."""
    session = ground.ready(guest.address)
    guest.die()

    began = time.monotonic()
    status, message, _ = refused(gateway.url(ground.token(session.id)))

    assert (status, message) == (502, "the browser does not answer")
    assert 1.5 < time.monotonic() - began < 4


def test_what_the_guest_hears(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """Its client's path, query and host; the token in a header; none of the client's own secrets."""
    session = ground.ready(guest.address)
    token = ground.token(session.id)
    headers = {"Cookie": "crumbs=1", "Authorization": "Bearer mine", "X-Forwarded-Proto": "https"}
    headers |= {"X-Forwarded-For": "203.0.113.7", "Host": "connect.example.com"}

    answer = httpx.put(f"{gateway.origin}/json/new?https://a.example/?b=1&signingKey={token}&apiKey=k", headers=headers)

    assert (answer.status_code, answer.json()) == (200, {})
    [head] = guest.heads
    line, *lines = head.rstrip().split("\r\n")
    assert line == "PUT /json/new?https://a.example/?b=1 HTTP/1.1"
    told = dict(header.split(": ", 1) for header in lines)
    assert told["host"] == told["x-forwarded-host"] == "connect.example.com"
    assert told["x-forwarded-proto"] == "https"
    assert told["x-forwarded-for"] == "203.0.113.7, 127.0.0.1"
    assert told["x-bb-signing-key"] == token
    assert told["connection"] == "close"
    assert told.keys().isdisjoint({"cookie", "authorization"})


def test_an_answer_comes_whole_however_it_is_cut(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """What is no upgrade is passed on until the guest closes: megabytes, and errors with a body."""
    session = ground.ready(guest.address)
    body = b"x" * 3_000_000
    guest.answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body

    answer = httpx.get(f"{gateway.origin}/json/list", headers={"x-bb-signing-key": ground.token(session.id)})

    assert (answer.status_code, answer.content) == (404, body)


def test_a_guests_refusal_is_passed_on(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """The guest asks for the token again, and has the last word; and its record is read again for the next client.

    It may be another session's, at an address that had been this one's.
    """
    session = ground.ready(guest.address)
    guest.switches = False
    body = b'{"statusCode": 403, "error": "Forbidden", "message": "not you"}'
    guest.answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body

    read = lookups_missed(gateway)

    status, message, _ = refused(gateway.url(ground.token(session.id, "view")))
    refused(gateway.url(ground.token(session.id, "view")))

    assert (status, message) == (403, "not you")
    assert lookups_missed(gateway) == read + 2


def lookups_missed(gateway: RunningGateway) -> float:
    numbers = httpx.get(f"{gateway.origin}/metrics").text.splitlines()
    name = 'wallcrawler_gateway_lookups_total{result="miss"} '
    return next((float(line.removeprefix(name)) for line in numbers if line.startswith(name)), 0.0)


def test_the_way_to_an_inspector_names_the_session(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """Its files are asked for without a token, so that their addresses have to say whose they are."""
    session = ground.ready(guest.address)
    socket_url = f"{gateway.netloc}/devtools/page/P?signingKey={ground.token(session.id, 'view')}"

    page = httpx.get(f"{gateway.origin}/devtools/inspector.html", params={"ws": socket_url}, follow_redirects=True)
    file = httpx.get(f"{gateway.origin}/sessions/{session.id}/devtools/entrypoints/inspector/inspector.js")
    nobodys = httpx.get(f"{gateway.origin}/devtools/entrypoints/inspector/inspector.js")

    assert urlsplit(str(page.url)).path == f"/sessions/{session.id}/devtools/inspector.html"
    assert [head.partition("\r\n")[0] for head in guest.heads] == [
        "GET /devtools/inspector.html HTTP/1.1",
        "GET /devtools/entrypoints/inspector/inspector.js HTTP/1.1",
    ]
    assert (page.status_code, file.status_code, nobodys.status_code) == (200, 200, 401)
