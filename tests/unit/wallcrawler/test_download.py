"""A download's record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.downloads import a_download
from wallcrawler.download import ANYTHING, Download, mime_type_of, parsed


def test_an_id_says_where_the_download_is() -> None:
    """Session and number: nothing has to be looked up in between."""
    assert parsed(a_download().id) == ("session-1", 1_719_265_797_164)


@pytest.mark.parametrize(
    "id",
    ["", ".", "session-1", "session-1.", "session-1.1", ".1719265797164", "a/b.1719265797164", "a.b.1719265797164"],
)
def test_what_is_no_id_is_none(id: str) -> None:
    """Before any store is asked."""
    assert parsed(id) is None


@given(st.text())
def test_any_text_is_an_id_or_is_not(id: str) -> None:
    """And if it is, it is that download's own."""
    place = parsed(id)

    assert place is None or a_download(session_id=place[0], number=place[1]).id == id


def test_an_item_has_all_of_a_download() -> None:
    """Arriving and kept."""
    arriving = a_download()
    kept = arriving.arrived(size=4, sha256="0" * 64)

    for download in (arriving, kept):
        assert Download.from_item(download.as_item()) == download
    assert (arriving.kept, kept.kept) == (False, True)
    assert (kept.size, kept.version) == (4, 2)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.pdf", "application/pdf"),
        ("a.tar.gz", "application/gzip"),
        ("a.csv", "text/csv"),
        ("data:text/html,x", ANYTHING),
        ("README", ANYTHING),
        ("a.no-such-kind", ANYTHING),
    ],
)
def test_the_extension_says_the_type(name: str, kind: str) -> None:
    """Of what is compressed, the compression is the type."""
    assert mime_type_of(name) == kind
