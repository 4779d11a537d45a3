"""What a page's reader sees in the place of what was not fetched. Nothing of the request is repeated but its host."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

#: What to do about a refusal, for whoever drives the browser or runs the server.
REMEDY = (
    "Sessions are created with rules of their own in the field egress; the server's are the settings that begin with "
    "WALLCRAWLER_EGRESS. Cloud metadata and Wallcrawler's own ports stay closed whatever these say."
)

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:15vh auto;padding:0 1em}}h1{{font-size:1.4em}}\
p{{overflow-wrap:break-word}}small{{color:#666}}</style>
<h1>{title}</h1><p id="why">{why}.</p><p><small>{remedy}</small></p></html>
"""


def page(title: str, why: str, remedy: str = REMEDY) -> str:
    return _PAGE.format(title=escape(title), why=escape(why), remedy=escape(remedy))


def answer(status: int, body: str) -> bytes:
    """A whole HTTP answer; the connection ends behind it."""
    content = body.encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: text/html; charset=utf-8\r\n"
        f"content-length: {len(content)}\r\ncache-control: no-store\r\n"
        "x-wallcrawler: egress\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + content


def refusal(why: str) -> bytes:
    return answer(403, page("This address is refused", why))


def failure(why: str) -> bytes:
    return answer(502, page("The proxy can't be used", why, "The session was created with this proxy, in its proxies."))
