"""From a wish to a record: what of it is followed, what is refused, and what is only said."""

from __future__ import annotations

from typing import Any

import pytest

from services.api.bodies import CreateSession, checked
from services.api.creates import new_session, not_applied
from tests.unit.records import NOW
from wallcrawler.lifecycle import State
from wallcrawler.project import Project
from wallcrawler.session import Session
from wallcrawler.settings import Settings

PROJECT = Project("project-1", "tests", "local", default_timeout=900, concurrency=3, created_at=NOW, updated_at=NOW)

SETTINGS = Settings.load().model_copy(
    update={
        "max_session_timeout": 3600,
        "create_deadline": 30.0,
        "connect_within": 120.0,
        "linger": 2.0,
        "retention": 500.0,
        "region": "us-east-1",
        "viewport": "1000x500",
    }
)


def wish(**body: Any) -> CreateSession:
    return checked(body, CreateSession)


def created(**body: Any) -> Session:
    return new_session(wish(**body), PROJECT, SETTINGS, now=NOW, id="session-1")


def test_a_wish_for_nothing_has_every_default() -> None:
    """The project's timeout, and the deployment's everything else."""
    session = created()

    assert (session.id, session.project_id, session.state, session.version) == (
        "session-1",
        "project-1",
        State.CREATING,
        1,
    )
    assert (session.created_at, session.ends_at, session.create_by) == (NOW, NOW + 900, NOW + 30)
    assert (session.connect_within, session.linger, session.retention) == (120, 2, 500)
    assert (session.region, session.viewport, session.keep_alive, session.user_metadata) == (
        "us-east-1",
        (1000, 500),
        False,
        {},
    )


def test_a_wish_is_followed() -> None:
    """Where it says something."""
    session = created(
        timeout=60,
        keepAlive=True,
        region="ap-southeast-1",
        userMetadata={"a": "b"},
        browserSettings={"viewport": {"width": 800, "height": 600}, "ignoreCertificateErrors": True},
    )

    assert session.ends_at == NOW + 60
    assert (session.keep_alive, session.region, session.viewport) == (True, "ap-southeast-1", (800, 600))
    assert session.user_metadata == {"a": "b"}
    assert session.browser_settings["ignoreCertificateErrors"] is True


@pytest.mark.parametrize(("asked", "lasts"), [(60, 60), (3600, 3600), (21_600, 3600), (None, 900)])
def test_a_timeout_is_cut_to_the_deployments_longest(asked: int | None, lasts: int) -> None:
    """Not refused: clients ask for six hours by habit."""
    assert created(**({} if asked is None else {"timeout": asked})).ends_at == NOW + lasts


@pytest.mark.parametrize(
    ("viewport", "size"),
    [
        ({}, (1000, 500)),
        ({"width": 0, "height": 0}, (1000, 500)),
        ({"width": 320}, (320, 500)),
        ({"height": 240}, (1000, 240)),
        ({"width": None, "height": 240}, (1000, 240)),
        ({"width": 1, "height": 7680}, (1, 7680)),
    ],
)
def test_a_side_that_is_not_given_is_the_defaults(viewport: dict[str, Any], size: tuple[int, int]) -> None:
    """Generated clients send 0 for it."""
    assert created(browserSettings={"viewport": viewport}).viewport == size


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"proxies": False},
        {"proxies": []},
        {"proxySettings": {"caCertificates": []}},
        {"browserSettings": {"allowedDomains": []}},
        {"browserSettings": {"viewport": {"width": 10}, "os": "mac", "verified": True}},
    ],
)
def test_what_asks_for_nothing_is_not_refused(body: dict[str, Any]) -> None:
    """Generated clients send the empty forms of all of it."""
    assert created(**body).state is State.CREATING


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, []),
        ({"solveCaptchas": True}, ["solveCaptchas"]),
        ({"solveCaptchas": False, "recordSession": False, "fingerprint": {}, "captchaImageSelector": ""}, []),
        (
            {
                "fingerprint": {"devices": ["mobile"]},
                "os": "linux",
                "captchaInputSelector": "#in",
                "captchaImageSelector": "#image",
                "verified": True,
                "advancedStealth": True,
                "recordSession": True,
            },
            [
                "captchaImageSelector",
                "captchaInputSelector",
                "advancedStealth",
                "verified",
                "recordSession",
                "os",
                "fingerprint",
            ],
        ),
        ({"viewport": {"width": 10}, "ignoreCertificateErrors": True}, []),
    ],
)
def test_what_does_nothing_here_is_said(settings: dict[str, Any], names: list[str]) -> None:
    """By the names that the caller used, and only where it was asked for."""
    assert not_applied(wish(browserSettings=settings)) == names


def test_where_a_proxy_should_be_is_said_to_do_nothing() -> None:
    """The pool's proxies are where its operator has them; everything else of the list is followed."""
    there = {"type": "browserbase", "geolocation": {"country": "SE"}}

    assert not_applied(wish(proxies=[there, {"type": "none"}])) == ["proxies.geolocation"]
    assert not_applied(wish(proxies=[{"type": "browserbase"}])) == []
    assert not_applied(wish(proxies=True)) == []
