"""Clients that drive a browser, unmodified, each with what it does first: navigate, evaluate, a picture, leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright
from selenium import webdriver
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection

from tests.conformance.programs import run
from tests.eventually import eventually
from tests.platform import Platform, need_chromedriver

pytestmark = pytest.mark.browser

VIEWPORT = {"width": 1024, "height": 768}


@pytest.fixture
def session(platform: Platform) -> dict[str, Any]:
    return platform.create(browserSettings={"viewport": VIEWPORT})


def test_playwright_python(platform: Platform, page: str, session: dict[str, Any]) -> None:
    """The page that is there is used, another is opened, and closing ends the session."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(session["connectUrl"])
        context = browser.contexts[0]
        first, second = context.pages[0], context.new_page()
        first.goto(page)
        second.goto(page)
        told = first.title(), second.evaluate("1 + 2"), second.screenshot()[1:4]
        browser.close()

    assert told == ("a page", 3, b"PNG")
    eventually(lambda: platform.ended(session["id"]), within=20)
    assert platform.retrieve(session["id"])["endedReason"] == "disconnected"


def test_playwright_node(platform: Platform, page: str, session: dict[str, Any], node: Path) -> None:
    """The same from Node."""
    told = run(node, "playwright.mjs", platform, connectUrl=session["connectUrl"], page=page)

    assert told == {"pages": 2, "title": "a page", "sum": 3, "size": VIEWPORT, "png": "PNG"}
    eventually(lambda: platform.ended(session["id"]), within=20)


@pytest.mark.parametrize("leave", ["disconnect", "close"])
def test_puppeteer(platform: Platform, page: str, session: dict[str, Any], node: Path, leave: str) -> None:
    """Whether it only leaves or closes the browser: nobody is left, and the session ends."""
    told = run(node, "puppeteer.mjs", platform, connectUrl=session["connectUrl"], page=page, leave=leave)

    assert told.pop("version").startswith(("Chrome/", "HeadlessChrome/"))
    assert told == {"pages": 1, "title": "a page", "sum": 3, "png": "PNG"}
    eventually(lambda: platform.ended(session["id"]), within=20)
    assert platform.retrieve(session["id"])["endedReason"] == "disconnected"


@pytest.mark.parametrize("headers", ["signing key", "API key"])
def test_selenium(platform: Platform, page: str, session: dict[str, Any], headers: str) -> None:
    """As its documentation has it, and as the SDK's own example still does."""
    need_chromedriver()
    signed = {"x-bb-signing-key": session["signingKey"]}
    named = {"x-bb-api-key": platform.api_key, "session-id": session["id"]}

    class Connection(RemoteConnection):
        extra_headers = signed if headers == "signing key" else named

    config = ClientConfig(remote_server_addr=session["seleniumRemoteUrl"], timeout=60)
    driver = webdriver.Remote(command_executor=Connection(client_config=config), options=webdriver.ChromeOptions())
    driver.get(page)
    told = driver.title, driver.execute_script("return 1 + 2"), driver.get_screenshot_as_png()[1:4]
    product = driver.caps["browserVersion"]
    driver.quit()

    assert told == ("a page", 3, b"PNG")
    assert product.split(".")[0].isdecimal()
    eventually(lambda: platform.ended(session["id"]), within=20)
    assert platform.retrieve(session["id"])["endedReason"] == "disconnected"
