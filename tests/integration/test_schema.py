"""Schemathesis: whatever a client makes of our OpenAPI document is answered as the document says, and never with a 500.

Real API, Celery and Valkey; browsers are the scripted fleet's, so that a create costs next to nothing. Fetches lead
nowhere, and half of the requests are about things that there are.
"""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import schemathesis
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, settings
from schemathesis.checks import CheckContext
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.api.openapi.specification import NOT_SERVED, document
from tests.integration.guests import scripted
from tests.platform import Platform
from wallcrawler.downloads import Room

pytestmark = pytest.mark.queue

#: Examples of an operation; in all it is a few thousand requests.
EXAMPLES = 8

#: Errors of a server that are answers: not served, a browser or a site that failed, and one that was too slow.
ANSWERS = {501, 502, 504}

# Without its word on keys: half of all examples would come without one, and learn no more than that.
schemas = schemathesis.openapi.from_dict(
    {name: value for name, value in document("http://127.0.0.1", closed=True).items() if name != "security"}
)
unserved = {name.partition(" ")[2] for name in NOT_SERVED}
served = schemas.exclude(path=sorted(unserved))
left_out = schemas.include(path=sorted(unserved))


def no_failure_of_ours(_context: CheckContext, response: Response, case: schemathesis.Case) -> None:
    """A server's error is one of those that are answers, with the triple that every client understands."""
    if response.status_code < 500:
        return
    assert response.status_code in ANSWERS, f"{response.status_code}: {response.text[:500]}"
    body = response.json()
    assert body.get("statusCode", response.status_code) == response.status_code
    assert body["message"]


CHECKS = [
    no_failure_of_ours,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with scripted(tmp_path_factory.mktemp("schema"), concurrency=10_000, release_wait=0, egress_deny="*") as platform:
        yield platform


def extension() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("manifest.json", '{"manifest_version": 3, "name": "A", "version": "1"}')
    return file.getvalue()


def certificate_pem() -> bytes:
    """A CA's, which signed itself."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
    )
    return made.public_bytes(Encoding.PEM)


@pytest.fixture
def there(platform: Platform) -> Mapping[str, str]:
    """Ids of things that there are, by the names of paths' parameters."""
    uploaded = platform.http.post("/v1/extensions", files={"file": ("a.zip", extension())})
    return {
        "project_id": platform.project_id,
        "context_id": platform.http.post("/v1/contexts", json={}).json()["id"],
        "extension_id": uploaded.json()["id"],
        "page_id": "0",
    }


@pytest.fixture
def session_id(platform: Platform) -> Iterator[str]:
    session = platform.create()
    yield session["id"]
    platform.release(session["id"])


turns = itertools.count()


def ask(case: schemathesis.Case, platform: Platform, known: Mapping[str, str]) -> None:
    """With a key, and every second time about what there is."""
    if next(turns) % 2:
        case.path_parameters = {name: known.get(name, value) for name, value in (case.path_parameters or {}).items()}
        if "session_id" in known and "sessionId" in (case.query or {}):
            case.query = {**(case.query or {}), "sessionId": known["session_id"]}
        for body in (case.body, *(case.body.values() if isinstance(case.body, dict) else ())):
            if isinstance(body, dict):
                body.pop("projectId", None)
    case.headers["X-BB-API-Key"] = platform.api_key
    case.call_and_validate(base_url=platform.url, checks=CHECKS, timeout=60)


def answered(platform: Platform, method: str, path: str, **how: Any) -> httpx.Response:
    """A request that succeeds, and whose answer is as the document says."""
    request = platform.http.build_request(method, re.sub(r"{\w+}", lambda _: how.pop("id"), path), **how)
    request.read()
    answer = platform.http.send(request)
    assert answer.is_success, answer.text
    schemas[path][method].validate_response(answer)
    return answer


def test_what_no_chance_hits_upon_answers_as_documented_too(platform: Platform, session_id: str) -> None:
    """Files that are what they should be, and downloads that there are."""
    extended = answered(platform, "POST", "/v1/extensions", files={"file": ("a.zip", extension())}).json()
    certified = answered(platform, "POST", "/v1/certificates", files={"file": ("ca.pem", certificate_pem())}).json()
    room = Room(limit=1000, total=1000, count=10)
    expected = platform.ports.downloads.expect(platform.ports.sessions.get(session_id), name="a.txt", size=1, room=room)
    platform.ports.blobs.put(expected.blob, io.BytesIO(b"x"))
    platform.ports.downloads.keep(session_id, expected.number, size=1, sha256="0" * 64)

    answered(platform, "GET", "/v1/extensions/{extension_id}", id=extended["id"])
    answered(platform, "GET", "/v1/certificates/{certificate_id}", id=certified["id"])
    answered(platform, "GET", "/v1/certificates")
    downloads = answered(platform, "GET", "/v1/downloads", params={"sessionId": session_id}).json()["downloads"]
    answered(platform, "GET", "/v1/downloads/{id}", id=downloads[0]["id"])
    answered(
        platform, "GET", "/v1/downloads/{id}", id=downloads[0]["id"], headers={"Accept": "application/octet-stream"}
    )
    answered(platform, "GET", "/v1/sessions/{session_id}/downloads", id=session_id)


@served.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_what_is_served_answers_as_documented(
    case: schemathesis.Case, platform: Platform, there: Mapping[str, str], session_id: str
) -> None:
    """Statuses, media types, headers and bodies are those of the document, fields that it does not name included."""
    ask(case, platform, {**there, "session_id": session_id})


@left_out.parametrize()
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
def test_what_is_not_served_says_so(case: schemathesis.Case, platform: Platform) -> None:
    """501 and nothing else, whatever is sent."""
    ask(case, platform, {})
