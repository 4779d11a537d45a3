"""/v1/contexts over HTTP, and what guests may do with a context; without browsers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from browserbase import Browserbase, NotFoundError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.archives import an_archive, encrypted
from tests.eventually import eventually
from tests.integration.guests import scripted
from tests.platform import Platform

pytestmark = pytest.mark.queue

LIMIT = 1 << 20


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One instance for all of these tests: each makes contexts of its own."""
    with scripted(tmp_path_factory.mktemp("contexts"), context_limit=LIMIT) as platform:
        yield platform


@pytest.fixture
def other(platform: Platform) -> Iterator[httpx.Client]:
    """Another project's client."""
    project = platform.ports.catalog.add_project("other", concurrency=1, default_timeout=120)
    key, _ = platform.ports.catalog.add_key(project.id, name="other")
    with httpx.Client(base_url=platform.url, headers={"X-BB-API-Key": key}, timeout=30) as client:
        yield client


def triple(answer: httpx.Response, status: int) -> str:
    """The message of an error in its shape."""
    body = answer.json()
    assert (answer.status_code, body["statusCode"], body["error"]) == (status, status, HTTPStatus(status).phrase)
    return str(body["message"])


def a_context(platform: Platform, **body: Any) -> dict[str, Any]:
    answer = platform.http.post("/v1/contexts", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def versions(platform: Platform, context: str) -> list[dict[str, Any]]:
    return list(platform.http.get(f"/v1/contexts/{context}/versions").raise_for_status().json())


def upload(url: str, body: bytes) -> httpx.Response:
    """With nothing but the URL."""
    return httpx.put(url, content=body, timeout=30)


# -- Clients ----------------------------------------------------------------------------------------------------------


def test_the_sdk_does_with_contexts_what_it_can(platform: Platform) -> None:
    """Unmodified, and refusing every answer that is not exactly of its types."""
    with Browserbase(
        base_url=platform.url, api_key=platform.api_key, max_retries=0, _strict_response_validation=True
    ) as bb:
        made = bb.contexts.create(project_id=platform.project_id, name="  by the SDK ")
        found, updated = bb.contexts.retrieve(made.id), bb.contexts.update(made.id)
        bb.contexts.delete(made.id)

        assert (found.id, found.project_id) == (made.id, platform.project_id)
        assert (made.cipher_algorithm, made.initialization_vector_size) == ("AES-256-CBC", 16)
        assert isinstance(serialization.load_pem_public_key(made.public_key.encode()), rsa.RSAPublicKey)
        assert (updated.id, updated.public_key) == (made.id, made.public_key)
        with pytest.raises(NotFoundError):
            bb.contexts.retrieve(made.id)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"name": "   "}, 400, "body/name must NOT have fewer than 1 characters"),
        ({"name": "a" * 129}, 400, "body/name must NOT have more than 128 characters"),
        ({"name": 7}, 400, "body/name must be string"),
        ({"projectId": "another"}, 403, "body/projectId is not the project of this API key"),
    ],
)
def test_what_is_wrong_is_named(platform: Platform, body: dict[str, Any], status: int, message: str) -> None:
    """The field, and its limit."""
    assert triple(platform.http.post("/v1/contexts", json=body), status) == message


def test_a_name_is_taken_until_its_context_is_deleted(platform: Platform) -> None:
    """A 409 that the SDKs must not retry; names are trimmed, and their case is no difference."""
    first = a_context(platform, name="Shop")
    assert platform.http.get(f"/v1/contexts/{first['id']}").json()["name"] == "Shop"

    taken = platform.http.post("/v1/contexts", json={"name": " sHOP "})
    platform.http.delete(f"/v1/contexts/{first['id']}")

    assert "'sHOP'" in triple(taken, 409)
    assert taken.headers["x-should-retry"] == "false"
    assert a_context(platform, name="SHOP")["id"] != first["id"]


def test_another_projects_context_is_not_there(platform: Platform, other: httpx.Client) -> None:
    """By no route, and for no session."""
    context = a_context(platform)
    upload(context["uploadUrl"], an_archive())
    path = f"/v1/contexts/{context['id']}"

    answers = [
        other.get(path),
        other.put(path),
        other.delete(path),
        other.get(f"{path}/versions"),
        other.post(f"{path}/rollback", json={"version": 1}),
    ]
    create = other.post("/v1/sessions", json={"browserSettings": {"context": {"id": context["id"]}}})

    missing = f"there is no context {context['id']}"
    assert {triple(answer, 404) for answer in answers} == {missing}
    assert triple(create, 404) == f"body/browserSettings/context/id: {missing}"
    assert platform.http.get(path).json()["version"] == 1


def test_an_uploaded_archive_is_what_sessions_begin_with(platform: Platform) -> None:
    """When it was checked; each upload is a version, and an older one can be chosen again."""
    context = a_context(platform)
    first, second = an_archive(), an_archive(Preferences='{"second": true}')

    answer = upload(context["uploadUrl"], first)
    again = upload(platform.http.put(f"/v1/contexts/{context['id']}").json()["uploadUrl"], second)

    assert (answer.status_code, answer.json()["version"], answer.json()["size"]) == (201, 1, len(first))
    assert (again.json()["version"], again.json()["head"], again.json()["basedOn"]) == (2, True, 1)
    assert [(v["version"], v["head"]) for v in versions(platform, context["id"])] == [(2, True), (1, False)]
    rolled = platform.http.post(f"/v1/contexts/{context['id']}/rollback", json={"version": 1})
    assert rolled.json()["version"] == 1
    assert [(v["version"], v["head"]) for v in versions(platform, context["id"])] == [(2, False), (1, True)]


def test_an_archive_may_be_encrypted_with_the_contexts_key(platform: Platform) -> None:
    """By the cipher that the answer names; what is stored is the archive."""
    context = a_context(platform)
    archive = an_archive()

    answer = upload(context["uploadUrl"], encrypted(archive, context["publicKey"]))

    assert (answer.status_code, answer.json()["size"]) == (201, len(archive))


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "body must be an archive of a profile: "),
        (b"no archive at all" * 100, 400, "body must be an archive of a profile: it is neither Zstandard nor"),
        (an_archive()[:-30], 400, "body must be an archive of a profile: it"),
        (bytes(LIMIT + 1), 413, f"body must be at most {LIMIT} bytes"),
    ],
    ids=["empty", "something else", "half", "too long"],
)
def test_what_is_no_archive_does_not_become_head(platform: Platform, body: bytes, status: int, message: str) -> None:
    """And leaves nothing behind."""
    context = a_context(platform)
    upload(context["uploadUrl"], an_archive())

    assert triple(upload(context["uploadUrl"], body), status).startswith(message)

    assert [version["version"] for version in versions(platform, context["id"])] == [1]
    assert len(list(platform.ports.blobs.names(f"contexts/{platform.project_id}/{context['id']}/"))) == 1


def test_an_upload_url_is_for_its_context_alone(platform: Platform) -> None:
    """And for PUT."""
    context, another = a_context(platform), a_context(platform)
    url = context["uploadUrl"]

    assert "wrong or has expired" in triple(upload(url.replace(context["id"], another["id"]), an_archive()), 403)
    assert "wrong or has expired" in triple(upload(url.replace("signature=", "signature=0"), an_archive()), 403)
    assert httpx.get(url).status_code == 405
    assert versions(platform, context["id"]) == versions(platform, another["id"]) == []


def test_only_a_version_that_is_there_can_be_chosen(platform: Platform) -> None:
    """And a number is asked for."""
    context = a_context(platform)
    path = f"/v1/contexts/{context['id']}/rollback"

    assert triple(platform.http.post(path, json={}), 400) == "body must have required property 'version'"
    assert triple(platform.http.post(path, json={"version": "1"}), 400) == "body/version must be integer"
    assert triple(platform.http.post(path, json={"version": 0}), 400) == "body/version must be >= 1"
    assert "must be <= " in triple(platform.http.post(path, json={"version": 2**63}), 400)
    assert "there is no version 1" in triple(platform.http.post(path, json={"version": 1}), 404)


# -- Guests -----------------------------------------------------------------------------------------------------------


class AsGuest:
    """Speaks to the API as the guest of a session does."""

    def __init__(self, platform: Platform, context: str, *, persist: bool) -> None:
        self.session = platform.create(browserSettings={"context": {"id": context, "persist": persist}})
        record = platform.ports.sessions.get(self.session["id"])
        token = platform.ports.links.token(record, "guest")
        self._http = httpx.Client(
            base_url=f"{platform.url}/guest/v1/sessions/{record.id}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )

    def __enter__(self) -> AsGuest:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def source(self) -> dict[str, Any]:
        return dict(self._http.get("/context").raise_for_status().json())

    def get(self, path: str) -> httpx.Response:
        return self._http.get(path)

    def reserve(self) -> httpx.Response:
        return self._http.post("/context/versions", json={})

    def commit(self, version: int, **facts: Any) -> httpx.Response:
        return self._http.post(f"/context/versions/{version}", json=facts)


def put_once(url: str, body: bytes) -> int:
    return httpx.put(url, content=body, headers={"If-None-Match": "*"}, timeout=30).status_code


def facts_of(body: bytes, based_on: int | None) -> dict[str, Any]:
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "basedOn": based_on}


def test_a_guest_gets_and_gives_a_profile(platform: Platform) -> None:
    """By URLs that are good for nothing else; the session names its context, and its history what came of it."""
    context = a_context(platform)
    upload(context["uploadUrl"], an_archive())
    body = an_archive(Preferences='{"later": true}')

    with AsGuest(platform, context["id"], persist=True) as guest:
        source = guest.source()
        assert httpx.get(source["url"]).content == an_archive()
        reserved = guest.reserve().json()
        assert put_once(reserved["url"], body) == 204
        assert put_once(reserved["url"], b"something else") == 412
        answers = [guest.commit(reserved["version"], **facts_of(body, source["version"])) for _ in range(2)]
        assert "has persisted context" in triple(guest.reserve(), 409)

    assert guest.session["contextId"] == context["id"]
    assert [answer.json() for answer in answers] == [{"head": 2}, {"head": 2}]
    assert platform.events(guest.session["id"]).count("CONTEXT_PERSISTED") == 1
    assert versions(platform, context["id"])[0]["sessionId"] == guest.session["id"]


def test_what_a_guest_is_told_it_is_told_in_its_time(platform: Platform) -> None:
    """Who finds its token beside the browser gets no assignment, and after the session no context that goes on."""
    context = a_context(platform)

    with AsGuest(platform, context["id"], persist=False) as guest:
        assigned = guest.get("/assignment")
        during = guest.get("")
        platform.http.post(f"/v1/sessions/{guest.session['id']}", json={"status": "REQUEST_RELEASE"})
        eventually(lambda: "endedAt" in platform.http.get(f"/v1/sessions/{guest.session['id']}").json())
        after = guest.get("/context")

    assert "its browser is up" in triple(assigned, 410)
    assert during.status_code == 200
    assert "has ended" in triple(after, 410)


def test_a_guest_that_comes_later_overwrites_nothing(platform: Platform) -> None:
    """Both began with the same version; the history of the second says that it is not used, and what to do."""
    context = a_context(platform)
    with AsGuest(platform, context["id"], persist=True) as one, AsGuest(platform, context["id"], persist=True) as two:
        assert one.source() == two.source() == {"version": None}
        for guest in (one, two):
            reserved = guest.reserve().json()
            put_once(reserved["url"], an_archive())
            guest.commit(reserved["version"], **facts_of(an_archive(), None))

    assert "CONTEXT_PERSISTED" in platform.events(one.session["id"])
    told = [entry for entry in platform.history(two.session["id"]) if entry["event"] == "CONTEXT_CONFLICT"]
    assert "version 1 is used now" in told[0]["detail"]
    assert [(v["version"], v["head"], v["conflicted"]) for v in versions(platform, context["id"])] == [
        (2, False, True),
        (1, True, False),
    ]


def test_a_guest_may_do_no_more_than_its_session(platform: Platform) -> None:
    """No version without persist, none of another session, and none that is not what was said."""
    context = a_context(platform)
    with (
        AsGuest(platform, context["id"], persist=False) as reader,
        AsGuest(platform, context["id"], persist=True) as writer,
        AsGuest(platform, context["id"], persist=True) as another,
    ):
        assert triple(reader.reserve(), 403) == "the session is over, or persists no context"
        assert triple(reader.commit(1, **facts_of(b"", None)), 403)

        reserved = writer.reserve().json()
        put_once(reserved["url"], an_archive())
        assert triple(another.commit(reserved["version"], **facts_of(an_archive(), None)), 404)
        assert triple(writer.commit(reserved["version"], **facts_of(b"other", None)), 422)
        assert triple(writer.commit(reserved["version"], **facts_of(an_archive(), None)), 422) == "nothing was uploaded"

    assert versions(platform, context["id"]) == []


def test_a_deleted_context_stays_deleted(platform: Platform) -> None:
    """Whatever a session that still has it does."""
    context = a_context(platform)
    with AsGuest(platform, context["id"], persist=True) as guest:
        reserved = guest.reserve().json()
        assert platform.http.delete(f"/v1/contexts/{context['id']}").status_code == 204
        put_once(reserved["url"], an_archive())

        assert triple(guest.commit(reserved["version"], **facts_of(an_archive(), None)), 404)
        assert triple(guest.reserve(), 404)

    assert triple(platform.http.get(f"/v1/contexts/{context['id']}"), 404)
    assert list(platform.ports.blobs.names(f"contexts/{platform.project_id}/{context['id']}/")) == []
    platform.release(guest.session["id"])
    eventually(lambda: platform.ended(guest.session["id"]))


def test_no_secret_is_in_the_log(platform: Platform, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither a signature nor a key."""
    context = a_context(platform)
    upload(context["uploadUrl"], b"no archive")
    with AsGuest(platform, context["id"], persist=True) as guest:
        reserved = guest.reserve().json()
        put_once(reserved["url"], b"no archive")
        guest.commit(reserved["version"], **facts_of(b"no archive", None))

    logged = "".join(capfd.readouterr())
    for url in (context["uploadUrl"], reserved["url"]):
        assert urlsplit(url).query.rpartition("=")[2] not in logged
