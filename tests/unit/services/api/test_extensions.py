"""/v1/extensions, and the extensions of a create, as callers and guests see them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.unit.records import a_session
from tests.unit.services.api.paper import PaperApi
from tests.zips import extension, zipped
from wallcrawler.lifecycle import Event


def upload(api: PaperApi, packed: bytes, name: str = "marker.zip") -> TestResponse:
    return api.ask("POST", "/v1/extensions", data={"file": (io.BytesIO(packed), name)})


def uploaded(api: PaperApi) -> str:
    answer = upload(api, extension())
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["id"])


def refused(answer: TestResponse) -> tuple[int, str]:
    body = answer.get_json()
    assert body["statusCode"] == answer.status_code
    return answer.status_code, body["message"]


def test_an_upload_answers_with_its_record(api: PaperApi) -> None:
    """Five fields, the file's own name among them, and the same when it is asked for."""
    answer = upload(api, extension(), "my extension.zip")

    assert answer.status_code == 200
    body = answer.get_json()
    assert body == {
        "id": body["id"],
        "createdAt": "2096-10-02T07:06:40.000Z",
        "updatedAt": "2096-10-02T07:06:40.000Z",
        "fileName": "my extension.zip",
        "projectId": "project-1",
    }
    assert api.ask("GET", f"/v1/extensions/{body['id']}").get_json() == body


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"Example data", "body/file must be a zip archive"),
        (zipped({"a.js": ""}), "body/file must hold manifest.json at its root"),
        (
            zipped({"../up.js": "", "manifest.json": "{}"}),
            "body/file must hold relative paths alone, and holds '../up.js'",
        ),
        (extension(name=""), "body/file must have a manifest.json whose name is a text"),
    ],
    ids=["no zip", "no manifest", "traversal", "no name"],
)
def test_what_is_no_extension_is_a_400_that_says_why(api: PaperApi, packed: bytes, message: str) -> None:
    """And nothing of it is kept."""
    assert refused(upload(api, packed)) == (400, message)
    assert list(api.ports.blobs.names("")) == []


def test_a_deleted_extension_is_gone(api: PaperApi) -> None:
    """204 without a body, then 404, also for a second deletion."""
    id = uploaded(api)

    answer = api.ask("DELETE", f"/v1/extensions/{id}")

    assert (answer.status_code, answer.data) == (204, b"")
    for method in ("GET", "DELETE"):
        assert refused(api.ask(method, f"/v1/extensions/{id}")) == (404, f"there is no extension {id}")


def test_another_projects_extension_can_be_neither_seen_nor_deleted_nor_used(api: PaperApi) -> None:
    """To a stranger it is the same as none."""
    id = uploaded(api)
    stranger = api.ports.catalog.add_project("stranger", concurrency=1, default_timeout=60)
    key, _ = api.ports.catalog.add_key(stranger.id, name="k")
    headers = {"X-BB-API-Key": key}

    statuses = [api.ask(method, f"/v1/extensions/{id}", headers=headers).status_code for method in ("GET", "DELETE")]
    create = api.ask("POST", "/v1/sessions", json={"extensionId": id}, headers=headers)

    assert statuses == [404, 404]
    assert create.status_code == 400
    assert api.ask("GET", f"/v1/extensions/{id}").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"extensionId": "nobody"}, "body/extensionId"),
        ({"browserSettings": {"extensionId": "nobody"}}, "body/browserSettings/extensionId"),
    ],
)
def test_an_unknown_id_fails_the_create_before_anything_is_stored(
    api: PaperApi, body: dict[str, Any], field: str
) -> None:
    """400, with the field and the id; no session, and no place taken."""
    answer = api.ask("POST", "/v1/sessions", json=body)

    assert refused(answer) == (
        400,
        f"{field} must be the id of an extension of this project: there is no extension nobody",
    )
    assert list(api.ports.sessions.of_project("project-1")) == []
    assert api.ports.catalog.project("project-1").active == 0


# -- What the guest is told -------------------------------------------------------------------------------------------


def planned(api: PaperApi, *ids: str) -> dict[str, str]:
    """A session with these extensions; the headers of its guest."""
    plan = {"extensions": [{"id": id, "name": "Marker", "sha256": "0"} for id in ids]}
    session = api.ports.sessions.create(a_session(), plan=plan)
    # The tests' clock is not that of whoever verifies.
    token = api.ports.signer.mint(session.id, "guest", issued_at=0, expires_at=2**33)
    return {"Authorization": f"Bearer {token}"}


def test_a_guest_is_told_where_its_extension_is(api: PaperApi) -> None:
    """A URL that works for a while, and nothing else opens."""
    id = uploaded(api)
    guest = planned(api, id)

    answer = api.ask("GET", f"/guest/v1/sessions/session-1/extensions/{id}", headers=guest)

    assert answer.status_code == 200
    told = answer.get_json()
    assert told["size"] == len(extension())
    assert f"/blobs/extensions/project-1/{id}.zip?" in told["url"]
    assert "signature=" in told["url"]


def test_a_guest_is_not_told_of_what_it_does_not_load(api: PaperApi) -> None:
    """A page that took over its guest can't fetch the project's other extensions."""
    mine, other = uploaded(api), uploaded(api)
    guest = planned(api, mine)

    answer = api.ask("GET", f"/guest/v1/sessions/session-1/extensions/{other}", headers=guest)

    assert refused(answer) == (404, f"session session-1 has no extension {other}")
    assert api.ask("GET", f"/guest/v1/sessions/session-1/extensions/{mine}").status_code == 401


def test_a_guest_whose_extension_is_gone_or_whose_session_is_over_is_told_so(api: PaperApi) -> None:
    """404 either way: its plan is gone with the session."""
    deleted, kept = uploaded(api), uploaded(api)
    guest = planned(api, deleted, kept)
    api.ask("DELETE", f"/v1/extensions/{deleted}")

    gone = api.ask("GET", f"/guest/v1/sessions/session-1/extensions/{deleted}", headers=guest)
    api.ports.sessions.advance("session-1", Event.CRASHED)
    over = api.ask("GET", f"/guest/v1/sessions/session-1/extensions/{kept}", headers=guest)

    assert refused(gone) == (404, f"there is no extension {deleted}")
    assert refused(over) == (404, f"session session-1 has no extension {kept}")
