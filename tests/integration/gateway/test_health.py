"""What an operator and a load balancer see."""

from __future__ import annotations

import httpx
import pytest
from websockets.sync.client import connect

from tests.integration.gateway.grounds import Ground, PuppetGuest, RunningGateway
from wallcrawler.errors import TryLater

pytestmark = pytest.mark.queue


def test_it_is_ready_when_all_that_it_needs_answers(gateway: RunningGateway) -> None:
    """Tables and bell, by their names."""
    healthy, ready = httpx.get(f"{gateway.origin}/healthz"), httpx.get(f"{gateway.origin}/readyz")

    assert (healthy.status_code, healthy.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "dependencies": {"tables": "ok", "bell": "ok"}})


def test_it_says_what_is_away(ground: Ground) -> None:
    """And is healthy all the same: to start it again would not help."""

    def away() -> None:
        raise TryLater("the bell does not answer", after=1)

    with ground.gateway(dependencies={"tables": ground.tables.ping, "bell": away}) as gateway:
        healthy, ready = httpx.get(f"{gateway.origin}/healthz"), httpx.get(f"{gateway.origin}/readyz")

    assert healthy.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["dependencies"] == {"tables": "ok", "bell": "the bell does not answer"}


def test_a_gateway_works_without_the_bell(ground: Ground, guest: PuppetGuest) -> None:
    """A connection takes a second longer, and no more than that."""
    with ground.lost_bell() as bell, ground.gateway(bell=bell) as gateway:
        token = ground.token(ground.ready(guest.address).id)

        with connect(gateway.url(token), close_timeout=0.1, open_timeout=3):
            guest.accepted()


def test_numbers_are_for_those_within(ground: Ground, gateway: RunningGateway, guest: PuppetGuest) -> None:
    """Whoever comes through a load balancer gets none; no number names a session or holds a token."""
    session = ground.ready(guest.address)
    with connect(gateway.url(ground.token(session.id)), close_timeout=0.1):
        httpx.get(f"{gateway.origin}/json")
        numbers = httpx.get(f"{gateway.origin}/metrics").text
    outside = httpx.get(f"{gateway.origin}/metrics", headers={"X-Forwarded-For": "203.0.113.7"})

    assert "wallcrawler_gateway_open_sockets 1.0" in numbers
    assert 'wallcrawler_gateway_refusals_total{status="401"}' in numbers
    assert 'wallcrawler_gateway_lookups_total{result="miss"}' in numbers
    assert session.id not in numbers
    assert outside.status_code == 401
    assert "wallcrawler_gateway" not in outside.text
