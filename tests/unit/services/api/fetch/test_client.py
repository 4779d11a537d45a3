"""The client of fetches against a site that does what the web does: what it brings back, and where it gives up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from services.api.fetch.client import Client, Fetched, TooLarge
from services.api.fetch.network import FetchFailed, Names, Refused, TimeUp, Untrusted
from tests.unit.services.api.fetch.site import certificate, proxying, serving
from wallcrawler.egress.addresses import Address
from wallcrawler.egress.routes import Upstream

pytestmark = pytest.mark.usefixtures("loopback")

HERE = ip_address("127.0.0.1")
LIMIT = 1 << 20


class Book:
    """A resolver with these pages; each look-up turns one over, and the last stays."""

    def __init__(self, **pages: Sequence[str]) -> None:
        self._pages = {name.replace("_", "."): list(addresses) for name, addresses in pages.items()}
        self.asked: list[str] = []

    def __call__(self, name: str) -> list[Address]:
        self.asked.append(name)
        pages = self._pages.get(name)
        if not pages:
            raise OSError("no such name")
        return [ip_address(pages.pop(0) if len(pages) > 1 else pages[0])]


class Porter:
    """A door that lets nobody to these addresses and hosts, and remembers who asked."""

    def __init__(self, *shut: str) -> None:
        self.shut = shut
        self.asked: list[tuple[str, int, str]] = []

    def __call__(self, host: str, port: int, address: Address) -> str | None:
        self.asked.append((host, port, str(address)))
        return f"{host} ({address}) is shut" if str(address) in self.shut else None

    def by_name(self, host: str, port: int) -> str | None:
        return f"{host} is shut" if host in self.shut else None


@pytest.fixture
def port() -> Iterator[int]:
    with serving() as (port, _):
        yield port


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


class Fetching:
    def __init__(self, threads: ThreadPoolExecutor, *, door: Porter | None = None, book: Book | None = None) -> None:
        self.door = door or Porter()
        self.book = book or Book(site_test=["127.0.0.1"])
        self.names = Names(threads, self.book)

    def __call__(self, url: str, *, within: float = 10, **how: object) -> Fetched:
        client = Client(self.door, self.names, limit=LIMIT, within=within)
        return client.fetch(httpx.URL(url), **how)  # type: ignore[arg-type]


@pytest.fixture
def fetch(threads: ThreadPoolExecutor) -> Fetching:
    return Fetching(threads)


def test_an_answer_is_brought_back_whatever_its_status(fetch: Fetching, port: int) -> None:
    """Status, headers and body; a 404 is an answer."""
    page, missing = fetch(f"http://site.test:{port}/page"), fetch(f"http://site.test:{port}/missing")

    assert (page.status, page.body) == (200, b"<title>Hi</title><h1>Hello</h1>")
    assert ("content-type", "text/html; charset=utf-8") in page.headers
    assert (missing.status, missing.body) == (404, b"no")
    assert fetch.door.asked == [("site.test", port, "127.0.0.1")] * 2


def test_a_redirect_is_followed_where_that_is_asked_for(fetch: Fetching) -> None:
    """Otherwise the 3xx is the answer. A cookie that came on the way is sent on it."""
    with serving() as (port, site):
        stays = fetch(f"http://site.test:{port}/moved")
        goes = fetch(f"http://site.test:{port}/moved", follow=True)

    assert (stays.status, stays.body, dict(stays.headers)["location"]) == (302, b"moved", "/page")
    assert (goes.status, str(goes.url)) == (200, f"http://site.test:{port}/page")
    assert site.seen[-1][1]["cookie"] == "seen=yes"


def test_redirects_end(fetch: Fetching, port: int) -> None:
    """A loop is given up after ten."""
    with pytest.raises(FetchFailed, match="redirects more than 10 times"):
        fetch(f"http://site.test:{port}/loop", follow=True)


def test_a_redirect_whose_body_never_ends_is_followed_at_once(fetch: Fetching, port: int) -> None:
    """Nobody reads what a redirect says besides where it leads."""
    began = time.monotonic()

    assert fetch(f"http://site.test:{port}/endless", follow=True, within=20).status == 200

    assert time.monotonic() - began < 10


def test_every_redirect_is_asked_about_at_the_door(threads: ThreadPoolExecutor) -> None:
    """A site that is open leads to one that is not: nobody connects there."""
    fetch = Fetching(threads, door=Porter("127.0.0.2"), book=Book(site_test=["127.0.0.1"], inside_test=["127.0.0.2"]))
    with serving() as (port, site):
        site.elsewhere = f"http://inside.test:{port}/page"

        with pytest.raises(Refused, match=r"inside\.test \(127\.0\.0\.2\) is shut"):
            fetch(f"http://site.test:{port}/elsewhere", follow=True)

    assert [path for path, _ in site.seen] == ["/elsewhere"]


def test_a_name_that_changes_its_mind_gains_nothing(threads: ThreadPoolExecutor) -> None:
    """The address that the door was asked about is the one that is connected to (DNS rebinding)."""
    door = Porter("127.0.0.2")
    fetch = Fetching(threads, door=door, book=Book(site_test=["127.0.0.1", "127.0.0.2"]))
    with serving() as (port, site):
        first = fetch(f"http://site.test:{port}/page")
        with pytest.raises(Refused):
            fetch(f"http://site.test:{port}/page")

    assert first.status == 200
    assert door.asked == [("site.test", port, "127.0.0.1"), ("site.test", port, "127.0.0.2")]
    assert len(site.seen) == 1


@pytest.mark.parametrize(
    "there", ["file:///etc/passwd", "ftp://site.test/", "//", "http://[bad", "http://site.test:99999/"]
)
def test_a_redirect_to_what_is_no_web_page_fails(fetch: Fetching, there: str) -> None:
    """Nothing but http and https is spoken."""
    with serving() as (port, site):
        site.elsewhere = there
        with pytest.raises(FetchFailed):
            fetch(f"http://site.test:{port}/elsewhere", follow=True)
        stays = fetch(f"http://site.test:{port}/elsewhere")

    assert (stays.status, dict(stays.headers)["location"]) == (302, there)


def test_credentials_of_a_url_are_sent_to_its_own_site_alone(threads: ThreadPoolExecutor) -> None:
    """A redirect to another host carries none."""
    fetch = Fetching(threads, book=Book(site_test=["127.0.0.1"], other_test=["127.0.0.1"]))
    with serving() as (port, site):
        site.elsewhere = f"http://other.test:{port}/page"
        fetch(f"http://user:pass@site.test:{port}/elsewhere", follow=True)

    assert [headers.get("authorization") for _, headers in site.seen] == ["Basic dXNlcjpwYXNz", None]


@pytest.mark.parametrize("path", ["drip", "silent"])
def test_a_fetch_is_done_in_its_time(fetch: Fetching, port: int, path: str) -> None:
    """Also where something comes again and again, and it never ends."""
    began = time.monotonic()

    with pytest.raises(TimeUp, match=r"not done within 0\.5 s"):
        fetch(f"http://site.test:{port}/{path}", within=0.5)

    assert 0.4 < time.monotonic() - began < 5


def test_a_name_server_that_says_nothing_costs_no_more_than_the_time(threads: ThreadPoolExecutor) -> None:
    """The system's resolver has no deadline of its own."""
    said = threading.Event()

    def silent(_name: str) -> list[Address]:
        said.wait(30)
        return [HERE]

    client = Client(Porter(), Names(threads, silent), limit=LIMIT, within=0.3)
    try:
        with pytest.raises(TimeUp, match=r"nobody said in time where site\.test is"):
            client.fetch(httpx.URL("http://site.test/"))
    finally:
        said.set()


def test_a_body_is_unzipped_and_a_bomb_is_not(fetch: Fetching, port: int) -> None:
    """The limit is that of what comes out; no more than a little over it is ever unpacked."""
    assert fetch(f"http://site.test:{port}/zipped").body == b"unzipped"

    with pytest.raises(TooLarge, match=f"more than {LIMIT} bytes"):
        fetch(f"http://site.test:{port}/bomb")


@pytest.mark.parametrize(
    ("path", "why"),
    [("brotli", "content-encoding that was not asked for"), ("rude", "RemoteProtocolError")],
)
def test_what_is_not_understood_is_a_failure_with_a_reason(fetch: Fetching, port: int, path: str, why: str) -> None:
    """The text names it."""
    with pytest.raises(FetchFailed, match=why):
        fetch(f"http://site.test:{port}/{path}")


def test_names_and_ports_where_nobody_is(fetch: Fetching) -> None:
    """Each is told apart."""
    with pytest.raises(FetchFailed, match=r"the name nowhere\.test has no address"):
        fetch("http://nowhere.test/")
    with pytest.raises(FetchFailed, match=r"nothing answers at site\.test port 1$"):
        fetch("http://site.test:1/")


def test_tls_is_verified_by_name_though_an_address_is_connected_to(
    threads: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is trusted is good for its names alone; allowInsecureSsl takes any."""
    tls, file = certificate(tmp_path, "site.test")
    fetch = Fetching(threads, book=Book(site_test=["127.0.0.1"], other_test=["127.0.0.1"]))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with serving(tls=tls) as (port, _):
        right = fetch(f"https://site.test:{port}/page")
        with pytest.raises(Untrusted, match="not trusted"):
            fetch(f"https://other.test:{port}/page")
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(Untrusted, match="not trusted"):
            fetch(f"https://site.test:{port}/page")
        insecure = fetch(f"https://other.test:{port}/page", insecure=True)

    assert (right.status, insecure.status) == (200, 200)


def test_plain_http_behind_https_is_no_trusted_answer(fetch: Fetching, port: int) -> None:
    """It is not taken for one even where any certificate would do."""
    with pytest.raises(Untrusted, match="TLS failed"):
        fetch(f"https://site.test:{port}/page", insecure=True)


def test_a_proxy_is_asked_and_told_its_password(threads: ThreadPoolExecutor) -> None:
    """It resolves names that nobody here knows, and may itself be where no fetch gets to."""
    fetch = Fetching(threads, door=Porter("127.0.0.1"), book=Book())
    with proxying() as (port, asked):
        fetched = fetch("http://far.test/page?q=1", proxy=Upstream("http", "127.0.0.1", port, "us", "word"))

    assert fetched.body == b"proxied"
    assert asked == [("http://far.test/page?q=1", "us:word")]


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://metadata.test/", "http://inside.test/"])
def test_a_proxy_leads_nowhere_that_is_shut(threads: ThreadPoolExecutor, url: str) -> None:
    """By address, by name, and by where the name leads from here."""
    door = Porter("10.0.0.1", "metadata.test")
    fetch = Fetching(threads, door=door, book=Book(inside_test=["10.0.0.1"]))

    with proxying() as (port, asked), pytest.raises(Refused):
        fetch(url, proxy=Upstream("http", "127.0.0.1", port))

    assert asked == []
