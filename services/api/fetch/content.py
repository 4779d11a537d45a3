"""What was fetched, in the form that was asked for. Pure."""

from __future__ import annotations

import base64
import codecs
import json
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.api.fetch.client import Fetched

Format = Literal["raw", "json", "markdown"]

#: Headers that are of one connection (RFC 9110, 7.6.1), and not the answer's.
HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

#: Elements that are nothing to read.
UNREAD: Final = ["script", "style", "noscript", "template", "svg"]

HTML: Final = frozenset({"text/html", "application/xhtml+xml"})

_TEXTUAL = re.compile(
    r"text/.*|.*\+(json|xml)|application/(json|ld\+json|xml|javascript|ecmascript|x-javascript|x-www-form-urlencoded|"
    r"x-ndjson|yaml|x-yaml|toml|graphql|sql|rtf|x-sh)"
)

#: Charsets that the web has. Python knows more, some of which are no charsets and some of which take for ever.
_CHARSETS = re.compile(
    r"utf-?8|utf-?(16|32)(-?[lb]e)?|us-ascii|ascii|iso-?8859-?\d+|latin-?\d+|windows-?\d+|cp\d+|koi8-[ru]|gbk|gb2312|"
    r"gb18030|big5(-hkscs)?|euc-(jp|kr)|shift[_-]jis|sjis|iso-2022-jp|macintosh|tis-620"
)

#: Bytes of a page in which its own word for its charset has to stand (HTML, 13.2.3.2).
_PRESCAN: Final = 1024
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]{1,40})", re.IGNORECASE)

_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Unsuitable(Exception):
    """What was fetched can't be had in this form. The text says why."""


@dataclass(frozen=True, slots=True)
class Content:
    """`encoding` is the charset that the text was read with, or `base64` for what is no text."""

    content: Any
    type: str
    encoding: str


def content_of(fetched: Fetched, wanted: Format) -> Content:
    """Raises Unsuitable."""
    kind = content_type(fetched)
    media = kind.partition(";")[0].strip().lower() or "application/octet-stream"
    text, charset = _text(fetched.body, kind, media)
    if wanted == "json":
        return Content(_json(text), media, charset)
    if text is None:
        if wanted == "markdown":
            raise Unsuitable(f"{media} is no text, of which there could be markdown; ask for it as raw")
        return Content(base64.b64encode(fetched.body).decode(), media, "base64")
    return Content(
        _markdown(text, str(fetched.url.copy_with(userinfo=b""))) if wanted == "markdown" and media in HTML else text,
        media,
        charset,
    )


def headers_of(fetched: Fetched) -> dict[str, str]:
    """The answer's headers: one that comes several times is joined with commas, Set-Cookie, which has commas, by line
    feeds."""
    dropped = HOP_BY_HOP | {
        name.strip().lower() for key, value in fetched.headers if key == "connection" for name in value.split(",")
    }
    headers: dict[str, str] = {}
    for name, value in fetched.headers:
        if name in dropped:
            continue
        between = "\n" if name == "set-cookie" else ", "
        headers[name] = f"{headers[name]}{between}{value}" if name in headers else value
    return headers


def content_type(fetched: Fetched) -> str:
    return next((value for name, value in fetched.headers if name == "content-type"), "")


def _text(body: bytes, kind: str, media: str) -> tuple[str | None, str]:
    """The text and its charset; None for bytes that are no text."""
    for mark, codec in _MARKS:
        if body.startswith(mark) and (_TEXTUAL.fullmatch(media) or media == "application/octet-stream"):
            return body.decode(codec, "replace"), codec.removesuffix("-sig")
    if not _TEXTUAL.fullmatch(media):
        return None, "base64"
    charset = _charset(kind, body if media in HTML else b"")
    return body.decode(charset, "replace"), charset


def _charset(kind: str, page: bytes) -> str:
    """As the header says, then as the page does; UTF-8 where neither names one of the web's."""
    named = [*re.findall(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]{1,40})", kind, re.IGNORECASE)]
    named += [found.decode("ascii") for found in _META.findall(page[:_PRESCAN])]
    for name in named:
        if _CHARSETS.fullmatch(name.lower()):
            try:
                codecs.lookup(name)
            except LookupError:
                continue
            return str(name.lower())
    return "utf-8"


def _json(text: str | None) -> Any:
    """A value that can be written as JSON again."""
    try:
        value = json.loads(text or "", parse_constant=_no_json, parse_float=_finite)
        json.dumps(value)
    except (ValueError, RecursionError):
        raise Unsuitable("what was fetched is not JSON; ask for it as raw") from None
    return value


def _no_json(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(text)
    return number


def _markdown(page: str, url: str) -> str:
    """The page's text, with links that are whole, and without what no reader sees."""
    # Some megabytes, which only this needs.
    from html_to_markdown import ConversionOptions, PreprocessingOptions, convert  # noqa: PLC0415

    options = ConversionOptions(
        extract_metadata=False,
        preprocessing=PreprocessingOptions(enabled=False),
        exclude_selectors=UNREAD,
        base_url=url,
    )
    # Halves of characters, which are no Unicode text, can come out of UTF-16.
    return convert(page.encode("utf-8", "replace").decode(), options).content or ""
