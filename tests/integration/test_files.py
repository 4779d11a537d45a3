"""Files over HTTP without a browser: who may have them, what is refused and how, and what the zip and the list hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.eventually import eventually
from tests.integration.files import Guest, refusal, unzipped
from tests.integration.guests import released_after, scripted
from tests.platform import Platform
from wallcrawler.lifecycle import State

pytestmark = pytest.mark.queue


@pytest.fixture(scope="module")
def everybodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One instance for all of these tests, since none of them breaks anything."""
    with scripted(tmp_path_factory.mktemp("files")) as platform:
        yield platform


@pytest.fixture
def platform(everybodys: Platform) -> Iterator[Platform]:
    with released_after(everybodys):
        yield everybodys


@pytest.fixture
def session(platform: Platform) -> dict[str, Any]:
    return platform.create()


@pytest.fixture
def stranger(platform: Platform) -> Iterator[httpx.Client]:
    """Who has a key of another project."""
    other = platform.ports.catalog.add_project("other", concurrency=1, default_timeout=120)
    key = platform.ports.catalog.add_key(other.id, name="other")[0]
    with httpx.Client(base_url=platform.url, headers={"X-BB-API-Key": key}) as client:
        yield client


# -- Downloads --------------------------------------------------------------------------------------------------------


def test_a_session_without_downloads_has_an_empty_zip(platform: Platform, session: dict[str, Any]) -> None:
    """200, as for one with some: clients ask until it holds what they wait for."""
    assert unzipped(platform.http.get(f"/v1/sessions/{session['id']}/downloads")) == {}


def test_names_are_made_safe_and_told_apart(platform: Platform, session: dict[str, Any]) -> None:
    """Whatever a page called its file: in the zip and in the list, it leads nowhere and hides nothing."""
    guest = Guest(platform, session["id"])
    for name, body in (("../../evil.sh", b"1"), ("same.txt", b"2"), ("same.txt", b"3"), ("a\u202egpj.exe", b"4")):
        guest.download(name, body)

    zipped = unzipped(platform.http.get(f"/v1/sessions/{session['id']}/downloads"))
    listed = platform.http.get("/v1/downloads", params={"sessionId": session["id"]}).json()["downloads"]

    assert list(zipped) == [one["filename"] for one in listed]
    assert [name[:5] for name in zipped] == ["evil-", "same-", "same-", "a_gpj"]
    assert list(zipped.values()) == [b"1", b"2", b"3", b"4"]


def test_a_download_is_got_as_the_caller_accepts_it(platform: Platform, session: dict[str, Any]) -> None:
    """What is known of it as JSON, itself as bytes, and nothing else."""
    number = Guest(platform, session["id"]).download('a "quoted" übersicht.html', b"<script>")
    url = f"/v1/downloads/{session['id']}.{number}"

    told = platform.http.get(url, headers={"Accept": "application/json"})
    anything = platform.http.get(url)
    body = platform.http.get(url, headers={"Accept": "application/octet-stream"})
    wrong = platform.http.get(url, headers={"Accept": "text/html"})

    assert told.json() == anything.json()
    assert told.json().keys() == {"id", "sessionId", "filename", "mimeType", "size", "checksum", "createdAt"}
    assert told.json()["checksum"] == hashlib.sha256(b"<script>").hexdigest()
    assert body.content == b"<script>"
    assert body.headers["content-type"] == "application/octet-stream"
    assert body.headers["content-length"] == "8"
    assert body.headers["x-content-type-options"] == "nosniff"
    assert f"%C3%BCbersicht-{number}.html" in body.headers["content-disposition"]
    assert 'filename="a _quoted_ _bersicht-' in body.headers["content-disposition"]
    assert "application/octet-stream" in refusal(wrong, 406)


def test_downloads_are_found_and_paged(platform: Platform, session: dict[str, Any]) -> None:
    """By what the query names; the total counts all that match."""
    guest = Guest(platform, session["id"])
    numbers = [guest.download(f"{name}.txt", b"x" * size) for name, size in (("a", 1), ("b", 20), ("c", 300))]
    guest.download("d.pdf", b"x")

    def listed(**query: Any) -> tuple[list[str], int]:
        answer = platform.http.get("/v1/downloads", params={"sessionId": session["id"], **query}).raise_for_status()
        told = answer.json()
        assert told["limit"] == query.get("limit", 20)
        assert told["offset"] == query.get("offset", 0)
        return [one["filename"][0] for one in told["downloads"]], told["total"]

    assert listed() == (["a", "b", "c", "d"], 4)
    assert listed(limit=2) == (["a", "b"], 4)
    assert listed(limit=2, offset=3) == (["d"], 4)
    assert listed(offset=9) == ([], 4)
    assert listed(minSize=20, maxSize=300) == (["b", "c"], 2)
    assert listed(mimeType="application/pdf") == (["d"], 1)
    assert listed(filename=f"b-{numbers[1]}.txt") == (["b"], 1)
    assert listed(createdBefore="2020-01-01T00:00:00Z") == ([], 0)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"sessionId": "nobody"}, 404),
        ({"limit": "0"}, 400),
        ({"limit": "x"}, 400),
        ({"offset": "-1"}, 400),
        ({"minSize": "x"}, 400),
        ({"createdAfter": "x"}, 400),
        ({"filename": "x" * 256}, 400),
    ],
)
def test_a_query_that_is_wrong_is_refused(
    platform: Platform, session: dict[str, Any], query: dict[str, str], status: int
) -> None:
    """The message names the parameter, or the session."""
    known = {"sessionId": session["id"]} if query and "sessionId" not in query else {}

    message = refusal(platform.http.get("/v1/downloads", params=known | query), status)

    assert (next(iter(query), "sessionId") if status == 400 else "nobody") in message


def test_downloads_stay_after_the_session(platform: Platform, session: dict[str, Any]) -> None:
    """Until they are deleted, one or all; then they are gone in every way to ask for them."""
    guest = Guest(platform, session["id"])
    numbers = [guest.download(name, name.encode()) for name in ("a", "b", "c")]
    platform.release(session["id"])
    eventually(lambda: platform.ended(session["id"]))
    own, one = f"/v1/sessions/{session['id']}/downloads", f"/v1/downloads/{session['id']}.{numbers[0]}"

    before = sorted(unzipped(platform.http.get(own)).values())
    first = platform.http.delete(one)
    between = sorted(unzipped(platform.http.get(own)).values())
    rest = [platform.http.delete(own), platform.http.delete(own)]

    assert (before, between) == ([b"a", b"b", b"c"], [b"b", b"c"])
    assert [answer.status_code for answer in (first, *rest)] == [204, 204, 204]
    assert "there is no download" in refusal(platform.http.get(one), 404)
    assert "there is no download" in refusal(platform.http.delete(one), 404)
    assert unzipped(platform.http.get(own)) == {}
    assert list(platform.ports.blobs.names(f"downloads/{session['id']}/")) == []


def test_another_projects_downloads_are_not_there(
    platform: Platform, session: dict[str, Any], stranger: httpx.Client
) -> None:
    """404, as for what never was, in every way to ask; and all of it stays."""
    number = Guest(platform, session["id"]).download("secret.txt", b"secret")
    own, one = f"/v1/sessions/{session['id']}/downloads", f"/v1/downloads/{session['id']}.{number}"

    answers = [
        stranger.get(own),
        stranger.delete(own),
        stranger.get("/v1/downloads", params={"sessionId": session["id"]}),
        stranger.get(one),
        stranger.get(one, headers={"Accept": "application/octet-stream"}),
        stranger.delete(one),
        stranger.post(f"/v1/sessions/{session['id']}/uploads", files={"file": ("a", b"x")}),
        stranger.get("/v1/downloads/nonsense"),
        stranger.get("/v1/downloads/no-session.1719265797164"),
    ]

    assert [refusal(answer, 404).split()[:3] for answer in answers] == [["there", "is", "no"]] * len(answers)
    assert list(unzipped(platform.http.get(own)).values()) == [b"secret"]


# -- Uploads ----------------------------------------------------------------------------------------------------------


def test_an_upload_needs_a_session_that_runs(platform: Platform, session: dict[str, Any]) -> None:
    """404 for one that is not there, 410 after the end, 502 where the browser does not answer."""
    file = {"file": ("a.txt", b"x")}

    unknown = platform.http.post("/v1/sessions/nobody/uploads", files=file)
    silent = platform.http.post(f"/v1/sessions/{session['id']}/uploads", files=file)
    platform.release(session["id"])
    eventually(lambda: platform.ended(session["id"]))
    over = platform.http.post(f"/v1/sessions/{session['id']}/uploads", files=file)

    assert "there is no session nobody" in refusal(unknown, 404)
    assert f"the browser of session {session['id']} took no file" in refusal(silent, 502)
    assert f"session {session['id']} has ended: released" in refusal(over, 410)


def test_an_upload_waits_for_no_browser(platform: Platform) -> None:
    """While the session starts it is refused: 409, which SDKs must not repeat blindly."""
    record = platform.ports.sessions.get(platform.create()["id"])
    starting = replace(record, id="starting", version=1, state=State.CREATING, task=None, address=None)
    platform.ports.sessions.create(starting)

    answer = platform.http.post("/v1/sessions/starting/uploads", files={"file": ("a.txt", b"x")})

    assert "is still starting" in refusal(answer, 409)
    assert answer.headers["x-should-retry"] == "false"
    platform.release("starting")
    eventually(lambda: platform.ended("starting"))
