"""Contexts with real browsers: what survives, what is never overwritten, and that nothing leaks."""

from __future__ import annotations

import io
import os
import signal
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import zstandard
from playwright.sync_api import Browser, Page, Playwright
from websockets.sync.client import connect

from tests.archives import an_archive
from tests.eventually import eventually
from tests.platform import Platform, running

pytestmark = pytest.mark.browser

#: Sessions in a row of the canary; more where somebody measures.
CANARIES = int(os.environ.get("WALLCRAWLER_CANARIES", "5"))

#: Seconds within which a context is usable again after the last client went: what clients wait for at most.
REUSABLE = 5.0

WORKER = b"""self.addEventListener('fetch', event => {
  if (event.request.url.endsWith('/worker')) event.respondWith(new Response('from the worker'))
})"""


class Site(BaseHTTPRequestHandler):
    """Sets a cookie of each kind, and tells which ones came back."""

    def do_GET(self) -> None:
        body, kind = b"<title>site</title>", "text/html"
        self.send_response(200)
        if self.path == "/login":
            self.send_header("Set-Cookie", "session=1; Path=/; HttpOnly")
            self.send_header("Set-Cookie", "lasting=1; Path=/; Max-Age=3600; SameSite=Lax")
        elif self.path == "/cookies":
            body = (self.headers.get("Cookie") or "none").encode()
        elif self.path == "/worker.js":
            body, kind = WORKER, "text/javascript"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """An origin that pages treat as secure, as service workers need."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def a_context(platform: Platform) -> str:
    return str(platform.http.post("/v1/contexts", json={}).raise_for_status().json()["id"])


def using(context: str, *, persist: bool = True) -> dict[str, Any]:
    return {"browserSettings": {"context": {"id": context, "persist": persist}}}


@contextmanager
def page_of(playwright: Playwright, session: dict[str, Any]) -> Iterator[Page]:
    """The page that a fresh session has, by a client that leaves at the end."""
    browser: Browser = playwright.chromium.connect_over_cdp(session["connectUrl"])
    try:
        assert len(browser.contexts[0].pages) == 1
        page = browser.contexts[0].pages[0]
        assert page.url == "about:blank"
        yield page
    finally:
        browser.close()


def ended(platform: Platform, session: dict[str, Any]) -> dict[str, Any]:
    """The session's record, when it is over."""
    eventually(lambda: platform.ended(session["id"]), within=30)
    return platform.retrieve(session["id"])


def versions(platform: Platform, context: str) -> list[dict[str, Any]]:
    return list(platform.http.get(f"/v1/contexts/{context}/versions").raise_for_status().json())


def detail_of(platform: Platform, session: dict[str, Any], event: str) -> str:
    return next(str(entry.get("detail")) for entry in platform.history(session["id"]) if entry["event"] == event)


def logged_in(platform: Platform, playwright: Playwright, site: str, context: str) -> dict[str, Any]:
    """A session that left cookies in the context."""
    session = platform.create(**using(context))
    with page_of(playwright, session) as page:
        page.goto(f"{site}/login")
    return ended(platform, session)


def cookies(platform: Platform, playwright: Playwright, site: str, **body: Any) -> str:
    """What the site is sent by a session."""
    session = platform.create(**body)
    with page_of(playwright, session) as page:
        page.goto(f"{site}/cookies")
        text = page.inner_text("body")
    ended(platform, session)
    return text


STORE = """async () => {
  localStorage.setItem('key', 'local')
  await new Promise((done, failed) => {
    const opening = indexedDB.open('db', 1)
    opening.onupgradeneeded = () => opening.result.createObjectStore('store')
    opening.onerror = failed
    opening.onsuccess = () => {
      const writing = opening.result.transaction('store', 'readwrite')
      writing.objectStore('store').put('indexed', 'key')
      writing.oncomplete = done
    }
  })
  await navigator.serviceWorker.register('/worker.js')
  await navigator.serviceWorker.ready
  await (await caches.open('cache')).put('/cached', new Response('cached'))
}"""

LOAD = """async () => {
  const indexed = await new Promise((done, failed) => {
    const opening = indexedDB.open('db', 1)
    opening.onupgradeneeded = () => done('gone')
    opening.onerror = failed
    opening.onsuccess = () => {
      const reading = opening.result.transaction('store').objectStore('store').get('key')
      reading.onsuccess = () => done(reading.result)
    }
  })
  return {
    indexed,
    local: localStorage.getItem('key'),
    worker: await (await fetch('/worker')).text(),
    cached: await (await caches.match('/cached')).text(),
  }
}"""


def test_what_a_user_left_is_there_again(platform: Platform, playwright: Playwright, site: str) -> None:
    """Cookies, those of the session too, storage, caches and the service worker; ready within five seconds."""
    context = a_context(platform)
    first = platform.create(**using(context))
    with page_of(playwright, first) as page:
        page.goto(f"{site}/login")
        page.evaluate(STORE)
    left = time.monotonic()
    ended(platform, first)
    took = time.monotonic() - left

    second = platform.create(**using(context, persist=False))
    with page_of(playwright, second) as page:
        page.goto(f"{site}/cookies")
        sent = page.inner_text("body")
        found = page.evaluate(LOAD)

    assert first["contextId"] == second["contextId"] == context
    assert sorted(sent.split("; ")) == ["lasting=1", "session=1"]
    assert found == {"indexed": "indexed", "local": "local", "worker": "from the worker", "cached": "cached"}
    assert took < REUSABLE
    assert platform.events(first["id"])[-2:] == ["CONTEXT_PERSISTED", "DRAINED"]


def test_a_session_that_does_not_persist_changes_nothing(platform: Platform, playwright: Playwright, site: str) -> None:
    """It reads, and what it does to the profile is lost with it."""
    context = a_context(platform)
    platform_session = platform.create(**using(context, persist=False))
    with page_of(playwright, platform_session) as page:
        page.goto(f"{site}/login")
    ended(platform, platform_session)

    assert versions(platform, context) == []
    assert cookies(platform, playwright, site, **using(context, persist=False)) == "none"


def test_released_closed_and_timed_out_sessions_persist_too(
    platform: Platform, playwright: Playwright, site: str
) -> None:
    """However a session ends in order, also where a client has Chrome close itself, as Puppeteer does."""
    context = a_context(platform)
    released = platform.create(**using(context), keepAlive=True)
    with page_of(playwright, released) as page:
        page.goto(f"{site}/login")
    platform.release(released["id"])
    assert ended(platform, released)["endedReason"] == "released"

    closed = platform.create(**using(context))
    with connect(closed["connectUrl"]) as client:
        client.send('{"id": 1, "method": "Browser.close"}')
        client.recv(timeout=10)
    assert ended(platform, closed)["endedReason"] == "disconnected"

    assert [version["sessionId"] for version in versions(platform, context)] == [closed["id"], released["id"]]
    sent = cookies(platform, playwright, site, **using(context, persist=False))
    assert sorted(sent.split("; ")) == ["lasting=1", "session=1"]


def test_of_two_at_once_the_later_one_waits_to_be_chosen(platform: Platform, playwright: Playwright, site: str) -> None:
    """Its version is kept, its history says so, and a rollback chooses it."""
    context = a_context(platform)
    one, two = platform.create(**using(context)), platform.create(**using(context))
    with page_of(playwright, one) as page:
        page.goto(f"{site}/cookies")
    ended(platform, one)
    with page_of(playwright, two) as page:
        page.goto(f"{site}/login")
    ended(platform, two)

    assert "was kept and is not used" in detail_of(platform, two, "CONTEXT_CONFLICT")
    assert cookies(platform, playwright, site, **using(context, persist=False)) == "none"
    platform.http.post(f"/v1/contexts/{context}/rollback", json={"version": 2}).raise_for_status()
    assert "session=1" in cookies(platform, playwright, site, **using(context, persist=False))


def test_a_crashed_browsers_profile_is_not_kept(platform: Platform, playwright: Playwright, site: str) -> None:
    """The version before it still is what the next session begins with, and the history says what was lost."""
    context = a_context(platform)
    logged_in(platform, playwright, site, context)
    session = platform.create(**using(context), keepAlive=True)
    lines = {chrome: chrome.info["cmdline"] for chrome in platform.chromes()}
    mine = [chrome for chrome, line in lines.items() if any(session["id"][:13] in part for part in line)]
    main = next(chrome for chrome in mine if not any(part.startswith("--type=") for part in lines[chrome]))
    main.send_signal(signal.SIGKILL)

    assert ended(platform, session)["endedReason"] == "browser_crashed"
    assert "the browser crashed" in detail_of(platform, session, "CONTEXT_NOT_PERSISTED")
    assert [version["version"] for version in versions(platform, context)] == [1]


def test_a_profile_that_can_not_be_had_fails_the_create(platform: Platform, playwright: Playwright, site: str) -> None:
    """502, with the reason; never an empty profile. An older version that is whole can be chosen."""
    context = a_context(platform)
    logged_in(platform, playwright, site, context)
    logged_in(platform, playwright, site, context)
    damaged = next(name for name in platform.ports.blobs.names("contexts/") if name.endswith(f"{context}/2.tar.zst"))
    platform.ports.blobs.put(damaged, io.BytesIO(b"damaged"))

    answer = platform.http.post("/v1/sessions", json=using(context))
    platform.http.post(f"/v1/contexts/{context}/rollback", json={"version": 1}).raise_for_status()

    assert (answer.status_code, answer.headers["x-should-retry"]) == (502, "false")
    assert "context_failed" in answer.json()["message"]
    failed = platform.http.get("/v1/sessions", params={"status": "ERROR"}).json()[0]
    assert (failed["endedReason"], failed["contextId"]) == ("context_failed", context)
    assert context in detail_of(platform, failed, "CRASHED")
    assert "session=1" in cookies(platform, playwright, site, **using(context, persist=False))


def test_a_profile_over_the_limit_leaves_the_old_one(tmp_path: Path, playwright: Playwright, site: str) -> None:
    """And says so, with the limit, in the history."""
    with running(tmp_path, context_limit=2000) as platform:
        context = a_context(platform)
        session = platform.create(**using(context))
        with page_of(playwright, session) as page:
            page.goto(f"{site}/login")
        ended(platform, session)

        assert "over the limit of 2000 bytes" in detail_of(platform, session, "CONTEXT_NOT_PERSISTED")
        assert versions(platform, context) == []


def test_a_profile_that_was_made_elsewhere_is_used(platform: Platform, playwright: Playwright, site: str) -> None:
    """Uploaded by its URL: what another Chrome left in its user-data-dir."""
    made = a_context(platform)
    logged_in(platform, playwright, site, made)
    blob = next(name for name in platform.ports.blobs.names("contexts/") if name.endswith(f"{made}/1.tar.zst"))
    with platform.ports.blobs.open(blob) as file:
        archive = file.read()
    another = platform.http.post("/v1/contexts", json={}).json()

    assert httpx.put(another["uploadUrl"], content=archive).status_code == 201
    assert httpx.put(another["uploadUrl"], content=an_archive()[:-20]).status_code == 400

    assert "session=1" in cookies(platform, playwright, site, **using(another["id"], persist=False))


def test_the_archive_holds_no_lock_and_no_cache(platform: Platform, playwright: Playwright, site: str) -> None:
    """Nor a link, nor the pages that were open."""
    context = a_context(platform)
    logged_in(platform, playwright, site, context)
    blob = next(name for name in platform.ports.blobs.names("contexts/") if name.endswith(f"{context}/1.tar.zst"))
    with platform.ports.blobs.open(blob) as file:
        plain = zstandard.ZstdDecompressor().stream_reader(file).read()

    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        members = tar.getmembers()

    names = {member.name for member in members}
    assert {"Default/Cookies", "Default/Preferences", "Local State"} <= names
    assert all(member.isfile() or member.isdir() for member in members)
    steps = {step for name in names for step in name.split("/")}
    assert not steps & {"Cache", "Code Cache", "GPUCache", "Sessions", "SingletonLock", "DevToolsActivePort", "LOCK"}


def test_contexts_survive_a_restart_of_the_platform(tmp_path: Path, playwright: Playwright, site: str) -> None:
    """A session that is open when it stops persists as well; the next start has it."""
    with running(tmp_path) as platform:
        context = a_context(platform)
        session = platform.create(**using(context))
        browser = playwright.chromium.connect_over_cdp(session["connectUrl"])
        browser.contexts[0].pages[0].goto(f"{site}/login")
    with running(tmp_path) as platform:
        assert platform.retrieve(session["id"])["endedReason"] == "task_stopped:platform_shutdown"
        assert "session=1" in cookies(platform, playwright, site, **using(context, persist=False))


def test_a_session_without_a_context_never_sees_anothers_cookies(
    platform: Platform, playwright: Playwright, site: str
) -> None:
    """Canary: one after the other, each leaves a login and none finds one."""
    for _ in range(CANARIES):
        session = platform.create()
        with page_of(playwright, session) as page:
            page.goto(f"{site}/cookies")
            assert page.inner_text("body") == "none"
            page.goto(f"{site}/login")
            page.goto(f"{site}/cookies")
            assert "session=1" in page.inner_text("body")
        platform.release(session["id"])

    eventually(platform.settled, within=30)
    assert not [process for process in platform.chromes() if process.status() != psutil.STATUS_ZOMBIE]
