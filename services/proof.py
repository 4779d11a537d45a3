"""The proof at the end of `make up`: one real session, created, driven and released, with where its time went."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from websockets.sync.client import connect

from wallcrawler.errors import WallcrawlerError

#: Seconds for any one step.
STEP_WITHIN = 60.0

PAGE = "data:text/html,<title>Wallcrawler</title><h1>6 x 7</h1>"


class ProofFailed(WallcrawlerError):
    """The instance runs and does not do its job; the text says at which step."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the proof failed: {what}")


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the session's life: seconds from the POST to its beginning, and its length."""

    name: str
    began: float
    seconds: float


def prove(url: str, api_key: str) -> list[Step]:
    """Create, drive and release one session; the steps with their times. Raises ProofFailed."""
    api = _Api(url, api_key)
    began_at, began = time.time(), time.perf_counter()
    session = api.call("POST", "/v1/sessions", {"userMetadata": {"wallcrawler": "proof"}})
    answered = time.perf_counter() - began
    try:
        attached = _drive(session["connectUrl"], began)
    finally:
        asked = time.perf_counter() - began
        ended = api.call("POST", f"/v1/sessions/{session['id']}", {"status": "REQUEST_RELEASE"})
    gone = time.perf_counter() - began
    if ended["status"] != "COMPLETED":
        raise ProofFailed(f"the released session is {ended['status']}: {ended.get('endedReason')}")
    history = api.call("GET", f"/v1/sessions/{session['id']}/events")
    return [
        *_hops(history, began_at, answered),
        Step("connect over CDP", answered, attached - answered),
        Step("open a page, read it", attached, asked - attached),
        Step("release, until the browser is gone", asked, gone - asked),
    ]


def _hops(history: list[dict[str, Any]], began_at: float, answered: float) -> list[Step]:
    """The create's hops, from the session's own history."""
    at = {entry["event"]: datetime.fromisoformat(entry["at"]).timestamp() - began_at for entry in history}
    # The task's own event may overtake the record of its launch, which then has nothing new to tell.
    launched = min(at[event] for event in ("LAUNCHED", "LOCATED") if event in at)
    ready = max(at["LOCATED"], at["BROWSER_UP"])
    marks = [
        ("store and enqueue", 0.0, at["CREATED"]),
        ("launch the task", at["CREATED"], launched),
        ("start Chrome, have a CDP answer", launched, ready),
        ("wake the caller", ready, answered),
    ]
    # Times of the history are in whole milliseconds, so a hop may seem to end just before it began.
    return [Step(name, max(0.0, start), max(0.0, end - start)) for name, start, end in marks]


def _drive(connect_url: str, began: float) -> float:
    """Open a page in the session's browser and read it; seconds from the POST until the first CDP answer."""
    with connect(connect_url, max_size=None, open_timeout=STEP_WITHIN) as socket:
        cdp = _Cdp(socket)
        targets = cdp.call("Target.getTargets")["targetInfos"]
        attached = time.perf_counter() - began
        page = next(target for target in targets if target["type"] == "page")
        cdp.session = cdp.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        cdp.call("Page.enable")
        cdp.call("Page.navigate", url=PAGE)
        cdp.wait_for("Page.loadEventFired")
        title = cdp.call("Runtime.evaluate", expression="document.title")["result"]["value"]
        if title != "Wallcrawler":
            raise ProofFailed(f"the page's title is {title!r}")
    return attached


class _Cdp:
    """Just enough of a CDP client to ask one thing after another."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._id = 0
        self._seen: list[str] = []
        self.session: str | None = None

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        self._socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while (answer := self._next()).get("id") != self._id:
            pass
        if "error" in answer:
            raise ProofFailed(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, event: str) -> None:
        while event not in self._seen:
            self._next()

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=STEP_WITHIN))
        if "method" in message:
            self._seen.append(message["method"])
        return message


class _Api:
    """The API, as any client calls it."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url
        self._headers = {"X-BB-API-Key": api_key, "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._url + path, data, self._headers, method=method)  # noqa: S310 - our own API
        try:
            with urllib.request.urlopen(request, timeout=STEP_WITHIN) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise ProofFailed(f"{method} {path}: {refused.code} {refused.read().decode(errors='replace')}") from None
        except OSError as broken:
            raise ProofFailed(f"{method} {path}: {broken}") from None
