"""Everything that a real Chrome connects to goes through its egress, whoever in it connects, and however."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from browserbase import Browserbase
from playwright.sync_api import Browser, Page, Playwright
from playwright.sync_api import Error as PlaywrightError

from tests.characters import sites
from tests.characters.sites import Site
from tests.e2e.cdp import Cdp
from tests.eventually import eventually
from tests.platform import CHROMES, Platform
from tests.zips import extension

Create = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.browser

METADATA = "http://169.254.169.254/latest/meta-data/"

#: What a service has that sessions are not to reach.
REACHED = "secret of another service"


#: What Chrome would ask a server of its maker about.
FORM = """<form method="post"><input name="email" autocomplete="email"><input type="password" name="password">
<input name="address" autocomplete="street-address"><input name="card" autocomplete="cc-number"><button>go</button>
</form>"""


@pytest.fixture
def site() -> Iterator[Site]:
    with sites.running() as site:
        yield site


@pytest.fixture
def closed() -> Iterator[Site]:
    """A site that the tests' sessions are not to reach."""
    with sites.running({"/": ("text/html", REACHED), "/file": ("application/octet-stream", REACHED)}) as site:
        yield site


@pytest.fixture
def opened(playwright: Playwright, create: Create) -> Iterator[Callable[..., tuple[dict[str, Any], Page]]]:
    """Creates a session, and returns it and its page."""
    with ExitStack() as undo:

        def opened(**body: Any) -> tuple[dict[str, Any], Page]:
            session = create(**body)
            browser: Browser = playwright.chromium.connect_over_cdp(session["connectUrl"])
            undo.callback(browser.close)
            return session, browser.contexts[0].pages[0]

        yield opened


Opened = Callable[..., tuple[dict[str, Any], Page]]


def refusals(platform: Platform, session: dict[str, Any]) -> list[str]:
    return [entry["detail"] for entry in platform.history(session["id"]) if entry["event"] == "EGRESS_REFUSED"]


def test_a_refusal_is_a_page_a_line_of_the_history_and_told_once(platform: Platform, opened: Opened) -> None:
    """Readable where the request is plain HTTP; a connection that fails where it is TLS. No query is repeated."""
    session, page = opened()

    answers = [page.goto(f"{METADATA}?token=hidden") for _ in range(2)]
    text = page.inner_text("body")
    with pytest.raises(PlaywrightError, match="ERR_SOCKS_CONNECTION_FAILED"):
        page.goto("https://169.254.170.2/")

    assert [answer.status for answer in answers if answer] == [403, 403]
    assert "169.254.169.254 is a link-local address" in text
    eventually(lambda: len(refusals(platform, session)) == 2)
    assert ["169.254.169.254" in why for why in refusals(platform, session)] == [True, False]
    assert "hidden" not in json.dumps(platform.history(session["id"])) + text


def test_ports_of_wallcrawler_are_closed_and_the_sessions_own_is_open(
    platform: Platform, opened: Opened, create: Create
) -> None:
    """The API, another session's port, egress and DevTools, by any name; what is open is its own connect URL."""
    other = create()
    session, page = opened()
    own, others = (one["connectUrl"].split("/?")[0].removeprefix("ws://") for one in (session, other))
    ports = [mark.name for mark in platform.run_dir.glob("*/ports/*")]
    places = [f"{host}:{port}" for port in ports for host in ("127.0.0.1", "localhost")]

    statuses = {place: status(page, f"http://{place}/json/version") for place in places if place != own}
    api = status(page, f"{platform.url}/healthz")
    driven = page.evaluate(
        """url => new Promise(done => {
            const socket = new WebSocket(url)
            socket.onopen = () => done(true)
            socket.onerror = () => done(false)
        })""",
        session["connectUrl"],
    )

    assert len(ports) == 6
    assert others in statuses
    assert set(statuses.values()) | {api} == {403}
    assert driven


def status(page: Page, url: str) -> int:
    answer = page.goto(url)
    assert answer is not None
    return answer.status


def test_chrome_itself_asks_for_nothing(platform: Platform, opened: Opened, site: Site) -> None:
    """Neither in the first seconds of a session, in which it once asked for the time, components and accounts, nor for
    a page with a form. The one refusal in the history, which has them in their order, is that of a page."""
    site.pages["/form"] = ("text/html", FORM)
    session, page = opened(egress={"deny": ["*"], "allow": [f"127.0.0.1:{site.port}"]})

    pause(page, seconds=3)
    page.goto(f"{site.url}/form")
    pause(page, seconds=2)
    page.goto("http://refused.example/")

    eventually(lambda: refusals(platform, session))
    (why,) = refusals(platform, session)
    assert "refused.example" in why


def pause(page: Page, *, seconds: float) -> None:
    """Have the page do nothing for so long."""
    page.evaluate("seconds => new Promise(done => setTimeout(done, seconds * 1000))", seconds)


def test_it_holds_for_every_road_out_of_a_page(platform: Platform, opened: Opened, site: Site, closed: Site) -> None:
    """Redirects, frames, fetch, WebSockets, workers, service workers, beacons, images and downloads."""
    target = closed.url
    site.pages |= {
        "/redirect": (302, f"{target}/"),
        "/worker.js": (
            "text/javascript",
            f"fetch('{target}/worker', {{mode: 'no-cors'}}).finally(() => postMessage(1))",
        ),
        "/service.js": (
            "text/javascript",
            f"onmessage = told => fetch('{target}/service', {{mode: 'no-cors'}})"
            ".finally(() => told.source.postMessage(1))",
        ),
    }
    session, page = opened(egress={"deny": [f"127.0.0.1:{closed.port}"]})
    redirected = status(page, f"{site.url}/redirect")
    page.goto(site.url)
    page.evaluate(
        """async target => {
            const quietly = promise => promise.catch(() => null)
            await quietly(fetch(`${target}/fetch`, {mode: 'no-cors'}))
            await quietly(fetch(`${target}/post`, {mode: 'no-cors', method: 'POST', body: 'x'}))
            await new Promise(done => { new Image().src = `${target}/image`; setTimeout(done, 200) })
            navigator.sendBeacon(`${target}/beacon`, 'x')
            await new Promise(done => {
                const socket = new WebSocket(target.replace('http', 'ws'))
                socket.onclose = socket.onerror = socket.onopen = done
            })
            await new Promise(done => { new Worker('/worker.js').onmessage = done })
            await navigator.serviceWorker.register('/service.js')
            const ready = await navigator.serviceWorker.ready
            await new Promise(done => { navigator.serviceWorker.onmessage = done; ready.active.postMessage(1) })
            const frame = document.createElement('iframe')
            frame.src = `${target}/frame`
            await new Promise(done => { frame.onload = done; document.body.append(frame) })
        }""",
        target,
    )
    page.evaluate(
        "target => { const a = document.createElement('a'); a.href = target; a.download = ''; a.click() }",
        f"{target}/file",
    )

    assert redirected == 403
    eventually(lambda: len(refusals(platform, session)) == 1)
    assert closed.asked == []
    assert f"egress.deny (127.0.0.1:{closed.port})" in refusals(platform, session)[0]


def test_an_extension_is_held_to_it_too(bb: Browserbase, opened: Opened, closed: Site, create: Create) -> None:
    """Its service worker fetches what the session may fetch."""
    uploaded = bb.extensions.create(file=("marker.zip", extension())).id
    session = create(extensionId=uploaded, egress={"deny": [f"127.0.0.1:{closed.port}"]})

    with Cdp.of(session) as cdp:
        (worker,) = cdp.targets("service_worker")
        fetched = cdp.value(
            cdp.attached(worker), f"fetch('{closed.url}/').then(answer => answer.status, () => 'failed')"
        )

    assert fetched in {403, "failed"}
    assert closed.asked == []


@pytest.mark.parametrize("proxy", ["direct://", "http://127.0.0.1:{port}", "socks5://127.0.0.1:{port}"])
def test_a_clients_own_proxy_leads_nowhere(opened: Opened, create: Create, closed: Site, proxy: str) -> None:
    """A browser context may name one, or none at all: Chrome itself connects to its egress alone."""
    session = create(egress={"deny": [f"127.0.0.1:{closed.port}"]})

    with Cdp.of(session) as cdp:
        context = cdp.call("Target.createBrowserContext", proxyServer=proxy.format(port=closed.port))
        page = cdp.call("Target.createTarget", url="about:blank", browserContextId=context["browserContextId"])
        attached = cdp.attached(page)
        outcome = cdp.call("Page.navigate", attached, url=f"{closed.url}/")

    assert outcome["errorText"] in {"net::ERR_NAME_NOT_RESOLVED", "net::ERR_PROXY_CONNECTION_FAILED"}
    assert closed.asked == []


def test_webrtc_sends_nothing_past_it(opened: Opened, playwright: Playwright, site: Site) -> None:
    """A STUN server hears from a bare Chrome, and nothing from a session's."""
    heard = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stun:
        stun.bind(("127.0.0.1", 0))
        stun.settimeout(3)
        gather = f"""() => new Promise(done => {{
            const peer = new RTCPeerConnection({{iceServers: [{{urls: 'stun:127.0.0.1:{stun.getsockname()[1]}'}}]}})
            const found = []
            peer.createDataChannel('x')
            peer.onicecandidate = told => told.candidate ? found.push(told.candidate.candidate) : done(found)
            peer.createOffer().then(offer => peer.setLocalDescription(offer))
            setTimeout(() => done(found), 3000)
        }})"""
        bare = playwright.chromium.launch(executable_path=chrome(), args=["--headless=new", "--no-sandbox"])
        try:
            plain = bare.new_page()
            plain.goto(site.url)
            plain.evaluate(gather)
            heard["bare"] = said(stun)
        finally:
            bare.close()
        while said(stun):
            pass
        _, page = opened()
        page.goto(site.url)
        candidates = page.evaluate(gather)
        heard["session"] = said(stun)

    assert heard == {"bare": True, "session": False}
    assert not any(" udp " in candidate.lower() for candidate in candidates)


def said(stun: socket.socket) -> bool:
    try:
        return bool(stun.recv(1500))
    except TimeoutError:
        return False


def chrome() -> str:
    return next(found for name in CHROMES if (found := shutil.which(name)))


def test_a_session_may_be_narrower_than_the_servers_settings(opened: Opened, site: Site) -> None:
    """Without private ranges but for one place; what it allows is open, what it does not is not."""
    with sites.running() as other:
        _, page = opened(egress={"allowPrivate": False, "allow": [f"127.0.0.1:{site.port}"]})

        assert status(page, site.url) == 200
        assert status(page, other.url) == 403
    assert not other.asked
