"""Playwright drives what a create answers, unmodified."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from browserbase import Browserbase
from playwright.sync_api import Playwright

from tests.eventually import eventually
from tests.platform import Platform

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A site of one page with a form."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<title>A site</title><input id=name><button onclick='document.title=document.all.name.value'>Go"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet: a test's output is its own."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_main_job(bb: Browserbase, platform: Platform, playwright: Playwright, site: str) -> None:
    """Create, connect, click through a page, close: the session is COMPLETED because its client left."""
    session = bb.sessions.create()

    browser = playwright.chromium.connect_over_cdp(session.connect_url)
    page = browser.contexts[0].pages[0]
    page.goto(site)
    page.fill("#name", "driven")
    page.click("button")
    title = page.title()
    browser.close()

    assert title == "driven"
    eventually(lambda: bb.sessions.retrieve(session.id).status == "COMPLETED")
    assert platform.retrieve(session.id)["endedReason"] == "disconnected"
    assert platform.events(session.id)[-3:] == ["DETACHED", "ABANDONED", "DRAINED"]


def test_a_session_kept_alive_is_come_back_to(bb: Browserbase, playwright: Playwright, site: str) -> None:
    """After a disconnect the same connectUrl leads to the same page."""
    session = bb.sessions.create(keep_alive=True)
    browser = playwright.chromium.connect_over_cdp(session.connect_url)
    browser.contexts[0].pages[0].goto(site)
    browser.close()

    retrieved = bb.sessions.retrieve(session.id)
    assert retrieved.connect_url is not None
    again = playwright.chromium.connect_over_cdp(retrieved.connect_url)

    assert again.contexts[0].pages[0].title() == "A site"
    again.close()
    bb.sessions.update(session.id, status="REQUEST_RELEASE")


def test_the_page_has_the_size_that_was_asked_for(bb: Browserbase, playwright: Playwright) -> None:
    """browserSettings.viewport is the page's inner size, to the pixel."""
    session = bb.sessions.create(browser_settings={"viewport": {"width": 1024, "height": 768}})

    browser = playwright.chromium.connect_over_cdp(session.connect_url)
    size = browser.contexts[0].pages[0].evaluate("[innerWidth, innerHeight]")
    browser.close()

    assert size == [1024, 768]


def test_playwright_connects_over_http_too(bb: Browserbase, playwright: Playwright) -> None:
    """/json/version behind the signing key in a header leads to the same browser."""
    session = bb.sessions.create()
    address = session.connect_url.removeprefix("ws://").partition("/")[0]

    browser = playwright.chromium.connect_over_cdp(
        f"http://{address}", headers={"x-bb-signing-key": session.signing_key}
    )
    pages = len(browser.contexts[0].pages)
    browser.close()

    assert pages == 1


def test_two_clients_share_one_browser(bb: Browserbase, platform: Platform, playwright: Playwright) -> None:
    """One client's leaving does not end the other's session."""
    session = bb.sessions.create()
    first = playwright.chromium.connect_over_cdp(session.connect_url)
    second = playwright.chromium.connect_over_cdp(session.connect_url)

    first.close()
    second.contexts[0].pages[0].goto("data:text/html,<title>still here</title>")

    assert second.contexts[0].pages[0].title() == "still here"
    assert platform.retrieve(session.id)["status"] == "RUNNING"
    second.close()
