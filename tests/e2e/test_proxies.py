"""Proxies of sessions, the domains that their pages may be of, and sessions without ads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from browserbase import Browserbase
from playwright.sync_api import Browser, Page, Playwright
from playwright.sync_api import Error as PlaywrightError

from tests.characters import proxies, sites
from tests.characters.sites import Site
from tests.eventually import eventually
from tests.platform import Platform

Opened = Callable[..., tuple[dict[str, Any], Page]]

pytestmark = pytest.mark.browser

CREDENTIALS = ("caller", "a:pass@word")


@pytest.fixture
def site() -> Iterator[Site]:
    with sites.running() as site:
        yield site


@pytest.fixture
def opened(playwright: Playwright, create: Callable[..., dict[str, Any]]) -> Iterator[Opened]:
    """Creates a session, and returns it and its page."""
    with ExitStack() as undo:

        def opened(**body: Any) -> tuple[dict[str, Any], Page]:
            session = create(**body)
            browser: Browser = playwright.chromium.connect_over_cdp(session["connectUrl"])
            undo.callback(browser.close)
            return session, browser.contexts[0].pages[0]

        yield opened


def status(page: Page, url: str) -> int:
    answer = page.goto(url)
    assert answer is not None
    return answer.status


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_pages_come_through_the_proxy_and_its_bytes_are_counted(
    platform: Platform, bb: Browserbase, opened: Opened, site: Site, scheme: str
) -> None:
    """With its password; the proxy resolves names that nobody here knows. What went through is in the session's record
    and in the project's usage, once."""
    before = bb.projects.usage(platform.project_id).proxy_bytes
    names = {"shop.example": ("127.0.0.1", site.port)}
    with proxies.running(scheme, names, credentials=CREDENTIALS) as (port, knows):
        username, password = CREDENTIALS
        server = f"{scheme}://127.0.0.1:{port}"
        session, page = opened(
            proxies=[{"type": "external", "server": server, "username": username, "password": password}]
        )
        shown = status(page, "http://shop.example/")
        title = page.title()
        platform.release(session["id"])
        eventually(lambda: platform.ended(session["id"]), within=20)

    ended = bb.sessions.retrieve(session["id"])
    assert (shown, title) == (200, "a site")
    assert any("shop.example" in asked for asked in knows.asked)
    assert ended.proxy_bytes > 200
    eventually(lambda: bb.projects.usage(platform.project_id).proxy_bytes == before + ended.proxy_bytes)
    assert password not in str(platform.history(session["id"])) + str(platform.retrieve(session["id"]))


def test_a_proxy_gets_nothing_that_no_page_asked_for(platform: Platform, opened: Opened, site: Site) -> None:
    """Chrome's own requests would come with the caller's password, and count as the session's bytes. None comes in the
    first seconds, in which Chrome once asked for the time, components and accounts; what a page asks for does."""
    names = {"shop.example": ("127.0.0.1", site.port)}
    with proxies.running("http", names, credentials=CREDENTIALS) as (port, knows):
        username, password = CREDENTIALS
        server = f"http://127.0.0.1:{port}"
        session, page = opened(
            proxies=[{"type": "external", "server": server, "username": username, "password": password}]
        )
        page.evaluate("new Promise(done => setTimeout(done, 3000))")
        connections = knows.connections
        shown = status(page, "http://shop.example/")
        platform.release(session["id"])
        eventually(lambda: platform.ended(session["id"]), within=20)

    assert (connections, shown) == (0, 200)
    assert {urlsplit(asked.split()[1]).hostname for asked in knows.asked} == {"shop.example"}


def test_rules_are_tried_in_order_and_the_rest_is_reached_directly(opened: Opened, site: Site) -> None:
    """As Browserbase's clients write them."""
    with proxies.running("http", {"www.shop.example": ("127.0.0.1", site.port)}) as (port, knows):
        _, page = opened(
            proxies=[
                {"type": "none", "domainPattern": "localhost"},
                {"type": "external", "server": f"http://127.0.0.1:{port}", "domainPattern": "shop\\.example"},
            ]
        )

        assert status(page, "http://www.shop.example/") == 200
        assert status(page, f"http://localhost:{site.port}/") == 200
        assert status(page, f"{site.url}/direct") == 200

    assert all("shop.example" in asked for asked in knows.asked)


def test_main_frames_stay_on_the_allowed_domains(platform: Platform, opened: Opened, site: Site) -> None:
    """Sub-domains included; a redirect, a link, a popup, a new page, and a form lead nowhere else."""
    outside = f"http://outside.localhost:{site.port}/"
    home = f"http://app.inside.localhost:{site.port}/"
    site.pages["/away"] = (302, outside)
    session, page = opened(browserSettings={"allowedDomains": ["inside.localhost"]})
    context = page.context

    statuses = [status(page, home), status(page, outside), status(page, f"{home}away")]
    text = page.inner_text("body")
    page.goto(home)
    page.evaluate("url => { location.href = url }", f"{outside}link")
    page.wait_for_url(f"{outside}link")
    page.goto(home)
    with context.expect_page() as opening:
        page.evaluate("url => { window.open(url) }", f"{outside}popup")
    opening.value.wait_for_load_state()
    another = context.new_page()
    statuses.append(status(another, f"{outside}new"))

    assert statuses == [200, 403, 403, 403]
    assert "outside.localhost is not in the session's allowedDomains" in text
    assert "allowedDomains" in opening.value.inner_text("body")
    assert not [asked for asked in site.asked if "@outside" in asked]
    notes = [entry["detail"] for entry in platform.history(session["id"]) if entry["event"] == "EGRESS_REFUSED"]
    assert notes == ["outside.localhost is not in the session's allowedDomains"]


def test_a_name_that_ends_alike_is_another_domain(opened: Opened, site: Site) -> None:
    """`inside.localhost` is not `notinside.localhost`; what has no domain is not spoken of."""
    _, page = opened(browserSettings={"allowedDomains": ["inside.localhost"]})

    assert status(page, f"http://notinside.localhost:{site.port}/") == 403
    assert status(page, f"http://inside.localhost:{site.port}/") == 200
    page.goto("about:blank")
    page.goto("data:text/html,<title>data</title>")
    assert page.title() == "data"


def test_what_is_inside_of_a_page_is_free(opened: Opened, site: Site) -> None:
    """Frames and requests to other domains are not main frames."""
    _, page = opened(browserSettings={"allowedDomains": ["inside.localhost"]})
    page.goto(f"http://inside.localhost:{site.port}/")

    page.evaluate(
        """async url => {
            await fetch(`${url}fetch`, {mode: 'no-cors'})
            const frame = document.createElement('iframe')
            frame.src = `${url}frame`
            await new Promise(done => { frame.onload = done; document.body.append(frame) })
        }""",
        f"http://outside.localhost:{site.port}/",
    )

    assert [asked.split("@")[0] for asked in site.asked if "outside" in asked] == ["GET /fetch ", "GET /frame "]


def test_a_client_that_intercepts_requests_itself_does_not_get_past(
    create: Callable[..., dict[str, Any]], opened: Opened, site: Site
) -> None:
    """Its own handler lets everything pass; ours is asked as well."""
    outside = f"http://outside.localhost:{site.port}/"
    _, page = opened(browserSettings={"allowedDomains": ["inside.localhost"]})
    page.route("**/*", lambda route: route.continue_())

    assert status(page, f"http://inside.localhost:{site.port}/") == 200
    assert status(page, outside) == 403
    assert not [asked for asked in site.asked if "@outside" in asked]


def test_a_document_that_came_by_another_road_is_left(opened: Opened, site: Site) -> None:
    """As from a client's own handler, which answers in the place of the site."""
    outside = f"http://outside.localhost:{site.port}/"
    _, page = opened(browserSettings={"allowedDomains": ["inside.localhost"]})
    page.route(
        outside,
        lambda route: route.fulfill(content_type="text/html", body="<link rel=icon href=data:,><title>made up</title>"),
    )

    with suppress(PlaywrightError):
        # It may be left while it is still arriving.
        page.goto(outside, wait_until="commit")

    eventually(lambda: page.url == "about:blank" or "refused" in page.title(), within=10)
    assert "made up" not in page.title()
    assert not [asked for asked in site.asked if "@outside" in asked]


def test_sessions_without_ads_do_not_reach_who_serves_them(opened: Opened, platform: Platform) -> None:
    """By Wallcrawler's own list where there is no other; without a line in the history."""
    session, page = opened(browserSettings={"blockAds": True})

    with pytest.raises(PlaywrightError, match="ERR_SOCKS_CONNECTION_FAILED"):
        page.goto("http://ads.doubleclick.net/")

    assert not [entry for entry in platform.history(session["id"]) if entry["event"] == "EGRESS_REFUSED"]
