"""POST /v1/fetch: what may be asked, how it is answered, and how it is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from tests.unit.services.api.fetch.site import Site, serving
from tests.unit.services.api.paper import PaperApi, Start

pytestmark = pytest.mark.usefixtures("loopback")

#: A deployment whose operator lets it reach the site on this machine.
OPEN = {"mode": "aws", "egress_private": "allow", "fetch_within": 5.0}


@pytest.fixture
def site() -> Iterator[tuple[str, type[Site]]]:
    with serving() as (port, site):
        yield f"http://127.0.0.1:{port}", site


@pytest.fixture
def api(start: Start) -> PaperApi:
    return start(**OPEN)


def fetch(api: PaperApi, **body: Any) -> TestResponse:
    return api.ask("POST", "/v1/fetch", json=body)


def refused(answer: TestResponse, status: int) -> str:
    """The message of an error that has the triple and the fetch's id."""
    body = answer.get_json()
    assert (answer.status_code, body["statusCode"]) == (status, status), body
    assert body.keys() == {"statusCode", "error", "message", "id"}
    return str(body["message"])


def test_a_page_is_fetched(api: PaperApi, site: tuple[str, type[Site]]) -> None:
    """Its status, headers, text, type and charset; ids are new each time."""
    first, second = (fetch(api, url=f"{site[0]}/page").get_json() for _ in range(2))

    assert first.keys() == {"id", "statusCode", "headers", "content", "contentType", "encoding"}
    assert (first["statusCode"], first["content"]) == (200, "<title>Hi</title><h1>Hello</h1>")
    assert (first["contentType"], first["encoding"]) == ("text/html", "utf-8")
    assert first["headers"]["content-length"] == "31"
    assert first["id"] != second["id"]


def test_a_page_is_had_as_markdown(api: PaperApi, site: tuple[str, type[Site]]) -> None:
    """Through redirects, where they are allowed."""
    answer = fetch(api, url=f"{site[0]}/moved", format="markdown", allowRedirects=True)

    assert answer.get_json()["content"].strip() == "# Hello"


def test_an_error_of_the_site_is_an_answer(api: PaperApi, site: tuple[str, type[Site]]) -> None:
    """What the site says, also that there is nothing, is what was fetched."""
    answer = fetch(api, url=f"{site[0]}/missing")

    assert (answer.status_code, answer.get_json()["statusCode"]) == (200, 404)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "body must have required property 'url'"),
        ({"url": 1}, "body/url must be string"),
        ({"url": "no url"}, "body/url must be a URL"),
        ({"url": ""}, "body/url must be a URL"),
        ({"url": "http://"}, "body/url must be a URL"),
        ({"url": "http://a b/"}, "body/url must be a URL"),
        ({"url": "http://site.test:99999/"}, "body/url must be a URL"),
        ({"url": "//site.test/"}, "body/url must be a URL of http or https"),
        ({"url": "file://site.test/etc/passwd"}, "body/url must be a URL of http or https"),
        ({"url": f"http://site.test/{'x' * 9000}"}, "body/url must NOT have more than 8192 characters"),
        ({"url": "http://site.test/", "format": "pdf"}, "body/format must be equal to one of the allowed values"),
        ({"url": "http://site.test/", "proxies": True}, "body/proxies must be false"),
    ],
)
def test_a_wrong_body_is_a_400_that_names_the_field(api: PaperApi, body: dict[str, Any], message: str) -> None:
    """In the words of the original's validator where it has some."""
    assert refused(fetch(api, **body), 400).startswith(message)


@pytest.mark.parametrize(
    "more", [{"format": "json", "schema": {"type": "object"}}, {"contextId": "context-1"}], ids=["schema", "context"]
)
def test_what_is_not_served_is_a_501(api: PaperApi, more: dict[str, Any]) -> None:
    """And nothing is fetched for it; a schema without json says nothing, as the original has it."""
    answer = fetch(api, url="http://site.test/", **more)

    assert refused(answer, 501).startswith("body/")
    assert answer.headers["x-should-retry"] == "false"


def test_a_schema_is_for_json_alone(api: PaperApi, site: tuple[str, type[Site]]) -> None:
    """Beside another format it is not looked at."""
    assert fetch(api, url=f"{site[0]}/page", schema={"type": "object"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "message", "final"),
    [
        ("bomb", 502, "the answer's body has more than 1000 bytes", True),
        ("silent", 504, "it was not done within 0.3 s", True),
        ("loop", 502, "it redirects more than 10 times", False),
        ("rude", 502, "the connection to 127.0.0.1 failed", False),
    ],
)
def test_a_fetch_that_fails_says_why(
    start: Start, site: tuple[str, type[Site]], path: str, status: int, message: str, final: bool
) -> None:
    """502 where the site is at fault, 504 where it is slow; and no second try where it would be the same."""
    api = start(**OPEN | {"fetch_limit": 1000, "fetch_within": 0.3 if path == "silent" else 5.0})

    answer = fetch(api, url=f"{site[0]}/{path}", allowRedirects=True)

    assert refused(answer, status).startswith(message)
    assert (answer.headers.get("x-should-retry") == "false") is final


def test_a_format_that_does_not_fit_is_a_400(api: PaperApi, site: tuple[str, type[Site]]) -> None:
    """The page is there, and is no JSON."""
    assert "not JSON" in refused(fetch(api, url=f"{site[0]}/page", format="json"), 400)


@pytest.mark.parametrize("mode", ["embedded", "compose", "aws"])
@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data/", "http://metadata.google.internal/"])
def test_metadata_is_refused_everywhere(start: Start, mode: str, url: str) -> None:
    """403, with the rule; nothing was connected to."""
    api = start(mode=mode)
    assert "metadata" in refused(fetch(api, url=url), 403)


def test_the_apis_own_machine_is_refused_in_a_deployment(start: Start, site: tuple[str, type[Site]]) -> None:
    """As it is to sessions there, unless the operator opens it."""
    api = start(mode="compose")

    assert "private network" in refused(fetch(api, url=f"{site[0]}/page"), 403)
    assert site[1].seen == []


def test_on_one_machine_no_port_of_this_process_is_reached(start: Start, site: tuple[str, type[Site]]) -> None:
    """The site of this test listens in the very process that fetches, as the API does."""
    api = start(mode="embedded")

    assert "internal to Wallcrawler" in refused(fetch(api, url=f"{site[0]}/page"), 403)
    assert site[1].seen == []


def test_a_redirect_into_the_deployment_is_refused(start: Start, site: tuple[str, type[Site]]) -> None:
    """The site is open, where it leads is not."""
    api = start(**OPEN | {"egress_deny": "127.0.0.2"})
    site[1].elsewhere = f"http://127.0.0.2:{site[0].rpartition(':')[2]}/page"

    assert "WALLCRAWLER_EGRESS_DENY" in refused(fetch(api, url=f"{site[0]}/elsewhere", allowRedirects=True), 403)


def test_no_more_than_so_many_are_worked_on_at_once(start: Start, site: tuple[str, type[Site]]) -> None:
    """The surplus is told 429 and when to come again; afterwards there is room."""
    api = start(**OPEN | {"fetch_threads": 1})
    began = threading.Event()
    site[1].answer_silent = lambda self: (began.set(), Site.answer_silent(self))  # type: ignore[method-assign,assign]

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(fetch, api, url=f"{site[0]}/silent")
        assert began.wait(5)
        busy = fetch(api, url=f"{site[0]}/page")
        site[1].over.set()
        slow.result()

    assert "too many fetches" in refused(busy, 429)
    assert busy.headers["retry-after"] == "1"
    assert fetch(api, url=f"{site[0]}/page").status_code == 200


def test_logs_hold_no_credentials_and_no_query(api: PaperApi, site: tuple[str, type[Site]]) -> None:
    """A line for each fetch names the host, and nothing that the URL may hold of a secret."""
    place = site[0].removeprefix("http://")

    with capture_logs() as lines:
        fetch(api, url=f"http://user:hidden@{place}/page?key=hidden")
        fetch(api, url=f"http://user:hidden@{place}/loop?key=hidden", allowRedirects=True)

    told = [line for line in lines if line["event"].startswith("fetch.")]
    assert [line["event"] for line in told] == ["fetch.answered", "fetch.failed"]
    assert all(line["host"] == "127.0.0.1" for line in told)
    assert "hidden" not in str(lines)


def test_a_stranger_fetches_nothing(api: PaperApi) -> None:
    """401, without so much as an id."""
    answer = api.stranger.post("/v1/fetch", json={"url": "http://site.test/"})

    assert answer.status_code == 401
    assert answer.get_json().keys() == {"statusCode", "error", "message"}
