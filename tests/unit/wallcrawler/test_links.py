"""The addresses that clients are given."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.records import a_ready_session
from wallcrawler.links import GRACE, Links
from wallcrawler.tokens import AUDIENCES, Claims, InvalidToken, Signer, Verifier

#: Tokens are checked against the real time of day.
SESSION = a_ready_session(address="10.0.0.7:9223", created_at=time.time(), ends_at=time.time() + 3600)


def claims(signer: Signer, token: str) -> Claims:
    return Verifier(signer.verify_keys).verify(token, session_id=SESSION.id, audiences=AUDIENCES)


def test_the_connect_url_is_the_whole_key(signer: Signer, links: Links) -> None:
    """A browser-level endpoint at the guest's address; its token drives this session, until shortly after its end."""
    url = urlsplit(links.connect_url(SESSION))

    [token] = parse_qs(url.query)["signingKey"]
    assert (url.scheme, url.netloc, url.path) == ("ws", "10.0.0.7:9223", "/")
    assert token == links.signing_key(SESSION)
    assert claims(signer, token) == Claims("session-1", "cdp", int(SESSION.ends_at + GRACE))


def test_a_url_that_a_client_holds_stays_good(signer: Signer, links: Links) -> None:
    """Asked again, also by another process with the same key, it is the same text."""
    again = Links(Signer.from_pem(signer.pem()))

    assert again.connect_url(SESSION) == links.connect_url(SESSION)


def test_a_short_token_ends_when_it_was_asked_to(signer: Signer, links: Links) -> None:
    """And never later than the session's own."""
    now = SESSION.created_at + 100
    short = links.token(SESSION, "view", seconds=60, now=now)
    long = links.token(SESSION, "view", seconds=1e9, now=now)

    assert claims(signer, short) == Claims("session-1", "view", int(now + 60))
    assert claims(signer, long).expires_at == int(SESSION.ends_at + GRACE)


def test_selenium_is_not_given_the_key_in_its_url(links: Links) -> None:
    """It goes into a header, because WebDriver clients print their URL."""
    assert links.selenium_url(SESSION) == "http://10.0.0.7:9223/webdriver"


def test_the_inspector_is_given_its_socket_and_its_own_token(signer: Signer, links: Links) -> None:
    """DevTools' front end takes the socket from its query, so that it is quoted once."""
    token = links.token(SESSION, "view", seconds=600, now=SESSION.created_at)
    url = urlsplit(links.inspector_url(SESSION, "PAGE1", token))

    [socket] = parse_qs(url.query)["ws"]
    assert (url.netloc, url.path) == ("10.0.0.7:9223", "/devtools/inspector.html")
    assert socket == f"10.0.0.7:9223/devtools/page/PAGE1?signingKey={token}"
    assert claims(signer, token).audience == "view"


@pytest.mark.parametrize(
    ("gateway", "socket", "inspector"),
    [
        (
            "https://browsers.example",
            "wss://browsers.example/",
            "https://browsers.example/devtools/inspector.html?wss=",
        ),
        ("http://10.0.0.1:8081/", "ws://10.0.0.1:8081/", "http://10.0.0.1:8081/devtools/inspector.html?ws="),
        ("https://a.example/http", "wss://a.example/http/", "https://a.example/http/devtools/inspector.html?wss="),
    ],
)
def test_with_a_gateway_everything_leads_there(signer: Signer, gateway: str, socket: str, inspector: str) -> None:
    """One public address, over TLS where it has it, and no guest's address in any of them."""
    links = Links(signer, gateway=gateway)
    token = links.signing_key(SESSION)

    assert links.connect_url(SESSION) == f"{socket}?signingKey={token}"
    assert links.inspector_url(SESSION, "PAGE1", token).startswith(inspector)
    for url in (links.connect_url(SESSION), links.selenium_url(SESSION), links.inspector_url(SESSION, "P", token)):
        assert "10.0.0.7" not in url


def test_the_token_of_another_deployment_opens_nothing(links: Links) -> None:
    """Two machines have two keys."""
    with pytest.raises(InvalidToken):
        claims(Signer.generate(), links.signing_key(SESSION))
