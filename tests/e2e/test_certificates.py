"""Certificates in real browsers: what one session trusts, no other does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browserbase
import pytest
from browserbase import Browserbase

from controller.parts.certificates import REMEDY, TOOL
from tests.authority import LOOPBACK, Identity, issue, serving
from tests.e2e.cdp import Cdp

pytestmark = pytest.mark.browser

Create = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True, scope="module")
def _certutil() -> None:
    if shutil.which(TOOL) is None:
        report = pytest.fail if os.environ.get("CI") else pytest.skip
        report(f"NO CERTUTIL ON THIS MACHINE: {REMEDY}")


@pytest.fixture(scope="module")
def root() -> Identity:
    return issue("the proxy's own root")


@pytest.fixture
def page(root: Identity, tmp_path: Path) -> Iterator[str]:
    """The URL of a page whose server has its certificate from `root`."""
    with serving(issue("a server", issuer=root, authority=False, names=LOOPBACK), tmp_path) as url:
        yield url


def opened(session: dict[str, Any], url: str) -> str | None:
    """Chrome's error where the session's page can't be loaded."""
    with Cdp.of(session) as cdp:
        page = cdp.attached(cdp.targets("page")[0])
        return cdp.call("Page.navigate", page, url=url).get("errorText")


def trusting(bb: Browserbase, *files: bytes) -> dict[str, Any]:
    """The body of a create that trusts them, uploaded."""
    return {"proxySettings": {"caCertificates": [bb.certificates.create(file=file).id for file in files]}}


def test_a_session_trusts_its_certificates_and_no_other_session_does(
    bb: Browserbase, create: Create, root: Identity, page: str
) -> None:
    """The page loads without an interstitial where its root was named, and nowhere else, not even at the same time."""
    with_it = create(**trusting(bb, root.pem))
    without = create()

    assert opened(with_it, page) is None
    assert opened(without, page) == "net::ERR_CERT_AUTHORITY_INVALID"


def test_der_bundles_and_several_files_are_trusted_alike(
    bb: Browserbase, create: Create, root: Identity, page: str, tmp_path: Path
) -> None:
    """Two files, one of them a bundle, and a server's own certificate that nobody else signed."""
    alone = issue("on its own", authority=False, names=LOOPBACK)
    session = create(**trusting(bb, root.der, issue("another").pem + alone.pem))

    with serving(alone, tmp_path) as lonely_page:
        assert opened(session, lonely_page) is None
    assert opened(session, page) is None


def test_what_is_wrong_with_a_server_is_still_wrong(
    bb: Browserbase, create: Create, root: Identity, tmp_path: Path
) -> None:
    """Trust in an authority is no blindness: another name and a past date are errors as ever."""
    session = create(**trusting(bb, root.pem))
    elsewhere = issue("elsewhere", issuer=root, authority=False)
    expired = issue("expired", issuer=root, authority=False, names=LOOPBACK, days=-1)

    with serving(elsewhere, tmp_path) as url:
        assert opened(session, url) == "net::ERR_CERT_COMMON_NAME_INVALID"
    with serving(expired, tmp_path) as url:
        assert opened(session, url) == "net::ERR_CERT_DATE_INVALID"


def test_a_session_keeps_its_trust_when_the_certificate_is_deleted(
    bb: Browserbase, create: Create, root: Identity, page: str
) -> None:
    """What it was created with holds for its life; the next create that names it is told."""
    body = trusting(bb, root.pem)
    (certificate_id,) = body["proxySettings"]["caCertificates"]
    session = create(**body)

    bb.certificates.delete(certificate_id)

    assert opened(session, page) is None
    with pytest.raises(browserbase.BadRequestError, match=f"body/proxySettings/caCertificates/0 .*{certificate_id}"):
        bb.sessions.create(proxy_settings={"ca_certificates": [certificate_id]})
