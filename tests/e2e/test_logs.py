"""A session's log, with the unmodified SDK: what pages said, loaded and answered, and nothing that must not be kept."""

from __future__ import annotations

import http.server
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browserbase import Browserbase
from browserbase.types.sessions.session_log import SessionLog
from playwright.sync_api import Playwright
from websockets.sync.client import connect

from tests.e2e.cdp import Cdp
from tests.e2e.test_guest import guest_of
from tests.eventually import eventually
from tests.platform import Platform

pytestmark = pytest.mark.browser

PAGE = """<title>A site</title><script>
console.log('it said', {answer: 42});
fetch('/api?token=s3cret-in-query&page=1', {
    method: 'POST',
    body: 's3cret-in-body',
    headers: {Authorization: 'Bearer s3cret-in-header', 'X-Api-Key': 's3cret-key'},
});
setTimeout(() => { throw new Error('it broke') });
</script>"""

WORKER = "onmessage = message => fetch(message.data); postMessage('it ran')"


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        bodies = {"/": PAGE, "/worker.js": WORKER, "/early": "<script>document.title = window.early</script>"}
        body = bodies.get(path, "{}").encode()
        self.send_response(404 if path == "/missing" else 200)
        self.send_header("Content-Type", "text/javascript" if path == "/worker.js" else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "session=s3cret-in-cookie")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Quiet: a test's output is its own."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def session(platform: Platform) -> Iterator[dict[str, Any]]:
    session = platform.create(keepAlive=True)
    yield session
    platform.release(session["id"])
    eventually(platform.settled, within=10)


def params(entry: SessionLog) -> dict[str, Any]:
    assert entry.request is not None
    return dict(entry.request.params)


def requested(log: list[SessionLog]) -> list[tuple[int, str]]:
    """Page and URL of every request, in order."""
    sent = [entry for entry in log if entry.method == "Network.requestWillBeSent"]
    return [(entry.page_id, params(entry)["request"]["url"]) for entry in sent]


def in_log(bb: Browserbase, session: dict[str, Any], request: tuple[int, str], ask: Callable[[], object]) -> None:
    """Ask for a request until it is in the log: what a target does in its first moments may be missed."""

    def logged() -> bool:
        ask()
        return request in requested(bb.sessions.logs.list(session["id"]))

    eventually(logged)


def test_a_log_has_what_the_pages_did(
    bb: Browserbase, session: dict[str, Any], site: str, playwright: Playwright
) -> None:
    """Console, exceptions, requests, answers and navigations, of a popup and a worker too; while the session lives."""
    context = playwright.chromium.connect_over_cdp(session["connectUrl"]).contexts[0]
    page = context.pages[0]
    page.goto(site)
    page.evaluate("fetch('/missing')")
    with context.expect_page() as popup:
        page.evaluate("window.open('/popup')")
    with page.expect_worker() as worker:
        page.evaluate("window.worker = new Worker('/worker.js')")
    in_log(bb, session, (1, f"{site}/asked-of-popup"), lambda: popup.value.evaluate("fetch('/asked-of-popup')"))
    in_log(bb, session, (0, f"{site}/asked-of-worker"), lambda: worker.value.evaluate("fetch('/asked-of-worker')"))
    popup.value.goto(f"{site}/in-popup")

    log = bb.sessions.logs.list(session["id"])

    said = [params(entry) for entry in log if entry.method == "Runtime.consoleAPICalled" and entry.page_id == 0]
    assert [argument.get("value") for argument in said[0]["args"]] == ["it said", None]
    assert "42" in str(said[0]["args"][1]["preview"])
    (broke,) = [params(entry) for entry in log if entry.method == "Runtime.exceptionThrown"]
    assert "it broke" in broke["exceptionDetails"]["exception"]["description"]
    assert {(0, f"{site}/"), (0, f"{site}/missing"), (1, f"{site}/in-popup")} <= set(requested(log))
    answers = [params(entry)["response"] for entry in log if entry.method == "Network.responseReceived"]
    assert {(f"{site}/", 200), (f"{site}/missing", 404)} <= {(answer["url"], answer["status"]) for answer in answers}
    arrived = [params(entry)["frame"]["url"] for entry in log if entry.method == "Page.frameNavigated"]
    assert {f"{site}/", f"{site}/in-popup"} <= set(arrived)
    assert [entry.timestamp for entry in log] == sorted(entry.timestamp or 0 for entry in log)
    assert {entry.session_id for entry in log} == {session["id"]}


def test_a_log_holds_no_secret_and_no_body(
    platform: Platform, bb: Browserbase, session: dict[str, Any], site: str, playwright: Playwright
) -> None:
    """In no entry, and in nothing that is stored: values are masked before they leave the guest."""
    page = playwright.chromium.connect_over_cdp(session["connectUrl"]).contexts[0].pages[0]
    page.goto(site)
    page.goto(f"{site}/again")
    platform.release(session["id"])

    answer = platform.http.get(f"/v1/sessions/{session['id']}/logs")

    assert f"{site}/api?token=***&page=1" in answer.text
    assert '"Authorization":"***"' in answer.text
    assert "s3cret" not in answer.text


def test_the_last_thing_that_happened_is_in_the_log_of_an_ended_session(
    platform: Platform, bb: Browserbase, session: dict[str, Any], site: str
) -> None:
    """A log is whole when its session has ended, in one compressed blob for one that was quiet."""
    with Cdp.of(session) as client:
        of = client.attached(client.targets("page")[0])
        client.call("Page.navigate", of, url=f"{site}/last")
        platform.release(session["id"])
    eventually(lambda: platform.ended(session["id"]))

    log = bb.sessions.logs.list(session["id"])

    assert (0, f"{site}/last") in requested(log)
    assert list(platform.ports.blobs.names(f"logs/{session['id']}/")) == [f"logs/{session['id']}/1.jsonl.zst"]


def test_clients_get_their_own_events_and_no_others(session: dict[str, Any], site: str) -> None:
    """What the observer has enabled is not enabled for a client, and bodies are there for who asks for them."""
    told = []
    with connect(session["connectUrl"]) as socket:

        def ask(number: int, method: str, of: str = "", **params: Any) -> dict[str, Any]:
            to = {"sessionId": of} if of else {}
            socket.send(json.dumps({"id": number, "method": method, "params": params, **to}))
            return dict(heard(lambda message: message.get("id") == number)["result"])

        def heard(wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
            while not wanted(message := json.loads(socket.recv(timeout=20))):
                told.append(message.get("method", ""))
            return dict(message)

        (page,) = [one for one in ask(1, "Target.getTargets")["targetInfos"] if one["type"] == "page"]
        of = ask(2, "Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        ask(3, "Network.enable", of)
        ask(4, "Page.navigate", of, url=site)
        loaded = heard(lambda message: message.get("method") == "Network.loadingFinished")
        body = ask(5, "Network.getResponseBody", of, requestId=loaded["params"]["requestId"])["body"]

    assert {method.partition(".")[0] for method in told} == {"Target", "Network"}
    assert body == PAGE


def test_nothing_waits_for_the_observer(bb: Browserbase, session: dict[str, Any], site: str) -> None:
    """Popups, workers and frames of other sites run at once for a client that holds none of them, and are logged."""
    elsewhere = site.replace("127.0.0.1", "localhost")
    with Cdp.of(session) as client:
        of = client.attached(client.targets("page")[0])
        client.call("Page.navigate", of, url=f"{site}/quiet")
        client.call("Runtime.evaluate", of, expression=f"open('{site}/popup')", userGesture=True)
        frame = f"frame = document.createElement('iframe'), frame.src = '{elsewhere}/frame'"
        loaded = f"new Promise(done => {{ {frame}, frame.onload = () => done('loaded'), document.body.append(frame) }})"
        started = "worker = new Worker('/worker.js'), worker.onmessage = message => done(message.data)"
        ran = f"new Promise(done => {{ {started} }})"
        fetched = "worker.postMessage('/from-worker')"

        assert client.value(of, loaded) == "loaded"
        assert client.value(of, ran) == "it ran"
        in_log(bb, session, (0, f"{site}/from-worker"), lambda: client.value(of, fetched))

    urls = str(bb.sessions.logs.list(session["id"]))
    assert f"{site}/popup" in urls
    assert f"{elsewhere}/frame" in urls


def test_what_a_client_holds_is_held(session: dict[str, Any], site: str, playwright: Playwright) -> None:
    """Playwright has its scripts in a popup before the popup's own run, for which it has it wait."""
    context = playwright.chromium.connect_over_cdp(session["connectUrl"]).contexts[0]
    page = context.pages[0]
    context.add_init_script("window.early = 'early'")
    page.goto(f"{site}/quiet")

    titles = []
    for _ in range(5):
        with context.expect_page() as popup:
            page.evaluate("window.open('/early')")
        popup.value.wait_for_load_state()
        titles.append(popup.value.title())

    assert titles == ["early"] * 5


def test_a_session_that_is_not_to_be_logged_leaves_nothing(
    platform: Platform, bb: Browserbase, site: str, playwright: Playwright
) -> None:
    """`logSession: false`: an empty log while it lives and after, no blob, and nothing said of it as not applied."""
    answer = platform.http.post("/v1/sessions", json={"browserSettings": {"logSession": False}})
    session = answer.json()
    browser = playwright.chromium.connect_over_cdp(session["connectUrl"])
    browser.contexts[0].pages[0].goto(site)

    while_it_lives = bb.sessions.logs.list(session["id"])
    platform.release(session["id"])

    assert while_it_lives == bb.sessions.logs.list(session["id"]) == []
    assert list(platform.ports.blobs.names(f"logs/{session['id']}/")) == []
    assert "x-wallcrawler-not-applied" not in answer.headers


def test_a_guest_that_is_killed_leaves_what_was_put_away(
    platform: Platform, bb: Browserbase, session: dict[str, Any], site: str
) -> None:
    """A read of the log puts it away; so do a few seconds."""
    with Cdp.of(session) as client:
        client.call("Target.createTarget", url=f"{site}/before")
        eventually(lambda: f"{site}/before" in str(bb.sessions.logs.list(session["id"])))

    os.kill(guest_of(platform, session["id"]).pid, signal.SIGKILL)
    eventually(lambda: platform.ended(session["id"]), within=10)

    assert f"{site}/before" in str(bb.sessions.logs.list(session["id"]))


def test_a_page_that_floods_its_console_starves_nobody(
    bb: Browserbase, session: dict[str, Any], playwright: Playwright
) -> None:
    """It is muted for a while, the log says so, and clients' commands are answered as before."""
    with Cdp.of(session) as client:
        of = client.attached(client.targets("page")[0])
        client.call("Runtime.evaluate", of, expression="for (let i = 0; i < 20000; i++) console.log(i)")
        client.call("Browser.getVersion")
        eventually(lambda: "consoleMuted" in str(bb.sessions.logs.list(session["id"])), within=10)

    methods = Counter(entry.method for entry in bb.sessions.logs.list(session["id"]))

    assert methods["Runtime.consoleAPICalled"] <= 3000


def test_a_burst_is_in_the_log_as_a_whole(
    bb: Browserbase, session: dict[str, Any], site: str, playwright: Playwright
) -> None:
    """Megabytes at once, which the API takes more slowly than a page writes them: none is missing, and none is said to
    be."""
    page = playwright.chromium.connect_over_cdp(session["connectUrl"]).contexts[0].pages[0]
    page.goto(f"{site}/quiet")

    page.evaluate("for (let i = 0; i < 900; i++) console.log('x'.repeat(6000), i)")
    eventually(lambda: said_last(bb.sessions.logs.list(session["id"])) == 899, within=20)

    log = bb.sessions.logs.list(session["id"])
    said = [params(entry)["args"][1]["value"] for entry in log if entry.method == "Runtime.consoleAPICalled"]
    assert said == list(range(900))
    assert "Wallcrawler.entriesDropped" not in {entry.method for entry in log}


def said_last(log: list[SessionLog]) -> object:
    said = [params(entry)["args"][-1].get("value") for entry in log if entry.method == "Runtime.consoleAPICalled"]
    return said[-1] if said else None


def test_a_session_has_no_recording(bb: Browserbase, session: dict[str, Any]) -> None:
    """The SDK reads the empty lists."""
    with pytest.deprecated_call():
        assert bb.sessions.recording.retrieve(session["id"]) == []
    assert bb.sessions.replays.retrieve(session["id"]).page_count == 0
