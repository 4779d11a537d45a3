"""After many sessions that use everything a session can have, this machine is as it was before.

How many is WALLCRAWLER_LEAK_SESSIONS; a leak of one thing for each session shows with a dozen, a rare one with more:

    WALLCRAWLER_LEAK_SESSIONS=300 make test ARGS=tests/chaos/test_leaks.py
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from selenium import webdriver
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection

from tests.authority import issue
from tests.characters import sites
from tests.e2e.cdp import Cdp
from tests.eventually import eventually
from tests.platform import Platform
from tests.zips import extension

pytestmark = pytest.mark.browser

SESSIONS = int(os.environ.get("WALLCRAWLER_LEAK_SESSIONS", "16"))

#: Sessions at once, and those before the first look: what is opened once, and kept, is open then.
AT_ONCE = 4
WARM_UP = 12

#: Descriptors that may come and go: of connections that clients keep for a while, and of threads that begin later.
SLACK = 8

PAGES = {"/": ("text/html", "<title>a page</title>"), "/file": ("application/octet-stream", "a download")}


def lives(platform: Platform, site: str, number: int) -> None:
    """One session with a context, an extension, a certificate, an upload, a download and two kinds of client."""
    http = platform.http
    context = made(platform, "/v1/contexts", json={})
    loaded = made(platform, "/v1/extensions", files={"file": ("marker.zip", extension())})
    trusted = made(platform, "/v1/certificates", files={"file": ("ca.pem", issue(f"ca {number}").pem)})
    session = platform.create(
        keepAlive=bool(number % 2),
        extensionId=loaded,
        proxySettings={"caCertificates": [trusted]},
        browserSettings={"context": {"id": context, "persist": True}, "blockAds": True},
    )
    path = f"/v1/sessions/{session['id']}"
    http.post(f"{path}/uploads", files={"file": ("up.txt", b"an upload")}).raise_for_status()
    if number % 3 == 0 and shutil.which("chromedriver"):
        selenium(session, site)
    with Cdp.of(session) as cdp:
        page = cdp.attached(cdp.targets("page")[0])
        cdp.call("Browser.setDownloadBehavior", behavior="allow", downloadPath="downloads", eventsEnabled=True)
        cdp.call("Page.navigate", page, url=site)
        cdp.call("Runtime.evaluate", page, expression="location.href = '/file'")
        eventually(lambda: downloads(platform, session["id"]) == 1, within=60)
    assert http.get(f"{path}/logs").status_code == 200
    platform.release(session["id"])
    eventually(lambda: platform.ended(session["id"]), within=60)
    http.delete(f"{path}/downloads").raise_for_status()
    for place in (f"/v1/extensions/{loaded}", f"/v1/certificates/{trusted}", f"/v1/contexts/{context}"):
        http.delete(place).raise_for_status()


def made(platform: Platform, path: str, **body: Any) -> str:
    return str(platform.http.post(path, **body).raise_for_status().json()["id"])


def downloads(platform: Platform, session_id: str) -> int:
    return int(platform.http.get("/v1/downloads", params={"sessionId": session_id}).json()["total"])


def selenium(session: dict[str, Any], site: str) -> None:
    """A client that quits and one that is never heard of again; a session that is not kept alive stays for it."""

    key = {"x-bb-signing-key": session["signingKey"]}

    class Signed(RemoteConnection):
        extra_headers = key

    config = ClientConfig(remote_server_addr=session["seleniumRemoteUrl"], timeout=60)
    drivers = [
        webdriver.Remote(command_executor=Signed(client_config=config), options=webdriver.ChromeOptions())
        for _ in range(2)
    ]
    drivers[0].get(site)
    drivers[0].quit()


class Machine:
    """What an instance has of this machine."""

    def __init__(self, platform: Platform) -> None:
        me = psutil.Process()
        children = me.children(recursive=True)
        self.processes = sorted(child.name() for child in children)
        self.descriptors = me.num_fds() + sum(child.num_fds() for child in children)
        self.threads = me.num_threads()
        self.folders = sorted(path.name for path in platform.run_dir.iterdir())
        self.temporary = {path.name for path in Path("/tmp").iterdir() if path.name.startswith(("chrom", ".org.chrom"))}


def blobs(platform: Platform) -> list[str]:
    """Names of what is kept beside the records, but for the sessions' own journals."""
    root = platform.instance.settings.home_dir / "blobs"
    names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    return sorted(name for name in names if not name.startswith("logs/"))


def test_many_sessions_leave_nothing(platform: Platform) -> None:
    """No process, no folder, no open descriptor, and no blob that no record speaks of."""
    with sites.running(PAGES) as site, ThreadPoolExecutor(AT_ONCE) as pool:

        def live(sessions: int) -> Machine:
            list(pool.map(lambda number: lives(platform, site.url, number), range(sessions)))
            eventually(platform.settled, within=60)
            eventually(lambda: not platform.chromes(), within=20)
            return Machine(platform)

        before = live(WARM_UP)
        after = live(SESSIONS)

    assert after.processes == before.processes
    assert after.folders == before.folders == []
    assert after.temporary <= before.temporary
    assert after.descriptors <= before.descriptors + SLACK
    assert after.threads <= before.threads + SLACK
    platform.ports.contexts.tidy()
    assert blobs(platform) == []
