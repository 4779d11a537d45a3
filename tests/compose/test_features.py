"""What clients ask of a session besides its Chrome, where the guest is a container: read-only, and cut off."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from browserbase import Browserbase
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, Playwright, Route, sync_playwright
from websockets.sync.client import connect

from tests.authority import issue
from tests.compose.stack import Stack
from tests.e2e.cdp import Cdp
from tests.e2e.liveview.sights import socket_of
from tests.e2e.test_selenium import driven
from tests.eventually import eventually
from tests.zips import extension

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("peace")]

#: A site that nobody serves: the client answers for it, and Chrome keeps what it stores under its origin.
SITE = "http://site.example/"

#: Every byte there is, more often than a pipe, a part of an upload or a read of a file holds.
BYTES = bytes(range(256)) * 8192

FIELD_AND_LINK = """<input type=file id=file><a id=made download=made.bin>made</a><script>
const all = Uint8Array.from({length: 256 * 8192}, (_, number) => number)
made.href = URL.createObjectURL(new Blob([all]))</script>"""

STORE = "document.cookie = 'lasting=1; max-age=3600'; localStorage.setItem('key', 'local')"

SAYS = "data:text/html,<title>driven</title><h1>by selenium</h1><script>console.log('the page said')</script>"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture
def bb(stack: Stack) -> Iterator[Browserbase]:
    with Browserbase(base_url=stack.url, api_key=stack.api_key, max_retries=0, _strict_response_validation=True) as bb:
        yield bb


def page_of(playwright: Playwright, session: dict[str, Any]) -> Page:
    return playwright.chromium.connect_over_cdp(session["connectUrl"]).contexts[0].pages[0]


def ended(stack: Stack, session: dict[str, Any]) -> dict[str, Any]:
    """The session's record, when it is over."""
    eventually(lambda: "endedAt" in stack.retrieve(session["id"]), within=30)
    return stack.retrieve(session["id"])


def listed(stack: Stack, session: dict[str, Any]) -> list[dict[str, Any]]:
    answer = stack.http.get("/v1/downloads", params={"sessionId": session["id"]}).raise_for_status()
    return list(answer.json()["downloads"])


def test_files_go_in_and_come_out(stack: Stack, bb: Browserbase, playwright: Playwright) -> None:
    """An upload is chosen by the path that clients know; a download is exact while the session lives, and after."""
    session = stack.create(keepAlive=True)
    page = page_of(playwright, session)
    page.set_content(FIELD_AND_LINK)
    cdp = page.context.new_cdp_session(page)
    uploaded = stack.http.post(f"/v1/sessions/{session['id']}/uploads", files={"file": ("menu.bin", BYTES)})

    field = cdp.send(
        "DOM.querySelector", {"nodeId": cdp.send("DOM.getDocument")["root"]["nodeId"], "selector": "#file"}
    )
    cdp.send("DOM.setFileInputFiles", {"nodeId": field["nodeId"], "files": ["/tmp/.uploads/menu.bin"]})
    digest = "file.files[0].arrayBuffer().then(all => new Uint8Array(all).every((byte, at) => byte === at % 256))"
    chosen = page.evaluate("[file.files[0].name, file.files[0].size]"), page.evaluate(digest)
    asked = {"behavior": "allow", "downloadPath": "downloads", "eventsEnabled": True}
    cdp.send("Browser.setDownloadBehavior", asked)
    page.click("#made")
    eventually(lambda: listed(stack, session), within=20)
    (one,) = listed(stack, session)
    raw = stack.http.get(f"/v1/downloads/{one['id']}", headers={"Accept": "application/octet-stream"})
    stack.release(session["id"])
    ended(stack, session)

    assert uploaded.json()["path"] == "/tmp/.uploads/menu.bin"
    assert chosen == (["menu.bin", len(BYTES)], True)
    assert raw.content == BYTES
    with zipfile.ZipFile(io.BytesIO(bb.sessions.downloads.list(session["id"]).read())) as downloads:
        assert [downloads.read(name) for name in downloads.namelist()] == [BYTES]


def test_pages_get_to_nothing_of_the_network_that_they_are_in(stack: Stack, playwright: Playwright) -> None:
    """Neither by name nor by address, and not to the metadata of the machine."""
    session = stack.create(keepAlive=True)
    page = page_of(playwright, session)
    refused = ["http://169.254.169.254/latest/meta-data/", "http://api:8080/healthz", "http://gateway:9222/readyz"]
    refused += [f"http://{stack.address(service)}:4566/" for service in ("ministack", "redis")]

    answers = {url: page.goto(url) for url in refused}
    # The browsers' network has no such name.
    with pytest.raises(PlaywrightError, match="ERR_"):
        page.goto("http://ministack:4566/")

    assert {url: answer.status for url, answer in answers.items() if answer} == dict.fromkeys(refused, 403)
    assert any("169.254.169.254" in str(entry.get("detail")) for entry in refusals(stack, session))


def refusals(stack: Stack, session: dict[str, Any]) -> list[dict[str, Any]]:
    history = stack.http.get(f"/v1/sessions/{session['id']}/events").json()
    return [entry for entry in history if entry["event"] == "EGRESS_REFUSED"]


def test_what_a_browser_begins_with_and_what_it_leaves(stack: Stack, bb: Browserbase, playwright: Playwright) -> None:
    """An extension and a certificate are there at READY; a context gives the next session what this one stored."""
    context = bb.contexts.create().id
    extended = {"extensionId": bb.extensions.create(file=("marker.zip", extension())).id}
    trusting = {"proxySettings": {"caCertificates": [bb.certificates.create(file=issue("a root").pem).id]}}
    using = {"browserSettings": {"context": {"id": context, "persist": True}}}

    first = stack.create(**using, **extended, **trusting, keepAlive=True)
    with Cdp.of(first) as cdp:
        loaded = [(one["name"], one["enabled"]) for one in cdp.call("Extensions.getExtensions")["extensions"]]
    (container,) = stack.browsers()
    trusted = stack.docker("exec", container, "certutil", "-L", "-d", f"sql:/tmp/{first['id'][:13]}/.pki/nssdb")
    visited(page_of(playwright, first), STORE)
    stack.release(first["id"])
    ended(stack, first)
    versions = stack.http.get(f"/v1/contexts/{context}/versions").json()
    second = stack.create(**using, keepAlive=True)
    kept = visited(page_of(playwright, second), "[document.cookie, localStorage.getItem('key')]")

    assert loaded == [("Marker", True)]
    assert "certificate 0" in trusted
    assert [(one["head"], one["sessionId"]) for one in versions] == [(True, first["id"])]
    assert kept == ["lasting=1", "local"]


def visited(page: Page, expression: str) -> Any:
    """What the expression says on the site."""

    def site(route: Route) -> None:
        route.fulfill(body="<title>site</title>", content_type="text/html")

    page.route(f"{SITE}**", site)
    page.goto(SITE)
    return page.evaluate(expression)


def test_selenium_a_person_who_looks_on_and_the_log(stack: Stack, bb: Browserbase) -> None:
    """All three are of one session, over the gateway; quit ends it, and what the page said is in its log after that."""
    session = stack.create()

    with driven(session) as driver:
        driver.get(SAYS)
        urls = bb.sessions.debug(session["id"])
        view = httpx.get(urls.debugger_fullscreen_url, follow_redirects=True)
        with connect(socket_of(str(view.url)), max_size=None) as viewer:
            first = [viewer.recv(timeout=20) for _ in range(3)]
        pages = [page.title for page in urls.pages]
    reason = ended(stack, session)["endedReason"]
    log = bb.sessions.logs.list(session["id"])

    assert (view.status_code, view.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert any(isinstance(frame, bytes) for frame in first)
    assert "driven" in pages
    assert reason == "disconnected"
    said = [entry.request.params for entry in log if entry.method == "Runtime.consoleAPICalled" and entry.request]
    assert "the page said" in str(said)


def test_a_browser_can_write_to_its_tmp_alone(stack: Stack) -> None:
    """As on Fargate; and with Chrome running in it, its guest has nothing to complain of."""
    stack.create(keepAlive=True)
    (container,) = stack.browsers()

    places = ("/app", "/home/wallcrawler", "/var/tmp")
    for place in places:
        with pytest.raises(subprocess.CalledProcessError):
            stack.docker("exec", container, "touch", f"{place}/it")
    stack.docker("exec", container, "touch", "/tmp/it")

    assert "Traceback" not in stack.docker("logs", container)
