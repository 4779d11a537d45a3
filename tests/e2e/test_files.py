"""Files to the browser and from it, with the unmodified SDK, Playwright, and CDP as clients send it."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from browserbase import Browserbase
from playwright.sync_api import Browser, Page, Playwright

from tests.e2e.cdp import Cdp
from tests.eventually import eventually
from tests.platform import Platform, running

pytestmark = pytest.mark.browser

#: What the site serves, by its path.
FILES = {
    "/sandstorm.mp3": hashlib.shake_256(b"song").digest(10 << 20),
    "/report.pdf": b"%PDF-1.4 a report",
    "/empty.txt": b"",
    "/übersicht (1).tar.gz": b"\x1f\x8b not really",
}

PAGE = b"""<input type=file id=file multiple>
<a id=song href=/sandstorm.mp3>song</a><a id=report href=/report.pdf>report</a><a id=empty href=/empty.txt>empty</a>
<a id=archive href="/%C3%BCbersicht%20(1).tar.gz">archive</a><a id=endless href=/endless.bin>endless</a>
<a id=made download=made.txt>made</a><script>made.href = URL.createObjectURL(new Blob(['by the page']))</script>"""


class Site(http.server.BaseHTTPRequestHandler):
    """A page with links to files, and one file that never ends."""

    protocol_version = "HTTP/1.1"
    over = threading.Event()

    def do_GET(self) -> None:
        path = unquote(self.path)
        if path == "/endless.bin":
            self._endless()
            return
        body = FILES.get(path, PAGE)
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if body is PAGE else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        if body is not PAGE:
            self.send_header("Content-Disposition", "attachment")
        self.end_headers()
        self.wfile.write(body)

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"x" * 100_000)
        self.wfile.flush()
        self.over.wait(60)

    def log_message(self, *_: object) -> None:
        """Quiet: a test's output is its own."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        Site.over.set()
        server.shutdown()


class Driven:
    """A session with a client that sees the site."""

    def __init__(self, bb: Browserbase, playwright: Playwright, site: str) -> None:
        self.session = bb.sessions.create(keep_alive=True)
        self.id = self.session.id
        self.browser: Browser = playwright.chromium.connect_over_cdp(self.session.connect_url)
        self.page: Page = self.browser.contexts[0].pages[0]
        self.page.goto(site)
        self.cdp = self.browser.contexts[0].new_cdp_session(self.page)

    def collect_downloads(self) -> None:
        """As clients ask for it."""
        asked = {"behavior": "allow", "downloadPath": "downloads", "eventsEnabled": True}
        self.cdp.send("Browser.setDownloadBehavior", asked)


@pytest.fixture
def driven(bb: Browserbase, platform: Platform, playwright: Playwright, site: str) -> Iterator[Driven]:
    driven = Driven(bb, playwright, site)
    yield driven
    driven.browser.close()
    platform.release(driven.id)
    eventually(platform.settled, within=20)


def archive(bb: Browserbase, session_id: str) -> dict[str, bytes]:
    """What the zip of the session's downloads holds."""
    with zipfile.ZipFile(io.BytesIO(bb.sessions.downloads.list(session_id).read())) as downloads:
        return {name: downloads.read(name) for name in downloads.namelist()}


def listed(platform: Platform, session_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = platform.http.get("/v1/downloads", params={"sessionId": session_id, **query}).raise_for_status()
    return list(answer.json()["downloads"])


def chosen(page: Page) -> list[list[Any]]:
    """The files of the page's field: name and text of each."""
    return list(page.evaluate("Promise.all([...file.files].map(async one => [one.name, await one.text()]))"))


def test_an_uploaded_file_can_be_chosen_by_its_path(driven: Driven, bb: Browserbase, platform: Platform) -> None:
    """The SDK uploads it, the answer says where it is, and DOM.setFileInputFiles takes it from there."""
    answer = bb.sessions.uploads.create(driven.id, file=("café menu.txt", b"one of many"))
    again = platform.http.post(f"/v1/sessions/{driven.id}/uploads", files={"file": ("café menu.txt", b"a new menu")})

    document = driven.cdp.send("DOM.getDocument")["root"]["nodeId"]
    field = driven.cdp.send("DOM.querySelector", {"nodeId": document, "selector": "#file"})["nodeId"]
    driven.cdp.send("DOM.setFileInputFiles", {"nodeId": field, "files": [again.json()["path"]]})

    assert answer.message == "File uploaded successfully"
    assert again.json()["name"] == "café menu.txt"
    assert chosen(driven.page) == [["café menu.txt", "a new menu"]]


def test_playwright_sets_input_files_itself(driven: Driven, tmp_path: Path) -> None:
    """Local files go through CDP; nothing is uploaded."""
    (tmp_path / "local.txt").write_text("from here")

    driven.page.set_input_files("#file", tmp_path / "local.txt")

    assert chosen(driven.page) == [["local.txt", "from here"]]


def test_a_download_is_there_within_a_second(driven: Driven, platform: Platform) -> None:
    """Of its completion, while the session lives; a machine that is busy may need more than one try."""
    driven.collect_downloads()
    took = []

    for number in (1, 2, 3):
        with driven.page.expect_download() as started:
            driven.page.click("#report")
        assert started.value.failure() is None
        completed = time.monotonic()
        eventually(lambda number=number: len(listed(platform, driven.id)) == number)
        took.append(time.monotonic() - completed)

    assert min(took) < 1


def test_a_download_is_exact(driven: Driven, bb: Browserbase, platform: Platform) -> None:
    """To the byte, in the zip and alone, with the time in its name, and its digest."""
    driven.collect_downloads()
    with driven.page.expect_download() as started:
        driven.page.click("#song")
    failure = started.value.failure()
    eventually(lambda: listed(platform, driven.id), within=10)

    downloads = archive(bb, driven.id)
    (one,) = listed(platform, driven.id)
    raw = platform.http.get(f"/v1/downloads/{one['id']}", headers={"Accept": "application/octet-stream"})

    assert failure is None
    assert len(downloads) == 1
    assert re.fullmatch(r"sandstorm-(\d{13})+\.mp3", next(iter(downloads)))
    assert downloads[one["filename"]] == raw.content == FILES["/sandstorm.mp3"]
    assert one["checksum"] == hashlib.sha256(FILES["/sandstorm.mp3"]).hexdigest()
    assert (one["size"], one["mimeType"], one["sessionId"]) == (10 << 20, "audio/mpeg", driven.id)


def test_downloads_outlive_their_session(driven: Driven, bb: Browserbase, platform: Platform) -> None:
    """What was complete when the session ended is kept, however late that was; what was not is not."""
    driven.collect_downloads()
    for name in ("endless", "report", "empty", "archive", "made"):
        with driven.page.expect_download():
            driven.page.click(f"#{name}")

    platform.release(driven.id)
    eventually(lambda: platform.ended(driven.id), within=15)

    kept = {re.sub(r"-\d{13}", "", name): body for name, body in archive(bb, driven.id).items()}
    expected = {path.removeprefix("/"): body for path, body in FILES.items() if "sandstorm" not in path}
    assert kept == expected | {"made.txt": b"by the page"}
    assert "FILE_LOST" not in platform.events(driven.id)


def test_a_client_that_sets_nothing_gets_its_downloads_kept_too(
    driven: Driven, bb: Browserbase, platform: Platform
) -> None:
    """Also after one that had set a path of its own has left, as Playwright does: it takes its setting with it."""
    driven.browser.close()

    with Cdp.of(platform.retrieve(driven.id)) as cdp:
        (page,) = cdp.targets("page")
        session = cdp.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for name in ("report", "made"):
            click = f"document.getElementById('{name}').click()"
            cdp.call("Runtime.evaluate", session, expression=click, userGesture=True)
            eventually(lambda name=name: any(name in one["filename"] for one in listed(platform, driven.id)))

    assert sorted(archive(bb, driven.id).values()) == sorted([FILES["/report.pdf"], b"by the page"])


def test_playwright_has_its_own_downloads(driven: Driven, platform: Platform) -> None:
    """It sets a path of its own: its file is complete there, and is none of the session's."""
    with driven.page.expect_download() as started:
        driven.page.click("#report")

    assert started.value.failure() is None
    assert Path(started.value.path()).read_bytes() == FILES["/report.pdf"]
    assert listed(platform, driven.id) == []


def test_the_same_name_again_is_another_download(driven: Driven, bb: Browserbase, platform: Platform) -> None:
    """Chrome writes over its file; each download is kept, under a name with another time."""
    driven.collect_downloads()
    for _ in range(3):
        with driven.page.expect_download() as started:
            driven.page.click("#report")
        assert started.value.failure() is None
    eventually(lambda: len(listed(platform, driven.id)) == 3)

    assert list(archive(bb, driven.id).values()) == [FILES["/report.pdf"]] * 3


def test_deleted_downloads_are_gone(driven: Driven, bb: Browserbase, platform: Platform) -> None:
    """DELETE takes records and bytes; what is downloaded later is kept again."""
    driven.collect_downloads()
    with driven.page.expect_download():
        driven.page.click("#report")
    eventually(lambda: listed(platform, driven.id))

    deleted = platform.http.delete(f"/v1/sessions/{driven.id}/downloads")

    assert deleted.status_code == 204
    assert archive(bb, driven.id) == {}
    assert not list(platform.ports.blobs.names(f"downloads/{driven.id}/"))
    with driven.page.expect_download():
        driven.page.click("#made")
    eventually(lambda: [one["size"] for one in listed(platform, driven.id)] == [len(b"by the page")])


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """An instance with little room for files."""
    limits = {"upload_limit": 1000, "upload_count": 2, "download_limit": 1000, "download_count": 2}
    with running(tmp_path_factory.mktemp("narrow"), **limits) as platform:
        yield platform


def test_beyond_a_limit_files_are_refused_or_lost_with_a_word(
    narrow: Platform, playwright: Playwright, site: str
) -> None:
    """An upload is answered with the limit; of a download the history has it, and the session goes on."""
    with Browserbase(base_url=narrow.url, api_key=narrow.api_key, max_retries=0) as bb:
        driven = Driven(bb, playwright, site)
        uploads = f"/v1/sessions/{driven.id}/uploads"
        sizes = {"a": 1000, "b": 1, "c": 1, "d": 1001}
        answers = [narrow.http.post(uploads, files={"file": (name, b"x" * size)}) for name, size in sizes.items()]
        driven.collect_downloads()
        for name in ("song", "report", "made", "empty"):
            with driven.page.expect_download() as started:
                driven.page.click(f"#{name}")
            assert started.value.failure() is None
        eventually(lambda: narrow.events(driven.id).count("FILE_LOST") == 2)
        driven.browser.close()
        narrow.release(driven.id)
        eventually(lambda: narrow.ended(driven.id), within=10)

    assert [answer.status_code for answer in answers] == [200, 200, 413, 413]
    assert "a session may have 2 uploaded files" in answers[2].json()["message"]
    assert "must be at most 1000 bytes" in answers[3].json()["message"]
    lost = [entry["detail"] for entry in narrow.history(driven.id) if entry["event"] == "FILE_LOST"]
    assert "download sandstorm.mp3: a download is kept up to 1000 bytes" in lost[0]
    assert "2 downloads of a session are kept" in lost[1]
    assert sorted(one["size"] for one in listed(narrow, driven.id)) == [11, 17]


def test_nothing_of_a_sessions_files_is_left_on_its_machine(driven: Driven, platform: Platform) -> None:
    """Uploads, downloads, and what was on its way are in the session's directory, which goes with it."""
    path = platform.http.post(f"/v1/sessions/{driven.id}/uploads", files={"file": ("a", b"x")}).json()["path"]
    driven.collect_downloads()
    with driven.page.expect_download():
        driven.page.click("#report")
    assert Path(path).read_bytes() == b"x"
    assert Path(path).is_relative_to(platform.run_dir)

    platform.release(driven.id)
    eventually(lambda: platform.ended(driven.id), within=15)

    eventually(lambda: not list(platform.run_dir.glob(f"{driven.id[:8]}*")))
