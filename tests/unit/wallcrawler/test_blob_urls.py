"""Where a deployment's signed URLs of blobs lead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from services.api.blobs import Served
from wallcrawler.errors import SettingsError
from wallcrawler.ports import Blobs
from wallcrawler.settings import Settings
from wallcrawler.tokens import Signer
from wallcrawler.wiring.deployed import deployed

PEM = Signer.generate().pem().decode()

BLOB = "contexts/p/c/1.tar.zst"


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of nobody: URLs are signed without asking anybody."""
    for name, value in [("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local")]:
        monkeypatch.setenv(name, value)


@contextmanager
def blobs(**settings: Any) -> Iterator[Blobs]:
    """Those of an API with these settings."""
    given = {"redis_url": SecretStr("redis://127.0.0.1:1/0"), "bucket": "a-bucket", "aws_region": "us-east-1"}
    ports = deployed(Settings.load().model_copy(update=given | {"signing_keys": SecretStr(PEM)} | settings), "api")
    try:
        yield ports.blobs
    finally:
        ports.close()


def url(**settings: Any) -> str:
    """The URL to read a blob."""
    with blobs(**settings) as made:
        return made.url(BLOB, method="GET", seconds=60)


def test_on_aws_they_lead_to_s3() -> None:
    """Browsers reach it."""
    assert "a-bucket" in url(mode="aws").partition("?")[0]


def test_with_compose_they_lead_to_the_api_as_browsers_reach_it() -> None:
    """Signed with a secret of our own, which every process with the keys has."""
    made = url(mode="compose", guest_api_url="http://api:8080")

    assert made.startswith(f"http://api:8080/blobs/{BLOB}?expires=")


def test_either_may_be_chosen() -> None:
    """Whatever the mode."""
    assert "a-bucket" in url(mode="compose", blob_urls="direct")
    relayed = url(mode="aws", blob_urls="relayed", guest_api_url="https://api.test/")
    assert relayed.startswith("https://api.test/blobs/")


def test_who_relays_needs_to_know_where_to() -> None:
    """And is told which setting says it."""
    with pytest.raises(SettingsError, match="WALLCRAWLER_GUEST_API_URL"):
        url(mode="compose")


def test_the_secret_is_the_keys_and_the_purposes() -> None:
    """The same in every process, and another one for another use."""
    one, again, other = Signer.from_pem(PEM.encode()), Signer.from_pem(PEM.encode()), Signer.generate()

    assert one.secret("a") == again.secret("a")
    assert len({one.secret("a"), one.secret("b"), other.secret("a")}) == 3


def test_the_api_serves_what_leads_to_it_and_nothing_else() -> None:
    """It has no route to blobs that browsers get from S3."""
    with blobs(mode="aws") as direct, blobs(mode="compose", guest_api_url="http://api:8080") as relayed:
        assert not isinstance(direct, Served)
        assert isinstance(relayed, Served)
