"""What a session's guest may do with downloads: only its own, up to the limits, and once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.eventually import eventually
from tests.integration.files import Guest, refusal, unzipped
from tests.integration.guests import released_after, scripted
from tests.platform import Platform

pytestmark = pytest.mark.queue

LIMIT = 1000


@pytest.fixture(scope="module")
def everybodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One instance for all of these tests, since none of them breaks anything."""
    with scripted(tmp_path_factory.mktemp("guests"), download_limit=LIMIT, download_count=5) as platform:
        yield platform


@pytest.fixture
def platform(everybodys: Platform) -> Iterator[Platform]:
    with released_after(everybodys):
        yield everybodys


@pytest.fixture
def session(platform: Platform) -> dict[str, Any]:
    return platform.create()


def test_a_guest_is_told_which_limit_it_met(platform: Platform, session: dict[str, Any]) -> None:
    """Of one file, and of their number; what was given up does not count."""
    guest = Guest(platform, session["id"])

    too_long = guest.ask("POST", body={"name": "a", "size": LIMIT + 1})
    numbers = [guest.ask("POST", body={"name": "a", "size": 1}).json()["number"] for _ in range(5)]
    too_many = guest.ask("POST", body={"name": "a", "size": 1})
    given_up = guest.ask("DELETE", f"/{numbers[0]}")
    one_more = guest.ask("POST", body={"name": "a", "size": 1})

    assert f"up to {LIMIT} bytes" in refusal(too_long, 413)
    assert "5 downloads" in refusal(too_many, 413)
    assert (given_up.status_code, one_more.status_code) == (200, 200)
    assert platform.http.get("/v1/downloads", params={"sessionId": session["id"]}).json()["total"] == 0


def test_a_guest_puts_its_bytes_once(platform: Platform, session: dict[str, Any]) -> None:
    """What is kept can't become something else by the URL that it came by."""
    guest = Guest(platform, session["id"])
    place = guest.ask("POST", body={"name": "a", "size": 1}).json()
    httpx.put(place["url"], content=b"a", headers={"If-None-Match": "*"}).raise_for_status()

    again = httpx.put(place["url"], content=b"b", headers={"If-None-Match": "*"})
    unconditional = httpx.put(place["url"], content=b"b")

    assert (again.status_code, unconditional.status_code) == (412, 403)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {}, 400),
        ("POST", "", {"name": "a"}, 400),
        ("POST", "", {"name": "a", "size": -1}, 400),
        ("POST", "", {"name": "a", "size": True}, 400),
        ("POST", "", {"name": "", "size": 1}, 400),
        ("POST", "", {"name": 1, "size": 1}, 400),
        ("PUT", "/1719265797164", {"size": 1, "sha256": "x"}, 400),
        ("PUT", "/1719265797164", {"size": 1, "sha256": "0" * 64}, 404),
        ("PUT", "/x", {"size": 1, "sha256": "0" * 64}, 404),
        ("DELETE", "/1719265797164", None, 200),
    ],
)
def test_what_a_guest_says_is_checked(
    platform: Platform, session: dict[str, Any], method: str, path: str, body: Any, status: int
) -> None:
    """It lives beside hostile pages."""
    assert Guest(platform, session["id"]).ask(method, path, body).status_code == status


def test_a_guest_speaks_for_its_session_alone(platform: Platform, session: dict[str, Any]) -> None:
    """Its token opens no other session's downloads, and no API key opens the guest's routes."""
    other = platform.create()
    mine, others = Guest(platform, session["id"]), Guest(platform, other["id"])
    others.headers = mine.headers
    key = {"X-BB-API-Key": platform.api_key}

    assert refusal(others.ask("POST", body={"name": "a", "size": 1}), 401)
    assert refusal(httpx.post(mine.url, json={"name": "a", "size": 1}, headers=key), 401)


def test_a_guest_whose_session_is_over_puts_nothing_more(platform: Platform, session: dict[str, Any]) -> None:
    """What was announced before can still be finished."""
    guest = Guest(platform, session["id"])
    place = guest.ask("POST", body={"name": "a", "size": 1}).json()
    platform.release(session["id"])
    eventually(lambda: platform.ended(session["id"]))

    httpx.put(place["url"], content=b"a", headers={"If-None-Match": "*"}).raise_for_status()
    facts = {"size": 1, "sha256": hashlib.sha256(b"a").hexdigest()}

    assert guest.ask("PUT", f"/{place['number']}", facts).status_code == 200
    assert "has ended" in refusal(guest.ask("POST", body={"name": "b", "size": 1}), 410)
    assert len(unzipped(platform.http.get(f"/v1/sessions/{session['id']}/downloads"))) == 1
