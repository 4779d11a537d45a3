"""What a guest learns of an API key that a caller showed it: the session's signing key, or nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.platform import Platform

pytestmark = pytest.mark.queue


def ask(platform: Platform, session_id: str, body: Any) -> httpx.Response:
    """As the session's guest."""
    record = platform.ports.sessions.get(session_id)
    token = platform.ports.links.token(record, "guest")
    return httpx.post(
        f"{platform.url}/guest/v1/sessions/{session_id}/signing-key",
        json=body,
        headers={"authorization": f"Bearer {token}"},
    )


def test_a_key_of_the_project_gets_what_the_create_was_answered_with(platform: Platform) -> None:
    """The same signing key, which the guest sees with every client anyway."""
    session = platform.create()

    answer = ask(platform, session["id"], {"apiKey": platform.api_key})

    assert (answer.status_code, answer.json()) == (200, {"signingKey": session["signingKey"]})


def test_any_other_key_gets_nothing(platform: Platform) -> None:
    """Unknown, revoked, another project's, too long, and no key at all: one answer, without the key in it."""
    session = platform.create()
    other = platform.ports.catalog.add_project("other", concurrency=1, default_timeout=120)
    foreign, _ = platform.ports.catalog.add_key(other.id, name="other")
    revoked, record = platform.ports.catalog.add_key(platform.project_id, name="old")
    platform.ports.catalog.revoke(record)
    shown: list[Any] = ["unknown", foreign, revoked, platform.api_key + "x" * 600, "", None, 7, ["a"]]

    answers = [ask(platform, session["id"], {"apiKey": key}) for key in shown] + [ask(platform, session["id"], {})]

    assert {answer.status_code for answer in answers} == {403}
    assert {answer.json()["message"] for answer in answers} == {"the API key does not open this session"}


def test_a_guest_speaks_for_its_own_session_alone(platform: Platform) -> None:
    """Another session's token is a 401, and so is none."""
    first, second = platform.create(), platform.create()
    token = platform.ports.links.token(platform.ports.sessions.get(first["id"]), "guest")
    url = f"{platform.url}/guest/v1/sessions/{second['id']}/signing-key"

    foreign = httpx.post(url, json={"apiKey": platform.api_key}, headers={"authorization": f"Bearer {token}"})
    nobody = httpx.post(url, json={"apiKey": platform.api_key})

    assert (foreign.status_code, nobody.status_code) == (401, 401)


def test_the_key_is_in_no_log_line(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither where it is good, nor where it is not."""
    session = platform.create()
    ask(platform, session["id"], {"apiKey": platform.api_key})
    ask(platform, session["id"], {"apiKey": "wc_secret_of_somebody"})

    said = capsys.readouterr()

    assert "signing-key" in said.out + said.err
    assert platform.api_key not in said.out + said.err
    assert "wc_secret_of_somebody" not in said.out + said.err
