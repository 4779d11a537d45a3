"""A session with a page that shows what is done to it, and a browser of the person who looks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright

from tests.e2e.liveview.sights import PAGE
from tests.eventually import eventually
from tests.platform import CHROMES, Platform


@pytest.fixture(scope="module")
def own(playwright: Playwright) -> Iterator[Browser]:
    """The browser of the person who looks."""
    chrome = os.environ.get("WALLCRAWLER_CHROME") or next(filter(None, map(shutil.which, CHROMES)))
    browser = playwright.chromium.launch(executable_path=chrome, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture
def session(platform: Platform) -> Iterator[dict[str, Any]]:
    session = platform.create(keepAlive=True)
    yield session
    platform.release(session["id"])
    eventually(platform.settled, within=15)


@pytest.fixture
def remote(playwright: Playwright, session: dict[str, Any]) -> Iterator[Page]:
    """The session's page, as the program that drives it has it."""
    browser = playwright.chromium.connect_over_cdp(session["connectUrl"])
    page = browser.contexts[0].pages[0]
    page.set_content(PAGE)
    yield page
    browser.close()


@pytest.fixture
def viewer(own: Browser) -> Iterator[Page]:
    context = own.new_context(viewport={"width": 900, "height": 700})
    yield context.new_page()
    context.close()
