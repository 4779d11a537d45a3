"""Whose session a request is for, and what of it goes on: no secret in an address, no header that is not needed."""

from __future__ import annotations

import json

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import door
from services.gateway.door import Refusal, Wish, refusal, request_bytes
from tests.unit.records import STEPS, a_ready_session, a_session
from tests.unit.services.gateway.asking import NOW, TOKEN, UPGRADE, asked, headers_of, heard, mint, wished
from wallcrawler.lifecycle import Event
from wallcrawler.tokens import Audience, Signer
from wallcrawler.wire.caller import Head, Headers

# -- Whose it is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (f"/?signingKey={TOKEN}", ()),
        ("/", [("x-bb-signing-key", TOKEN)]),
        (f"/?signingKey=&x=1&signingKey={TOKEN}", [("x-bb-signing-key", TOKEN)]),
    ],
)
def test_the_token_names_the_session(target: str, headers: Headers) -> None:
    """In the query, or in the header; the first in the query counts, as it does for the guest."""
    wish = wished(target, headers)

    assert (wish.session_id, wish.token) == ("session-1", TOKEN)
    assert TOKEN not in wish.target
    assert TOKEN not in repr(wish)


@pytest.mark.parametrize("audience", ["cdp", "view", "watch", "control"])
def test_who_drives_who_looks_and_who_speaks_for_the_api(audience: Audience) -> None:
    """All pass here; what each may do is the guest's to say."""
    assert wished(f"/devtools/page/P?signingKey={mint(audience)}").session_id == "session-1"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (mint(lasts=-60), "the token has expired"),
        (mint("guest"), "the token is for another use"),
        (Signer.generate().mint("session-1", "cdp", issued_at=NOW, expires_at=NOW + 60), "unknown key"),
        ("garbage", "the token is not valid"),
    ],
)
def test_a_token_that_opens_nothing(token: str, why: str) -> None:
    """401, with a reason that never quotes it."""
    answer = asked(f"/?signingKey={token}")

    assert isinstance(answer, Refusal)
    assert answer.status == 401
    assert why in answer.message
    assert token not in answer.message


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/", (), 401),
        ("/?signingKey=", (), 401),
        ("/devtools/inspector.html", (), 401),
        ("/devtools/inspector.html?ws=host/devtools/page/P", (), 401),
        ("/?apiKey=k", (), 501),
        ("/webdriver/session", [("x-bb-api-key", "k")], 501),
        ("/?apiKey=k&sessionId=../x", (), 404),
        ("/?apiKey=k%0d%0ahost:%20x&sessionId=s", (), 401),
        ("/?apiKey=%c3%a4&sessionId=s", (), 401),
        ("/view/view.css", (), 401),
    ],
)
def test_no_token(target: str, headers: Headers, status: int) -> None:
    """What is missing is named; who comes with an API key alone is told how it is done here."""
    answer = asked(target, headers)

    assert isinstance(answer, Refusal)
    assert answer.status == status


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/webdriver/session?x=1", [("x-bb-api-key", "My API Key"), ("session-id", "session-1")]),
        ("/webdriver/session?x=1&apiKey=My%20API+Key", [("session-id", "session-1")]),
        ("/webdriver/session?apiKey=My%20API+Key&x=1&sessionId=session-1", ()),
    ],
)
def test_an_api_key_goes_to_the_session_that_is_named_with_it(target: str, headers: Headers) -> None:
    """As clients came before there were signing keys; the guest learns both, and no address holds the key."""
    head = Head("POST", target, headers)

    wish = wished(target, headers, "POST")
    told = headers_of(heard(head, wish))

    assert (wish.session_id, wish.token, wish.api_key) == ("session-1", "", "My API Key")
    assert (told["x-bb-api-key"], told["session-id"]) == ("My API Key", "session-1")
    assert "Key" not in wish.target
    assert "My API Key" not in repr(wish)


def test_a_signing_key_counts_before_an_api_key() -> None:
    """The API key of a client's defaults is not passed on where it is not needed."""
    wish = wished(f"/?signingKey={TOKEN}", [("x-bb-api-key", "k"), ("session-id", "session-2")])

    assert (wish.session_id, wish.token, wish.api_key) == ("session-1", TOKEN, "")


# -- What goes on -----------------------------------------------------------------------------------------------------


def test_an_upgrade() -> None:
    """All that Chrome's side of it needs, the addresses that the client knows, and the token in a header."""
    head = Head("GET", f"/?signingKey={TOKEN}", [*UPGRADE, ("origin", "https://a.example"), ("cookie", "c=1")])

    request = heard(head, wished(head.target))

    assert (request.method, request.target) == (b"GET", b"/")
    assert headers_of(request) == {
        "host": "connect.example.com",
        "x-forwarded-host": "connect.example.com",
        "x-forwarded-proto": "http",
        "x-forwarded-for": "192.0.2.1",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
        "sec-websocket-extensions": "permessage-deflate",
        "x-bb-signing-key": TOKEN,
    }


def test_a_request_with_a_body() -> None:
    """Its length goes on, and that the client waits with it; the connection ends with the answer; another upgrade than
    a WebSocket's is none."""
    length = [("content-length", "2"), ("expect", "100-continue")]
    head = Head("POST", "/webdriver/session", [*length, ("connection", "keep-alive"), ("upgrade", "h2c")])

    headers = headers_of(heard(head, Wish("session-1", head.target, TOKEN)))

    assert headers["content-length"] == "2"
    assert headers["expect"] == "100-continue"
    assert headers["connection"] == "close"
    assert "upgrade" not in headers
    assert headers["host"] == "10.0.0.7:9223"


@pytest.mark.parametrize(
    ("forwarded", "scheme"),
    [("https", "https"), ("https, http", "https"), ("http", "http"), ("gopher", "http"), ("", "http")],
)
def test_the_scheme_is_the_clients(forwarded: str, scheme: str) -> None:
    """As the first load balancer saw it."""
    head = Head("GET", "/json", [("host", "h"), ("x-forwarded-proto", forwarded)])

    assert headers_of(heard(head, Wish("session-1", "/json", TOKEN)))["x-forwarded-proto"] == scheme


SECRET = st.sampled_from([f"signingKey={TOKEN}", f"signing%4Bey={TOKEN}", f"apiKey={TOKEN}"])
HARMLESS = st.sampled_from(["a=1", "http://b.example/?c=d", "https://b.example/%3Fq%3D1", "b", "signingkey=x"])


@given(
    path=st.sampled_from(["/", "/json/new", "/devtools/page/A-1", "/webdriver/session/x", "/x%2Fy"]),
    parameters=st.lists(SECRET | HARMLESS, max_size=6),
)
def test_no_secret_is_in_the_address_that_goes_on(path: str, parameters: list[str]) -> None:
    """However it is spelt; and what is no secret goes on as it came, in its order."""
    query = "&".join([f"signingKey={TOKEN}", *parameters])

    wish = wished(f"{path}?{query}")

    rest = "&".join(parameter for parameter in parameters if TOKEN not in parameter)
    assert wish.target == (f"{path}?{rest}" if rest else path)


OTHER_HEADERS = st.sampled_from(["cookie", "authorization", "origin", "x-bb-api-key", "forwarded", "te", "trailer"])


@given(name=OTHER_HEADERS | st.from_regex(r"x-[a-e]{1,10}", fullmatch=True))
def test_a_header_that_the_guest_need_not_know_stays_here(name: str) -> None:
    """Cookies, credentials, and whatever else clients send along."""
    head = Head("GET", "/", [("host", "h"), (name, "mine alone")])

    assert b"mine alone" not in request_bytes(head, Wish("session-1", "/", TOKEN), address="a:1", peer="p")


# -- What the record says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_session_on_its_way_is_worth_another_try(steps: int) -> None:
    """503, with the seconds after which it may be ready."""
    session = a_session()
    for event, facts in STEPS[:steps]:
        session = session.after(event, at=NOW, **facts) or session

    answer = refusal(session)

    assert answer is not None
    assert (answer.status, answer.after) == (503, 1)


@pytest.mark.parametrize("event", [None, Event.ATTACHED])
def test_a_session_that_can_be_connected_to(event: Event | None) -> None:
    """By the first client, and by others."""
    session = a_ready_session()

    assert refusal((event and session.after(event, at=NOW)) or session) is None


@pytest.mark.parametrize(
    ("event", "reason"),
    [(Event.RELEASED, "released"), (Event.EXPIRED, "timed_out"), (Event.EXITED, "task_stopped:137")],
)
def test_a_session_that_ends_says_why(event: Event, reason: str) -> None:
    """From the moment in which that is known."""
    answer = refusal(a_ready_session().after(event, at=NOW, reason=reason) or a_session())

    assert answer == Refusal(410, f"the session has ended: {reason}")


# -- Our own answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [None, 3])
def test_a_refusal_is_the_triple_that_clients_parse(after: int | None) -> None:
    """As the API has it; Retry-After where another try may help."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(door.refusal_bytes(Refusal(503, 'not "yet"', after)))
    response, body = client.next_event(), client.next_event()

    assert isinstance(response, h11.Response)
    assert isinstance(body, h11.Data)
    assert json.loads(bytes(body.data)) == {"statusCode": 503, "error": "Service Unavailable", "message": 'not "yet"'}
    assert dict(response.headers).get(b"retry-after") == (str(after).encode() if after else None)
    assert dict(response.headers)[b"connection"] == b"close"
