"""Bad input, endpoint by endpoint: the documented error, in the shape that clients parse, and nothing else happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from tests.authority import issue
from tests.conformance.badness import ALL, Bad
from tests.eventually import eventually
from tests.integration.guests import scripted
from tests.platform import Platform
from tests.zips import extension
from wallcrawler.schema import CERTIFICATES, CONTEXTS, EXTENSIONS

pytestmark = pytest.mark.queue


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One without browsers: nothing that is refused needs one."""
    with scripted(tmp_path_factory.mktemp("bad")) as platform:
        yield platform


@pytest.fixture(scope="module")
def names(platform: Platform) -> dict[str, str]:
    """The ids that requests speak of."""
    other = platform.ports.catalog.add_project("other", concurrency=5, default_timeout=120)
    key, _ = platform.ports.catalog.add_key(other.id, name="other")
    ended = platform.create()["id"]
    platform.release(ended)
    eventually(lambda: platform.ended(ended))
    with httpx.Client(base_url=platform.url, headers={"X-BB-API-Key": key}) as http:

        def made(path: str, **body: Any) -> str:
            return str(http.post(path, **body).raise_for_status().json()["id"])

        return {
            "running": platform.create()["id"],
            "ended": ended,
            "unknown": "1f0c9d1e-0000-4000-8000-000000000000",
            "foreign": made("/v1/sessions", json={}),
            "context": made("/v1/contexts", json={}),
            "extension": made("/v1/extensions", files={"file": ("x.zip", extension())}),
            "certificate": made("/v1/certificates", files={"file": ("ca.pem", issue("a").pem)}),
        }


def filled(template: Any, names: dict[str, str]) -> Any:
    text = json.dumps(template)
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return json.loads(text)


def sent(platform: Platform, bad: Bad, names: dict[str, str]) -> httpx.Response:
    given: dict[str, Any] = {"headers": bad.headers}
    if bad.file is not None:
        given["files"] = {bad.form_field: bad.file}
    elif bad.content is not None:
        given["content"] = bad.content
        given["headers"] = {"content-type": "application/json"} | bad.headers
    elif bad.json is not None:
        given["json"] = filled(bad.json, names)
    return platform.http.request(bad.method, filled(bad.path, names), **given)


@pytest.mark.parametrize("bad", ALL, ids=str)
def test_bad_input_is_named(platform: Platform, names: dict[str, str], bad: Bad) -> None:
    """The status, the triple, and a message that says which field it was, or what there is not."""
    live = platform.live()

    answer = sent(platform, bad, names)

    body = answer.json()
    assert (answer.status_code, body["statusCode"]) == (bad.status, bad.status), answer.text
    assert body["error"] == HTTPStatus(bad.status).phrase
    assert filled(bad.names, names) in body["message"]
    assert len(body["message"]) < 600
    assert answer.headers["content-type"] == "application/json"
    assert platform.live() == live


def test_bad_input_comes_without_a_key_as_well(platform: Platform, names: dict[str, str]) -> None:
    """Who has no key learns nothing of what is there: 401 before anything else is looked at."""
    with httpx.Client(base_url=platform.url) as stranger:
        answers = {
            str(bad): stranger.request(bad.method, filled(bad.path, names), json={}).status_code
            for bad in ALL
            if bad.status not in {404, 405, 413}
        }

    assert set(answers.values()) == {401}, answers


def test_nothing_of_it_is_kept(platform: Platform) -> None:
    """No context, extension or certificate of what was refused, and one session, which these tests began with."""
    ports = platform.ports
    kept = [
        item
        for table in (CONTEXTS, EXTENSIONS, CERTIFICATES)
        for item in ports.tables.scan(table).items
        if item.get("projectId") == platform.project_id
    ]

    assert kept == []
    assert ports.catalog.project(platform.project_id).active == 1
