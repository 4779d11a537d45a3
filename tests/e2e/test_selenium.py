"""Selenium, unmodified: it drives the session's very Chrome, and its coming and going is a client's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from websockets.sync.client import connect

from tests.eventually import eventually
from tests.platform import Platform, need_chromedriver

pytestmark = pytest.mark.browser

PAGE = "data:text/html,<title>driven</title><h1>by selenium</h1>"

Create = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True, scope="module")
def _chromedriver() -> None:
    need_chromedriver()


def remote(
    url: str, options: webdriver.ChromeOptions | None = None, *, timeout: int = 30, **headers: str
) -> webdriver.Remote:
    """As Browserbase's documentation has it: the headers go with every request."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}

    class Signed(RemoteConnection):
        extra_headers = extra

    config = ClientConfig(remote_server_addr=url, timeout=timeout, keep_alive=True)
    return webdriver.Remote(command_executor=Signed(client_config=config), options=options or webdriver.ChromeOptions())


@contextmanager
def driven(session: dict[str, Any], options: webdriver.ChromeOptions | None = None) -> Iterator[webdriver.Remote]:
    driver = remote(session["seleniumRemoteUrl"], options, x_bb_signing_key=session["signingKey"])
    try:
        yield driver
    finally:
        driver.quit()


def titles(session: dict[str, Any]) -> list[str]:
    """Of the session's pages, as DevTools list them."""
    url = session["connectUrl"].replace("ws://", "http://").replace("/?", "/json/list?")
    return [target["title"] for target in httpx.get(url).json()]


def chromedrivers(platform: Platform) -> list[psutil.Process]:
    """Those of this instance: their home is in its run directory."""
    found = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "chromedriver" and process.cwd().startswith(str(platform.run_dir)):
            found.append(process)
    return found


def test_it_drives_the_sessions_own_chrome(create: Create) -> None:
    """The page that it opens is among the session's pages, and the browser is the one of the other clients."""
    session = create()

    with driven(session) as driver:
        driver.get(PAGE)
        heading = driver.find_element(By.TAG_NAME, "h1").text
        seen, product = titles(session), driver.caps["browserVersion"]
        screenshot = driver.get_screenshot_as_png()

    assert heading == "by selenium"
    assert "driven" in seen
    assert product.split(".")[0].isdecimal()
    assert screenshot.startswith(b"\x89PNG")


def test_quit_ends_the_session(platform: Platform) -> None:
    """The last client has gone, as when Playwright closes its connection; nothing of chromedriver is left."""
    session = platform.create()
    with driven(session) as driver:
        driver.get(PAGE)

    eventually(lambda: platform.ended(session["id"]), within=20)

    assert platform.retrieve(session["id"])["endedReason"] == "disconnected"
    assert {"ATTACHED", "DETACHED"} <= set(platform.events(session["id"]))
    eventually(lambda: not chromedrivers(platform), within=10)


def test_a_session_that_is_kept_alive_can_be_come_back_to(create: Create, platform: Platform) -> None:
    """quit() is a client's leave; the page is where it was."""
    session = create()
    with driven(session) as driver:
        driver.get(PAGE)

    with driven(session) as driver:
        title = driver.title

    assert title == "driven"
    assert platform.retrieve(session["id"])["status"] == "RUNNING"
    assert platform.events(session["id"]).count("ATTACHED") == 2


def test_two_drivers_share_a_browser_and_the_last_to_quit_ends_it(platform: Platform) -> None:
    """As with all other clients."""
    session = platform.create()
    with driven(session) as first:
        with driven(session) as second:
            first.get(PAGE)
            eventually(lambda: second.title == "driven")
        still = platform.retrieve(session["id"])["status"], first.title

    assert still == ("RUNNING", "driven")
    eventually(lambda: platform.ended(session["id"]), within=20)


@pytest.mark.parametrize("place", ["headers", "query"])
def test_the_old_way_with_an_api_key(create: Create, platform: Platform, place: str) -> None:
    """x-bb-api-key and session-id, as in the SDK's own example; and for sockets the same in the address."""
    session = create()
    if place == "query":
        address = session["connectUrl"].partition("?")[0]
        with connect(f"{address}?apiKey={platform.api_key}&sessionId={session['id']}") as client:
            client.send('{"id": 1, "method": "Browser.getVersion"}')
            assert "product" in str(client.recv(timeout=10))
        return

    driver = remote(session["seleniumRemoteUrl"], x_bb_api_key=platform.api_key, session_id=session["id"])
    driver.get(PAGE)

    assert driver.title == "driven"
    driver.quit()


def test_nobody_elses_key_opens_it(create: Create, platform: Platform) -> None:
    """Neither one that is unknown, nor one of another project, nor a session's name that is another's."""
    session, other = create(), platform.ports.catalog.add_project("other", concurrency=1, default_timeout=60)
    secret, _ = platform.ports.catalog.add_key(other.id, name="other")
    url = f"{session['seleniumRemoteUrl']}/status"

    answers = [
        httpx.get(url, headers={"x-bb-api-key": key, "session-id": named})
        for key, named in [("wc_nobodys", session["id"]), (secret, session["id"]), (platform.api_key, "another")]
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert not any(key in answer.text for answer in answers for key in (secret, "wc_nobodys", platform.api_key))


def test_switches_and_extensions_that_come_too_late_are_left_out(create: Create) -> None:
    """Chrome runs already: scripts that were written for a local one work as they are."""
    options = webdriver.ChromeOptions()
    options.add_argument("--headless=new")
    options.add_argument("--window-size=1,1")
    options.add_experimental_option("excludeSwitches", ["enable-automation"])
    options.add_experimental_option("prefs", {"a.b": 1})
    options.add_experimental_option("detach", True)
    options.binary_location = "/nowhere/chrome"

    with driven(create(), options) as driver:
        driver.get(PAGE)
        told = driver.caps

    assert told["goog:chromeOptions"] == {}
    assert told["se:cdp"].startswith("ws://")


def test_a_proxy_that_would_not_be_used_is_refused(create: Create) -> None:
    """Left out, it would show the server's own address to whom it was to be hidden from."""
    options = webdriver.ChromeOptions()
    options.add_argument("--proxy-server=http://proxy.example:3128")

    with pytest.raises(WebDriverException, match="proxies are chosen when it is created"), driven(create(), options):
        pass


def test_chrome_devtools_beside_webdriver(create: Create) -> None:
    """`se:cdp` is the session's own address for CDP, as a Selenium Grid would say it."""
    with driven(create()) as driver, connect(driver.caps["se:cdp"]) as client:
        client.send('{"id": 1, "method": "Browser.getVersion"}')

        assert driver.caps["browserVersion"] in str(client.recv(timeout=10))


def test_webdriver_bidi(create: Create) -> None:
    """Its socket leads through the guest; Selenium's own client for it works."""
    options = webdriver.ChromeOptions()
    options.set_capability("webSocketUrl", True)

    with driven(create(), options) as driver:
        tree = driver.browsing_context.get_tree()
        context = tree[0].context
        driver.browsing_context.navigate(context=context, url=PAGE, wait="complete")
        title = driver.title

    assert title == "driven"


def test_chromedriver_is_closed_to_the_pages_that_it_drives(create: Create, platform: Platform) -> None:
    """By the egress, as Chrome's own port: neither what a page fetches nor where it goes reaches it."""
    with driven(create()) as driver:
        [process] = chromedrivers(platform)
        [port] = {one.laddr.port for one in process.net_connections() if one.status == psutil.CONN_LISTEN}
        asked = httpx.get(f"http://127.0.0.1:{port}/status").json()["value"]["ready"]
        driver.get(f"http://127.0.0.1:{port}/status")
        told = driver.page_source

    assert asked is True
    assert "internal to Wallcrawler" in told
    assert "ready for new sessions" not in told


def test_a_command_that_is_under_way_is_told_why_the_session_ends(create: Create, platform: Platform) -> None:
    """In the words that a Selenium client raises."""
    session = create()
    driver = remote(session["seleniumRemoteUrl"], x_bb_signing_key=session["signingKey"])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(driver.execute_async_script, "document.title = 'under way'")
        eventually(lambda: "under way" in titles(session), within=20)
        platform.release(session["id"])

        with pytest.raises(WebDriverException, match="the session has ended: released"):
            waiting.result(timeout=20)


def test_a_dead_chromedriver_is_no_dead_session(create: Create, platform: Platform) -> None:
    """Its WebDriver sessions are gone, and are told so; the next client gets another one."""
    session = create()
    driver = remote(session["seleniumRemoteUrl"], x_bb_signing_key=session["signingKey"])
    driver.get(PAGE)
    for process in chromedrivers(platform):
        process.kill()
    eventually(lambda: "DETACHED" in platform.events(session["id"]))

    with pytest.raises(WebDriverException, match="no such WebDriver session"):
        driver.title  # noqa: B018 - it asks
    with driven(session) as another:
        title = another.title

    assert title == "driven"
