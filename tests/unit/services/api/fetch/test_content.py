"""What was fetched, in each form that can be asked for."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from services.api.fetch.client import Fetched
from services.api.fetch.content import Format, Unsuitable, content_of, headers_of


def fetched(body: bytes, kind: str | None = "text/html", *headers: tuple[str, str]) -> Fetched:
    typed = (("content-type", kind),) if kind is not None else ()
    return Fetched(httpx.URL("https://us:er@site.test/a/b"), 200, (*typed, *headers), body)


@pytest.mark.parametrize(
    ("body", "kind", "text", "charset"),
    [
        ("grün".encode(), "text/plain", "grün", "utf-8"),
        ("grün".encode("latin-1"), "text/plain; charset=ISO-8859-1", "grün", "iso-8859-1"),
        ("漢字".encode("shift_jis"), 'text/html; charset="Shift_JIS"', "漢字", "shift_jis"),
        ('<meta charset="windows-1252">grün'.encode("cp1252"), "text/html", None, "windows-1252"),
        (b'<meta http-equiv=x content="text/html; charset=gbk">' + "漢".encode("gbk"), "text/html", None, "gbk"),
        ("grün".encode("utf-8-sig"), "text/plain; charset=latin-1", "grün", "utf-8"),
        ("grün".encode("utf-16"), "text/plain", "grün", "utf-16"),
        (b"gr\xfcn", "application/json", "gr�n", "utf-8"),
        (b"x", "text/plain; charset=unicode_escape", "x", "utf-8"),
        (b"x", "text/plain; charset=iso-8859-99", "x", "utf-8"),
        (b"", "image/svg+xml", "", "utf-8"),
    ],
)
def test_text_is_read_with_its_charset(body: bytes, kind: str, text: str | None, charset: str) -> None:
    """The mark at its beginning, the header's word, a page's own word, or UTF-8; codecs that are no charset of the web
    are never used."""
    content = content_of(fetched(body, kind), "raw")

    assert content.encoding == charset
    assert content.content == (text if text is not None else body.decode(charset))
    assert content.type == kind.partition(";")[0]


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "application/pdf", None, ""])
def test_what_is_no_text_is_base64(kind: str | None) -> None:
    """And says so, where a charset would stand."""
    content = content_of(fetched(b"\x89PNG\x00", kind), "raw")

    assert (content.content, content.encoding) == (base64.b64encode(b"\x89PNG\x00").decode(), "base64")
    assert content.type == (kind or "application/octet-stream")


@pytest.mark.parametrize(("body", "value"), [(b'{"a": [1, "b"]}', {"a": [1, "b"]}), (b"[1]", [1]), (b"null", None)])
def test_json_is_the_value(body: bytes, value: Any) -> None:
    """Whatever the header calls it."""
    assert content_of(fetched(body, "application/json"), "json").content == value
    assert content_of(fetched(body, "text/plain"), "json").content == value


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<p>", "text/html"),
        (b"", "application/json"),
        (b"{} {}", "application/json"),
        (b"NaN", "application/json"),
        (b"1e999", "application/json"),
        (b"[" * 200_000, "application/json"),
        (b"9" * 5000, "application/json"),
        (b"\x89PNG", "image/png"),
    ],
)
def test_what_is_no_json_is_said(body: bytes, kind: str) -> None:
    """Also what no JSON could hold, or would take a server down."""
    with pytest.raises(Unsuitable, match="not JSON"):
        content_of(fetched(body, kind), "json")


def test_markdown_has_what_a_reader_sees() -> None:
    """Headings, links that lead there from anywhere, lists and tables; no scripts, no styles, no credentials."""
    page = b"""<html><head><title>T</title><style>p{}</style><script>alert(1)</script></head><body><nav>menu</nav>
        <h1>Hi</h1><p>a <b>b</b> <a href="../x?y=1">l</a></p><noscript>no</noscript><svg><text>drawn</text></svg>
        <ul><li>one</li></ul><table><tr><th>A</th></tr><tr><td>1</td></tr></table></body></html>"""

    markdown = content_of(fetched(page), "markdown").content

    assert "# Hi" in markdown
    assert "a **b** [l](https://site.test/x?y=1)" in markdown
    assert "- one" in markdown
    assert "| A |" in markdown
    assert "menu" in markdown
    assert not any(word in markdown for word in ("alert", "p{}", ">no", "drawn", "us:er"))


@pytest.mark.parametrize(
    "page", [b"<div>" * 200_000, b"<" * 500_000, b"<table><tr><td>" * 5000, b"<a " + b"b=c " * 100_000, b"\x00<p>x"]
)
def test_no_page_takes_the_server_down(page: bytes) -> None:
    """Hostile ones neither: there is some text, and that is all."""
    assert isinstance(content_of(fetched(page), "markdown").content, str)


def test_text_that_is_no_page_is_its_own_markdown() -> None:
    """And of what is no text there is none."""
    assert content_of(fetched(b"<b>", "text/plain"), "markdown").content == "<b>"
    with pytest.raises(Unsuitable, match=r"image/png is no text"):
        content_of(fetched(b"\x89", "image/png"), "markdown")


@pytest.mark.parametrize("form", ["raw", "json", "markdown"])
def test_an_empty_answer_of_no_kind(form: Format) -> None:
    """A 204 has neither body nor type: there is nothing to say of it but that."""
    nothing = fetched(b"", None)

    if form == "raw":
        assert content_of(nothing, form).content == ""
    else:
        with pytest.raises(Unsuitable):
            content_of(nothing, form)


def test_headers_are_the_answers_and_not_the_connections() -> None:
    """Hop-by-hop ones are gone, with those that `Connection` names; repeated ones are joined."""
    answer = fetched(
        b"",
        "text/plain",
        ("connection", "close, X-Mine"),
        ("x-mine", "1"),
        ("transfer-encoding", "chunked"),
        ("vary", "a"),
        ("vary", "b"),
        ("set-cookie", "a=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT"),
        ("set-cookie", "b=2"),
    )

    assert headers_of(answer) == {
        "content-type": "text/plain",
        "vary": "a, b",
        "set-cookie": "a=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT\nb=2",
    }
