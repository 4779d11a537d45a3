"""Extensions in real browsers: enabled when the session is READY, and gone when they are deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import browserbase
import pytest
from browserbase import Browserbase

from tests.e2e.cdp import Cdp
from tests.eventually import eventually
from tests.platform import Platform
from tests.zips import MARKER, extension, zipped

Create = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.browser

#: A public key, of which Chrome makes an extension's id.
KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzoiZ0BAXY86v5vwappKbqrtFveyfvkKgle1ygpmYf64sG0heVTPytc0p"
    "1cChV8emrWAazy5GmArcx9OseWUoy79iyZuAa73BCGVI015XITdoser5GhXflcUQiko7hP45b+KFJBeyLvOwC+1/0XNW0m2m4Wds"
    "7iy+7oYozYEPpEnBjpmYBEx2PicAXhSR1yBDvUY951UhI3HFvZuinEj2hz3R1DUC/WLesK8AKZHGyeaPP3IDetnrZuGJUmJvQI1F"
    "VYF1UTnWtrpzVSba0Ztc4tRtnaTY1XojFkZv6HE1A1WdoBH7rQgGWiwA2trF7leRylnva/5+QZPT3N45xhn4iwIDAQAB"
)


@pytest.fixture
def uploaded(bb: Browserbase) -> str:
    return bb.extensions.create(file=("marker.zip", extension())).id


def test_an_extension_is_enabled_when_the_create_answers_and_works_on_pages(
    platform: Platform, uploaded: str, create: Create
) -> None:
    """As Stagehand looks for it: listed once, enabled, with its service worker; and its script ran on a page."""
    session = create(extensionId=uploaded)

    with Cdp.of(session) as cdp:
        listed = cdp.call("Extensions.getExtensions")["extensions"]
        (worker,) = cdp.targets("service_worker")
        page = cdp.attached(cdp.targets("page")[0])
        cdp.call("Page.navigate", page, url=f"{platform.url}/healthz")
        eventually(lambda: cdp.value(page, "document.documentElement.dataset.marked") == "yes", within=10)
        worker_of(cdp)

    assert [(one["name"], one["enabled"]) for one in listed] == [("Marker", True)]
    assert worker["url"] == f"chrome-extension://{listed[0]['id']}/service-worker.js"


def test_browser_settings_name_one_as_well_and_two_are_both_loaded(
    bb: Browserbase, uploaded: str, create: Create
) -> None:
    """At either place; where the places name two, the session has two."""
    other = bb.extensions.create(file=extension(name="Other"))
    session = create(extensionId=other.id, browserSettings={"extensionId": uploaded})

    with Cdp.of(session) as cdp:
        listed = cdp.call("Extensions.getExtensions")["extensions"]

    assert {one["name"] for one in listed if one["enabled"]} == {"Marker", "Other"}


def test_a_session_keeps_what_is_deleted_under_it(bb: Browserbase, uploaded: str, create: Create) -> None:
    """Stagehand deletes its extension while others may still have it; the next create says that it is gone."""
    session = create(browserSettings={"extensionId": uploaded})

    bb.extensions.delete(uploaded)

    with Cdp.of(session) as cdp:
        assert [one["name"] for one in cdp.call("Extensions.getExtensions")["extensions"]] == ["Marker"]
    with pytest.raises(browserbase.NotFoundError):
        bb.extensions.retrieve(uploaded)
    with pytest.raises(browserbase.BadRequestError, match=f"body/extensionId .*{uploaded}"):
        bb.sessions.create(extension_id=uploaded)


def test_what_chrome_refuses_fails_the_create_in_chromes_words(platform: Platform, bb: Browserbase) -> None:
    """The answer and the record name the extension and its fault, and the browser does not stay."""
    broken = bb.extensions.create(file=extension(background={"service_worker": "missing.js"}))

    answer = platform.http.post("/v1/sessions", json={"extensionId": broken.id})

    assert answer.status_code == 502
    assert answer.headers["x-should-retry"] == "false"
    reason = f"launch_failed:extension {broken.id} (Marker): "
    assert reason in answer.json()["message"]
    assert "background script" in answer.json()["message"]


def test_an_id_that_the_manifest_fixes_is_the_same_in_every_session(bb: Browserbase, create: Create) -> None:
    """Without a `key` Chrome makes the id of the folder, which is another one in each session."""
    fixed = bb.extensions.create(file=extension({**MARKER, "key": KEY}))
    ids = []

    for _ in range(2):
        session = create(extensionId=fixed.id)
        with Cdp.of(session) as cdp:
            ids += [one["id"] for one in cdp.call("Extensions.getExtensions")["extensions"]]

    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_a_context_keeps_what_an_extension_stored_and_not_the_extension(
    bb: Browserbase, platform: Platform, create: Create
) -> None:
    """Under an id that its manifest fixes, and for sessions that name it again; without it nothing of it runs."""
    fixed = bb.extensions.create(file=extension({**MARKER, "key": KEY, "permissions": ["storage"]}))
    context = bb.contexts.create()
    first = create(extensionId=fixed.id, browserSettings={"context": {"id": context.id, "persist": True}})
    with Cdp.of(first) as cdp:
        cdp.value(worker_of(cdp), "chrome.storage.local.set({seen: 7})")
    platform.release(first["id"])
    eventually(lambda: "CONTEXT_PERSISTED" in platform.events(first["id"]), within=20)

    again = create(extensionId=fixed.id, browserSettings={"context": {"id": context.id}})
    without = create(browserSettings={"context": {"id": context.id}})

    with Cdp.of(again) as cdp:
        assert cdp.value(worker_of(cdp), "chrome.storage.local.get('seen').then(found => found.seen)") == 7
        assert len(cdp.call("Extensions.getExtensions")["extensions"]) == 1
    with Cdp.of(without) as cdp:
        assert cdp.call("Extensions.getExtensions")["extensions"] == []


def worker_of(cdp: Cdp) -> str:
    """A session with the extension's service worker, which has run its script."""
    session = cdp.attached(cdp.targets("service_worker")[0])
    eventually(lambda: cdp.value(session, "self.marker") == "awake", within=10)
    return session


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (zipped({"manifest.json": "{}", "zeros": bytes(64 << 20)}), "must not become more than 100 times as large"),
        (zipped({"manifest.json": "{}", "../../etc/cron.d/evil": "1"}), "must hold relative paths alone"),
        (zipped({"manifest.json": "{}", "/etc/passwd": "1"}), "must hold relative paths alone"),
    ],
    ids=["bomb", "traversal", "absolute"],
)
def test_an_upload_that_would_do_harm_is_refused(bb: Browserbase, packed: bytes, message: str) -> None:
    """As the SDK's own exception, with a message that says why."""
    with pytest.raises(browserbase.BadRequestError, match=f"body/file {message}"):
        bb.extensions.create(file=packed)


def test_nothing_of_an_extension_is_left_when_its_session_ended(
    platform: Platform, uploaded: str, create: Create
) -> None:
    """Neither the archive, which is gone as soon as it is unpacked, nor the folder."""
    session = create(extensionId=uploaded)
    while_alive = names(platform.run_dir)

    platform.release(session["id"])
    eventually(platform.settled, within=20)

    assert any(name.endswith(f"extensions/{uploaded}/manifest.json") for name in while_alive)
    assert not [name for name in while_alive if name.endswith(".zip")]
    assert not [name for name in names(platform.run_dir) if "extensions" in name]


def names(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*")]
