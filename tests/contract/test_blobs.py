"""Blobs: bytes under names, and URLs for strangers, whatever the engine."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.contract.engines import BLOBS, BlobStore
from tests.eventually import eventually
from wallcrawler.errors import Conflict, NotFound
from wallcrawler.ports import Blobs

Name = Callable[[str], str]


@pytest.fixture(params=list(BLOBS.values()), ids=list(BLOBS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    store: BlobStore = request.param(tmp_path)
    return store


@pytest.fixture
def blobs(store: BlobStore) -> Blobs:
    return store.blobs


def put(blobs: Blobs, name: str, body: bytes) -> str:
    return blobs.put(name, io.BytesIO(body))


def read(blobs: Blobs, name: str) -> bytes:
    with blobs.open(name) as body:
        return body.read()


def names(blobs: Blobs, prefix: str) -> set[str]:
    found = list(blobs.names(prefix))
    assert len(found) == len(set(found))
    return set(found)


# -- 1. put -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 10, b"\r\n\x00" * 700_000])
def test_what_is_put_is_read(blobs: Blobs, name: Name, body: bytes) -> None:
    """Byte for byte, of any length, and told by its sha256."""
    digest = put(blobs, name("a"), body)

    assert digest == hashlib.sha256(body).hexdigest()
    assert read(blobs, name("a")) == body


def test_what_is_put_again_is_replaced(blobs: Blobs, name: Name) -> None:
    """By the new bytes, also where they are fewer."""
    put(blobs, name("a"), b"the old bytes, which are many")
    put(blobs, name("a"), b"new")

    assert read(blobs, name("a")) == b"new"


class Breaks(io.RawIOBase):
    """A body that ends in the middle: the connection that it came over is lost."""

    def __init__(self, first: bytes) -> None:
        self._first = first

    def read(self, size: int = -1) -> bytes:
        first, self._first = self._first, b""
        if not first:
            raise ConnectionResetError("the connection was lost")
        return first


def test_what_is_put_once_is_never_replaced(blobs: Blobs, name: Name) -> None:
    """Unless by somebody who did not ask."""
    blobs.put(name("a"), io.BytesIO(b"first"), once=True)

    with pytest.raises(Conflict):
        blobs.put(name("a"), io.BytesIO(b"second"), once=True)

    assert read(blobs, name("a")) == b"first"
    assert names(blobs, name("a")) == {name("a")}


def test_half_a_body_is_no_body(blobs: Blobs, name: Name) -> None:
    """The old bytes are still there, and where there were none there are none."""
    put(blobs, name("old"), b"old")

    for word in ("old", "fresh"):
        with pytest.raises(ConnectionResetError):
            blobs.put(name(word), Breaks(b"x" * 100_000))  # type: ignore[arg-type]

    assert read(blobs, name("old")) == b"old"
    with pytest.raises(NotFound):
        blobs.open(name("fresh"))
    assert names(blobs, "") >= {name("old")}
    assert not any("half" in found or "fresh" in found for found in names(blobs, ""))


def test_a_reader_sees_the_old_bytes_or_the_new(blobs: Blobs, name: Name) -> None:
    """However often they are replaced while he reads."""
    bodies = [bytes([letter]) * 200_000 for letter in b"ab"]
    put(blobs, name("a"), bodies[0])
    done = threading.Event()

    def write() -> None:
        for turn in range(60):
            put(blobs, name("a"), bodies[turn % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while not done.is_set():
        assert read(blobs, name("a")) in bodies
        seen += 1
    writer.join()

    assert seen > 0


def test_who_reads_keeps_what_he_opened(blobs: Blobs, name: Name) -> None:
    """Also when it is replaced, or deleted, before he is done."""
    put(blobs, name("a"), b"old" * 100_000)

    assert blobs.size(name("a")) == 300_000
    with blobs.open(name("a")) as body:
        beginning = body.read(3)
        put(blobs, name("a"), b"new")
        blobs.delete(name("a"))
        rest = body.read()

    assert beginning + rest == b"old" * 100_000


# -- 2. open, delete, names -------------------------------------------------------------------------------------------


def test_what_is_not_there_is_not_found(blobs: Blobs, name: Name) -> None:
    """Never put, or deleted."""
    put(blobs, name("a"), b"x")
    blobs.delete(name("a"))

    for word in ("a", "never"):
        with pytest.raises(NotFound):
            blobs.open(name(word))
        with pytest.raises(NotFound):
            blobs.size(name(word))


def test_what_is_not_there_may_be_deleted(blobs: Blobs, name: Name) -> None:
    """Any number of times, and nothing else goes with it."""
    put(blobs, name("ab"), b"x")

    for word in ("a", "a", "never/was"):
        blobs.delete(name(word))

    assert read(blobs, name("ab")) == b"x"


def test_names_are_found_by_their_beginning(blobs: Blobs, name: Name) -> None:
    """Whatever the slashes in them."""
    for word in ("contexts/a/1", "contexts/a/2", "contexts/ab/1", "extensions/a"):
        put(blobs, f"{name('root')}/{word}", b"x")
    root = name("root")

    assert names(blobs, f"{root}/contexts/a/") == {f"{root}/contexts/a/1", f"{root}/contexts/a/2"}
    assert len(names(blobs, f"{root}/contexts/a")) == 3
    assert len(names(blobs, f"{root}/")) == 4
    assert names(blobs, f"{root}/nothing") == set()


def test_the_folder_of_a_blob_is_no_blob(blobs: Blobs, name: Name) -> None:
    """A name that only others begin with is not there."""
    put(blobs, f"{name('a')}/b", b"x")

    with pytest.raises(NotFound):
        blobs.open(name("a"))
    blobs.delete(name("a"))
    assert read(blobs, f"{name('a')}/b") == b"x"


def test_what_lies_below_a_blob_is_not_there(blobs: Blobs, name: Name) -> None:
    """Nor is it an error to delete it."""
    put(blobs, name("a"), b"x")

    with pytest.raises(NotFound):
        blobs.open(f"{name('a')}/b")
    blobs.delete(f"{name('a')}/b")


@pytest.mark.parametrize("word", ["with space", "ümlaut-語", "a+b&c=d", "per%cent%2F", "dots...", ".hidden", "q?x#y"])
def test_any_text_is_a_name(store: BlobStore, name: Name, word: str) -> None:
    """In the store, and in a URL."""
    put(store.blobs, name(word), b"x")

    assert read(store.blobs, name(word)) == b"x"
    assert name(word) in names(store.blobs, "")
    assert store.ask("GET", store.blobs.url(name(word), method="GET", seconds=60)) == (200, b"x")


# -- 3. url -----------------------------------------------------------------------------------------------------------


def test_a_url_is_enough_to_read_and_to_write(store: BlobStore, name: Name) -> None:
    """Without a key of any kind, by whoever was given it."""
    status, _ = store.ask("PUT", store.blobs.url(name("a"), method="PUT", seconds=60), b"written by a stranger")

    assert status in {200, 204}
    assert read(store.blobs, name("a")) == b"written by a stranger"
    assert store.ask("GET", store.blobs.url(name("a"), method="GET", seconds=60)) == (200, b"written by a stranger")


def test_a_url_of_what_is_not_there_finds_nothing(store: BlobStore, name: Name) -> None:
    """A 404, and not a server that is broken."""
    assert store.ask("GET", store.blobs.url(name("a"), method="GET", seconds=60))[0] == 404


@pytest.mark.parametrize(("signed", "asked"), [("GET", "PUT"), ("PUT", "GET")])
def test_a_url_is_for_one_method(store: BlobStore, name: Name, signed: str, asked: str) -> None:
    """Who may read may not write, and the other way round."""
    put(store.blobs, name("a"), b"x")

    status, _ = store.ask(asked, store.blobs.url(name("a"), method=signed, seconds=60), b"y" if asked == "PUT" else b"")

    assert status == 403
    assert read(store.blobs, name("a")) == b"x"


def test_a_url_is_for_one_name(store: BlobStore, name: Name) -> None:
    """Its signature opens nothing else, not even a neighbour."""
    put(store.blobs, name("a"), b"x")
    put(store.blobs, name("b"), b"secret")
    url = store.blobs.url(name("a"), method="GET", seconds=60)

    for other in (name("b"), name("a") + "/", name("a") + "/../" + name("b")):
        status, body = store.ask("GET", url.replace(name("a"), other))
        assert status in {403, 404}
        assert b"secret" not in body


def changed(url: str) -> Iterator[str]:
    """The URL with one of its parameters changed or left out."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    for index, (parameter, value) in enumerate(query):
        others = [*query[:index], *query[index + 1 :]]
        yield parts._replace(query=urlencode(others)).geturl()
        for other in ("", value[:-1], value + "0", "²", "é", "-1", "9" * 30):
            yield parts._replace(query=urlencode([*others, (parameter, other)])).geturl()


def test_a_url_that_was_changed_opens_nothing(store: BlobStore, name: Name) -> None:
    """Whichever of its parameters it is; it is refused, and breaks nothing."""
    put(store.blobs, name("a"), b"x")

    for url in changed(store.blobs.url(name("a"), method="GET", seconds=60)):
        status, body = store.ask("GET", url)
        assert 400 <= status < 500, url
        assert body != b"x"


def test_a_url_stops_working(store: BlobStore, name: Name) -> None:
    """After its seconds, and not before."""
    put(store.blobs, name("a"), b"x")
    long, short = (store.blobs.url(name("a"), method="GET", seconds=seconds) for seconds in (60, 2))

    assert store.ask("GET", short)[0] == 200
    eventually(lambda: store.ask("GET", short)[0] == 403, within=5)
    assert store.ask("GET", long)[0] == 200


ONCE = {"If-None-Match": "*"}


def test_a_url_may_be_to_write_once(store: BlobStore, name: Name) -> None:
    """So that what was checked stays what it was, whoever still has the URL."""
    url = store.blobs.url(name("a"), method="PUT", seconds=60, once=True)

    assert store.ask("PUT", url, b"first", ONCE)[0] in {200, 204}
    assert store.ask("PUT", url, b"second", ONCE)[0] == 412
    assert read(store.blobs, name("a")) == b"first"


def test_a_url_to_write_once_is_for_nobody_who_does_not_say_so(store: BlobStore, name: Name) -> None:
    """Or it would be one to write as often as one likes."""
    put(store.blobs, name("a"), b"first")
    url = store.blobs.url(name("a"), method="PUT", seconds=60, once=True)

    assert 400 <= store.ask("PUT", url, b"second")[0] < 500
    assert read(store.blobs, name("a")) == b"first"
