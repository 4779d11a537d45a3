"""How long a body may be, by its route."""

from __future__ import annotations

import pytest

from services.api.limits import BLOB_LIMIT, BODY_LIMIT, CERTIFICATE_LIMIT, FORM, Limits
from wallcrawler.settings import Settings
from wallcrawler.wire import package


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/v1/sessions", BODY_LIMIT),
        ("POST", "/v1/sessions/some", BODY_LIMIT),
        ("POST", "/v1/sessions/some/uploads", 1000 + FORM),
        ("POST", "/v1/sessions/some/uploads/", 1000 + FORM),
        ("PUT", "/v1/sessions/some/uploads", BODY_LIMIT),
        ("POST", "/v1/sessions/some/more/uploads", BODY_LIMIT),
        ("POST", "/v1/extensions", package.LIMIT + FORM),
        ("POST", "/v1/certificates", CERTIFICATE_LIMIT + FORM),
        ("PUT", "/blobs/downloads/some/1", BLOB_LIMIT),
        ("GET", "/blobs/downloads/some/1", BODY_LIMIT),
        ("POST", "/guest/v1/sessions/some/downloads", BODY_LIMIT),
        ("POST", "/anything", BODY_LIMIT),
    ],
)
def test_a_route_has_its_limit(method: str, path: str, limit: int) -> None:
    """Files have their own; everything else that of JSON."""
    limits = Limits(Settings(upload_limit=1000))

    assert limits.of(method, path) == limit
