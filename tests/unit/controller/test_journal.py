"""The journal: what is logged, what is not, and that a session pays with no more than it has to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from controller.api import Final
from controller.chunks import BACKLOG
from controller.parts import journal
from controller.parts.journal import CONSOLE, DOMAINS, LOGGED, Journal
from tests.unit.controller.observers import KeepingApi, TalkativeChrome, browser_of, guest_of, until
from wallcrawler.journal import CHUNK, ENTRY, Chunk

Story = Callable[[TalkativeChrome], Awaitable[None]]


def told(story: Story, api: KeepingApi | None = None, *, plan: dict[str, Any] | None = None) -> KeepingApi:
    """What the API has of a session in which Chrome tells this story."""
    api, chrome = api or KeepingApi(), TalkativeChrome()

    async def live() -> None:
        part = Journal(guest_of(api, plan=plan))
        await part.begin(browser_of(chrome))
        await story(chrome)
        await part.drain(browser_of(chrome))
        await part.close()

    asyncio.run(live())
    return api


def says(event: str, **params: Any) -> Story:
    async def story(chrome: TalkativeChrome) -> None:
        chrome.says(event, await chrome.opens(), **params)

    return story


def test_an_entry_is_what_the_api_takes() -> None:
    """Method, page, time and parameters, and the ids of frame and loader where there are any."""
    request = {"url": "https://a.example/?token=s3cret", "method": "POST", "headers": {}, "postData": "s3cret"}

    api = told(says("Network.requestWillBeSent", request=request, frameId="F", loaderId="L"))

    chunk = Chunk.from_wire(api.chunks[1])
    opened, sent = chunk.entries
    assert (opened["method"], opened["pageId"]) == ("Target.attachedToTarget", 0)
    assert sent["timestamp"] >= opened["timestamp"] > 1_700_000_000_000
    assert (sent["frameId"], sent["loaderId"]) == ("F", "L")
    assert sent["params"]["request"] == {"url": "https://a.example/?token=***", "method": "POST", "headers": {}}


def test_a_navigation_names_its_frame() -> None:
    """Its parameters have the ids one step further down."""
    api = told(says("Page.frameNavigated", frame={"id": "F", "loaderId": "L", "url": "https://a.example/"}))

    assert (api.entries[-1]["frameId"], api.entries[-1]["loaderId"]) == ("F", "L")


def test_a_page_that_was_somewhere_before_anybody_listened_is_said_to_be_there() -> None:
    """Once, and not where it was heard to go."""

    async def story(chrome: TalkativeChrome) -> None:
        chrome.where = "https://early.example/"
        page = await chrome.opens()
        await until(lambda: "Page.getFrameTree" in chrome.commands(page))
        chrome.says("Page.frameNavigated", page, frame={"id": "F", "loaderId": "M", "url": "https://late.example/"})

    entries = [entry for entry in told(story).entries if entry["method"] == "Page.frameNavigated"]

    assert [entry["params"]["frame"]["url"] for entry in entries] == ["https://early.example/", "https://late.example/"]
    assert [(entry["loaderId"], entry["pageId"]) for entry in entries] == [("L", 0), ("M", 0)]


def test_a_page_that_was_heard_to_go_somewhere_is_not_said_to_be_there_again() -> None:
    async def story(chrome: TalkativeChrome) -> None:
        chrome.where = "https://a.example/"
        frame = {"id": "F", "loaderId": "L", "url": chrome.where}
        chrome.upon["Runtime.enable"] = lambda page: chrome.says("Page.frameNavigated", page, frame=frame)
        await chrome.opens()

    assert told(story).methods == ["Target.attachedToTarget", "Page.frameNavigated"]


def test_nothing_is_asked_of_chrome_where_nothing_is_to_be_logged() -> None:
    """`logSession: false` costs nothing, and leaves nothing."""
    asked = []

    async def story(chrome: TalkativeChrome) -> None:
        asked.append(chrome.asked)
        chrome.says("Page.loadEventFired", await chrome.opens(), timestamp=1)

    api = told(story, plan={"journal": {"off": True}})

    assert asked == [[]]
    assert api.chunks == {}


def test_every_target_is_asked_for_what_it_can_tell() -> None:
    """A worker has no pages; Chrome keeps no bodies for us."""
    commands = {}

    async def story(chrome: TalkativeChrome) -> None:
        page = await chrome.opens()
        worker = await chrome.opens("worker", above=page)
        commands.update(page=set(chrome.commands(page)), worker=set(chrome.commands(worker)))
        bodies = next(how for method, _, how in chrome.asked if method == "Network.enable")
        assert set(bodies.values()) == {0}

    told(story)

    assert commands["page"] >= {method for method, _ in DOMAINS["page"]}
    assert "Page.enable" not in commands["worker"] >= {"Network.enable", "Runtime.enable"}


def test_what_no_reader_asked_for_is_not_logged() -> None:
    """Nor what comes from a target that is not known."""

    async def story(chrome: TalkativeChrome) -> None:
        chrome.says("Network.dataReceived", await chrome.opens(), dataLength=1)
        chrome.says("Page.loadEventFired", "another part's session", timestamp=1)

    assert told(story).methods == ["Target.attachedToTarget"]


def test_text_that_is_no_unicode_does_not_spoil_the_log() -> None:
    """Pages may write half of a surrogate pair; clients that check their strings refuse those."""
    args = [{"type": "string", "value": "half \ud800 of it"}]

    api = told(says("Runtime.consoleAPICalled", type="log", args=args, timestamp=1.0))

    assert api.entries[-1]["params"]["args"][0]["value"] == "half ? of it"


def test_an_entry_that_is_too_long_says_so() -> None:
    """Its method, page and time stay."""
    args = [{"type": "string", "value": "é" * 4000} for _ in range(50)]

    api = told(says("Runtime.consoleAPICalled", type="log", args=args, timestamp=1.0))

    assert api.entries[-1]["method"] == "Runtime.consoleAPICalled"
    assert api.entries[-1]["params"]["tooLong"] > ENTRY


def test_a_console_that_says_too_much_is_muted_and_heard_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are heard meanwhile; what Chrome repeats afterwards is not logged twice."""
    monkeypatch.setattr(journal, "EVERY", 0.01)

    async def story(chrome: TalkativeChrome) -> None:
        loud, quiet = await chrome.opens(), await chrome.opens()
        for number in range(CONSOLE + 10):
            chrome.says("Runtime.consoleAPICalled", loud, type="log", args=[], timestamp=float(number))
        chrome.says("Runtime.exceptionThrown", quiet, exceptionDetails={}, timestamp=1.0)
        chrome.says("Page.loadEventFired", loud, timestamp=1)
        await until(lambda: chrome.commands(loud).count("Runtime.enable") == 2)
        assert "Runtime.disable" in chrome.commands(loud)
        assert "Runtime.releaseObjectGroup" in chrome.commands(quiet)
        chrome.says("Runtime.consoleAPICalled", loud, type="repeated", args=[], timestamp=float(CONSOLE))
        chrome.says("Runtime.consoleAPICalled", loud, type="new", args=[], timestamp=float(CONSOLE + 100))

    api = told(story)

    said = [entry["params"]["type"] for entry in api.entries if entry["method"] == "Runtime.consoleAPICalled"]
    assert said == ["log"] * CONSOLE + ["new"]
    assert api.methods.count("Wallcrawler.consoleMuted") == 1
    assert {"Runtime.exceptionThrown", "Page.loadEventFired"} <= set(api.methods)


def test_what_was_written_is_put_away_while_the_session_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that is killed takes only its last seconds with it."""
    monkeypatch.setattr(journal, "EVERY", 0.01)
    api = KeepingApi()

    async def story(chrome: TalkativeChrome) -> None:
        await chrome.opens()
        await until(lambda: api.chunks)

    told(story, api)

    assert api.methods == ["Target.attachedToTarget"]


class LateApi(KeepingApi):
    """Takes what it is sent only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.let = asyncio.Event()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        self.asked.set()
        await self.let.wait()
        return await super().call(method, path, body)


def test_a_burst_that_is_too_much_is_missing_where_it_is_and_counted() -> None:
    """The chunk that was on its way meanwhile is there, and so is the end of the burst."""
    api, written = LateApi(), 2 * BACKLOG * CHUNK // ENTRY

    async def story(chrome: TalkativeChrome) -> None:
        page = await chrome.opens()
        long = [{"type": "string", "value": "x" * 4000} for _ in range(15)]
        for number in range(written):
            args = [{"type": "number", "value": number}, *long]
            chrome.says("Runtime.consoleAPICalled", page, type="log", args=args, timestamp=number + 1.0)
            if not api.asked.is_set():
                await asyncio.sleep(0)
        api.let.set()

    told(story, api)

    opened, before = 1, api.methods.index("Wallcrawler.entriesDropped")
    (gap,) = [entry["params"]["count"] for entry in api.entries if entry["method"] == "Wallcrawler.entriesDropped"]
    said = [entry["params"]["args"][0]["value"] for entry in api.entries if "args" in entry["params"]]
    assert said == [*range(before - opened), *range(before - opened + gap, written)]
    assert 0 < before - opened < gap


def test_a_session_ends_though_nobody_takes_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an API that is away nor one that refuses holds it up."""
    monkeypatch.setattr(journal, "STORED_WITHIN", 0.01)
    away, refusing = KeepingApi(), KeepingApi()
    away.away = True
    refusing.refusal = Final(404, "there is no session")

    told(says("Page.loadEventFired", timestamp=1), away)
    told(says("Page.loadEventFired", timestamp=1), refusing)

    assert away.chunks == refusing.chunks == {}


def test_every_domain_that_is_logged_is_asked_for() -> None:
    """An event whose domain nobody has enabled never comes."""
    asked = {method.partition(".")[0] for method, _ in DOMAINS["page"]}

    assert {event.partition(".")[0] for event in LOGGED} == asked
