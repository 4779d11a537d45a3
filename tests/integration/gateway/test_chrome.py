"""Real clients through a gateway, with a real guest and a real Chrome behind it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import pytest
from playwright.sync_api import sync_playwright
from selenium import webdriver
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.eventually import eventually
from tests.integration.gateway.grounds import RunningGateway, closed_with
from tests.platform import Platform, need_chrome, need_chromedriver, running
from wallcrawler.tokens import Verifier

pytestmark = [pytest.mark.browser, pytest.mark.queue]

PAGE = "data:text/html,<title>through</title><h1>the gateway</h1>"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    need_chrome()
    with running(tmp_path_factory.mktemp("gateway"), concurrency=20) as platform:
        yield platform


@contextmanager
def gateway_of(platform: Platform, **given: Any) -> Iterator[RunningGateway]:
    ports = platform.ports
    gateway = RunningGateway(
        sessions=ports.sessions,
        bell=ports.bell,
        verifier=Verifier(ports.signer.verify_keys),
        dependencies={"tables": ports.tables.ping, "bell": ports.bell.ping},
        **given,
    )
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture(scope="module")
def gateway(platform: Platform) -> Iterator[RunningGateway]:
    with gateway_of(platform) as gateway:
        yield gateway


@pytest.fixture
def session(platform: Platform) -> Iterator[dict[str, Any]]:
    session = platform.create(keepAlive=True)
    yield session
    platform.release(session["id"])
    eventually(platform.settled, within=10)


def asked(client: ClientConnection, method: str, number: int = 1) -> dict[str, Any]:
    """The answer to one CDP command; what Chrome says besides is passed over."""
    client.send(json.dumps({"id": number, "method": method}))
    while (answer := json.loads(client.recv(timeout=10))).get("id") != number:
        pass
    return dict(answer["result"])


def guest_of(platform: Platform, session_id: str) -> psutil.Process:
    """The guest's process: the parent of its Chrome."""
    mine = [chrome for chrome in platform.chromes() if any(session_id[:8] in part for part in chrome.cmdline())]
    browser = next(chrome for chrome in mine if not any(part.startswith("--type=") for part in chrome.cmdline()))
    guest = browser.parent()
    assert guest is not None
    return guest


def test_playwright_and_another_client_share_a_browser(gateway: RunningGateway, session: dict[str, Any]) -> None:
    """connect_over_cdp drives a page, while a second client lists it."""
    url = gateway.url(session["signingKey"])
    with sync_playwright() as playwright, connect(url) as second:
        browser = playwright.chromium.connect_over_cdp(url)
        page = browser.contexts[0].pages[0]
        page.goto(PAGE)
        heading = page.inner_text("h1")
        titles = [target["title"] for target in asked(second, "Target.getTargets")["targetInfos"]]
        browser.close()
        product = asked(second, "Browser.getVersion", 2)["product"]

    assert heading == "the gateway"
    assert "through" in titles
    assert "Chrome/" in product


def test_addresses_in_json_lead_through_the_gateway(gateway: RunningGateway, session: dict[str, Any]) -> None:
    """Neither Chrome's port nor the guest's is in them, and they work as they stand."""
    headers = {"x-bb-signing-key": session["signingKey"]}

    version = httpx.get(f"{gateway.origin}/json/version", headers=headers).json()
    opened = httpx.put(f"{gateway.origin}/json/new?about:blank", headers=headers).json()
    secure = httpx.get(f"{gateway.origin}/json/list", headers=headers | {"x-forwarded-proto": "https"}).json()

    for url in (version["webSocketDebuggerUrl"], opened["webSocketDebuggerUrl"]):
        assert urlsplit(url).netloc == gateway.netloc
        with connect(url) as client:
            assert "product" in asked(client, "Browser.getVersion")
    assert {urlsplit(page["webSocketDebuggerUrl"]).scheme for page in secure} == {"wss"}


def test_an_inspector_opens_through_the_gateway(
    platform: Platform, gateway: RunningGateway, session: dict[str, Any]
) -> None:
    """Chrome's DevTools find their files where the page sends a browser for them, and its socket is answered."""
    record = platform.ports.sessions.get(session["id"])
    headers = {"x-bb-signing-key": platform.ports.links.token(record, "view")}
    pages = httpx.get(f"{gateway.origin}/json/list", headers=headers).json()

    with httpx.Client(follow_redirects=True) as browser:
        inspector = browser.get(pages[0]["devtoolsFrontendUrl"])
        scripts = loaded(browser, inspector, most=50)

    assert "DevTools" in inspector.text
    assert len(scripts) == 50
    for file in scripts:
        assert (file.status_code, file.url.path.split("/")[2]) == (200, session["id"]), file.url
        assert "javascript" in file.headers["content-type"]
    [socket_url] = parse_qs(urlsplit(str(inspector.url)).query)["ws"]
    with connect(f"ws://{socket_url}") as client:
        assert "product" in asked(client, "Browser.getVersion")


def loaded(browser: httpx.Client, page: httpx.Response, *, most: int) -> list[httpx.Response]:
    """The scripts that a page of Chrome's DevTools loads, those that they load, and so on."""
    files: dict[httpx.URL, httpx.Response] = {}
    waiting = [page]
    while waiting:
        file = waiting.pop(0)
        names = re.findall(r"""(?:src="|\bfrom ?["']|\bimport ?["'])(\.{1,2}/[^"']+\.js)""", file.text)
        for url in [file.url.join(name) for name in names]:
            if url not in files and len(files) < most:
                files[url] = browser.get(url)
                waiting.append(files[url])
    return list(files.values())


def test_pings_do_not_disturb_chrome(platform: Platform, session: dict[str, Any]) -> None:
    """It takes dozens of pongs that it did not ask for, and answers as before."""
    with gateway_of(platform, ping_every=0.02) as gateway:
        url = gateway.url(session["signingKey"])
        with connect(url, ping_interval=None) as client, connect(session["connectUrl"]) as direct:
            before, sent = asked(client, "Browser.getVersion"), pings(gateway)
            eventually(lambda: pings(gateway) > sent + 20)
            after = asked(client, "Browser.getVersion", 2)
            unpinged = asked(direct, "Browser.getVersion")

    assert before == after == unpinged


def pings(gateway: RunningGateway) -> float:
    numbers = httpx.get(f"{gateway.origin}/metrics").text.splitlines()
    return float(next(line for line in numbers if line.startswith("wallcrawler_gateway_pings_total ")).split()[1])


def test_a_release_says_so(platform: Platform, gateway: RunningGateway) -> None:
    """The guest's own close frame passes; and then nobody is let in any more."""
    session = platform.create(keepAlive=True)
    url = gateway.url(session["signingKey"])
    with connect(url) as client:
        platform.release(session["id"])
        frame = closed_with(client)
    eventually(lambda: platform.ended(session["id"]))
    with pytest.raises(InvalidStatus) as refused, connect(url):
        pass

    assert frame == (4000, "released")
    assert refused.value.response.status_code == 410
    assert b"the session has ended: released" in (refused.value.response.body or b"")


def test_a_crash_says_so(platform: Platform, gateway: RunningGateway) -> None:
    """kill -9 of Chrome: its guest tells the client."""
    session = platform.create(keepAlive=True)
    with connect(gateway.url(session["signingKey"])) as client:
        for chrome in guest_of(platform, session["id"]).children():
            chrome.kill()
        frame = closed_with(client)

    assert frame == (4010, "browser_crashed")


def test_a_killed_guest_is_spoken_for(platform: Platform, gateway: RunningGateway) -> None:
    """kill -9 of the guest: there is nobody left to tell the client but the gateway, which asks the record."""
    session = platform.create(keepAlive=True)
    with connect(gateway.url(session["signingKey"])) as client, connect(session["connectUrl"]) as direct:
        guest_of(platform, session["id"]).kill()
        began = time.monotonic()
        frame, nothing = closed_with(client), closed_with(direct)

    assert frame == (4012, "task_stopped:SIGKILL")
    assert nothing is None
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("by", ["signing key", "API key"])
def test_selenium_drives_through_the_gateway(
    platform: Platform, gateway: RunningGateway, session: dict[str, Any], by: str
) -> None:
    """Command after command over a client that keeps connections; and the old way, by an API key and a name."""
    need_chromedriver()
    legacy = {"x-bb-api-key": platform.api_key, "session-id": session["id"]}

    class Signed(RemoteConnection):
        extra_headers = {"x-bb-signing-key": session["signingKey"]} if by == "signing key" else legacy

    config = ClientConfig(remote_server_addr=f"{gateway.origin}/webdriver", timeout=30)
    driver = webdriver.Remote(command_executor=Signed(client_config=config), options=webdriver.ChromeOptions())
    driver.get(PAGE)
    heading, devtools = driver.find_element("tag name", "h1").text, driver.caps["se:cdp"]
    driver.execute_script("window.long = arguments[0]", "x" * 300_000)
    length = driver.execute_script("return window.long.length")
    driver.quit()

    assert (heading, length) == ("the gateway", 300_000)
    assert urlsplit(devtools).netloc == gateway.netloc
    with connect(devtools) as client:
        assert "product" in asked(client, "Browser.getVersion")


def test_nobody_elses_api_key_opens_a_browser(
    platform: Platform, gateway: RunningGateway, session: dict[str, Any]
) -> None:
    """The guest asks the API about it, and the gateway passes on what it says."""
    other = platform.ports.catalog.add_project("another", concurrency=1, default_timeout=60)
    key, _ = platform.ports.catalog.add_key(other.id, name="another")

    with (
        pytest.raises(InvalidStatus) as refused,
        connect(f"ws://{gateway.netloc}/?apiKey={key}&sessionId={session['id']}"),
    ):
        pass

    assert refused.value.response.status_code == 401
    assert b"does not open this session" in (refused.value.response.body or b"")
    assert key.encode() not in (refused.value.response.body or b"")


def test_a_live_view_finds_its_files_through_the_gateway(
    platform: Platform, gateway: RunningGateway, session: dict[str, Any]
) -> None:
    """The page is sent to where its relative addresses name the session; its socket needs the token."""
    token = platform.ports.links.token(platform.ports.sessions.get(session["id"]), "watch")

    with httpx.Client(follow_redirects=True) as browser:
        page = browser.get(f"{gateway.origin}/view/index.html", params={"page": "", "signingKey": token})
        names = re.findall(r"""(?:src|href)="([\w./-]+\.(?:js|css))\"""", page.text)
        files = [browser.get(page.url.join(name)) for name in names]
        bare = browser.get(page.url.join("socket"))

    assert page.url.path == f"/sessions/{session['id']}/view/index.html"
    assert len(files) >= 2
    assert {file.status_code for file in files} == {200}
    assert bare.status_code == 401
