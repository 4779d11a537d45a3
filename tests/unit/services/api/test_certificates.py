"""/v1/certificates, and those that a create names."""

from __future__ import annotations

import io
from typing import Any

import pytest
from werkzeug.test import TestResponse

from services.api import bodies, certificates
from services.api.answers import Refusal
from services.api.certificates import SESSION_LIMIT
from tests.authority import issue
from tests.unit.services.api.paper import PaperApi

#: Good also at the time of the tests' clock, which is late in this century.
ROOT = issue("root", days=40_000)
OTHER = issue("other", days=40_000)


def upload(api: PaperApi, data: bytes) -> TestResponse:
    return api.ask("POST", "/v1/certificates", data={"file": (io.BytesIO(data), "root.pem")})


def uploaded(api: PaperApi, data: bytes = ROOT.pem) -> str:
    answer = upload(api, data)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["id"])


def plan(api: PaperApi, *ids: str) -> dict[str, Any]:
    """What the guest of a create with these is told."""
    wish = bodies.checked({"proxySettings": {"caCertificates": list(ids)}}, bodies.CreateSession)
    return dict(certificates.plan(wish, api.project, api.ports))


def test_a_certificate_is_found_by_its_id_and_in_the_list(api: PaperApi) -> None:
    """Four fields; the list is a bare array, newest first."""
    answer = upload(api, ROOT.pem)

    assert answer.status_code == 200
    body = answer.get_json()
    assert body == {
        "id": body["id"],
        "createdAt": "2096-10-02T07:06:40.000Z",
        "updatedAt": "2096-10-02T07:06:40.000Z",
        "projectId": "project-1",
    }
    assert api.ask("GET", f"/v1/certificates/{body['id']}").get_json() == body
    assert api.ask("GET", "/v1/certificates").get_json() == [body]


def test_a_deleted_certificate_is_gone(api: PaperApi) -> None:
    """204 without a body, then 404, and in no list."""
    id = uploaded(api)

    answer = api.ask("DELETE", f"/v1/certificates/{id}")

    assert (answer.status_code, answer.data) == (204, b"")
    assert api.ask("GET", f"/v1/certificates/{id}").status_code == 404
    assert api.ask("DELETE", f"/v1/certificates/{id}").status_code == 404
    assert api.ask("GET", "/v1/certificates").get_json() == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Example data", "body/file must be an X.509 certificate, as PEM or DER"),
        (ROOT.pem + ROOT.key_bytes(), "body/file holds a private key, which was not stored"),
    ],
    ids=["nonsense", "a key"],
)
def test_what_is_none_is_a_400_that_says_why(api: PaperApi, data: bytes, message: str) -> None:
    """And is not kept."""
    answer = upload(api, data)

    assert answer.status_code == 400
    assert answer.get_json()["message"].startswith(message)
    assert api.ask("GET", "/v1/certificates").get_json() == []


def test_a_guest_is_given_the_certificates_themselves(api: PaperApi) -> None:
    """Each once, in the order in which they were named; nothing for a create that names none."""
    root, other = uploaded(api), uploaded(api, OTHER.der)

    assert plan(api, root, other, root) == {"certificates": {"pem": (ROOT.pem + OTHER.pem).decode()}}
    assert plan(api) == {}


def test_an_unknown_certificate_fails_the_create_before_anything_is_stored(api: PaperApi) -> None:
    """400, with its place and its id, also where it is another project's."""
    mine = uploaded(api)
    stranger = api.ports.catalog.add_project("stranger", concurrency=1, default_timeout=60)
    theirs = api.ports.certificates.add(stranger.id, ROOT.pem.decode()).id

    answer = api.ask("POST", "/v1/sessions", json={"proxySettings": {"caCertificates": [mine, theirs]}})

    assert answer.status_code == 400
    assert answer.get_json()["message"] == (
        "body/proxySettings/caCertificates/1 must be the id of a certificate of this project: "
        f"there is no certificate {theirs}"
    )
    assert list(api.ports.sessions.of_project("project-1")) == []


def test_a_session_is_given_no_more_than_its_plan_can_hold(api: PaperApi) -> None:
    """DynamoDB keeps no item of more than 400 KB."""
    large = "x" * (SESSION_LIMIT // 2)
    ids = [api.ports.certificates.add("project-1", large).id for _ in range(3)]

    assert len(plan(api, *ids[:2])["certificates"]["pem"]) == SESSION_LIMIT
    with pytest.raises(Refusal, match="caCertificates must come to at most 131072 characters of PEM"):
        plan(api, *ids)
