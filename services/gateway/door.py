"""Decide whose session a request is for, and what of it goes on to the guest.

Nothing here touches a socket or a store. The guest asks for the token again: it gets it in a header, so that no secret
is in any address that is passed on. Who comes with an API key, as clients did before there were signing keys, has to
name the session; whether the key opens it the guest asks the API, and nobody here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote

from wallcrawler.session import Session
from wallcrawler.tokens import Audience, InvalidToken, Verifier
from wallcrawler.wire.caller import Head, Headers


@dataclass(frozen=True, slots=True)
class Wish:
    """A request for this session, with what its guest is asked for, and the token or the API key that came with it;
    neither where none is needed."""

    session_id: str
    target: str
    token: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Detour:
    """Ask there instead. The location may hold the caller's own token."""

    location: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """`after` says in how many seconds another try may help."""

    status: int
    message: str
    after: int | None = None


#: Query parameters that stay here.
SECRET_PARAMETERS: Final = frozenset({"signingKey", "apiKey"})

#: What a guest may know of the caller's own headers; all others stay here, the caller's token, origin and cookies too.
FORWARDED: Final = frozenset(
    {
        "accept",
        "content-length",
        "content-type",
        "expect",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "transfer-encoding",
        "user-agent",
    }
)

#: Pages whose relative addresses have to name the session: from them, files are asked for without a token.
_INSPECTOR: Final = "/devtools/inspector.html"
_LIVE_VIEW: Final = "/view/index.html"

#: What is asked for by a session's name: files of Chromium's DevTools, and the live view with its files and its socket.
_OF_A_SESSION: Final = re.compile(r"/sessions/([\w-]{1,64})(/(?:devtools/(?!page/|browser/)|view/)[\w./@-]+)", re.ASCII)

_AUDIENCES: Final[tuple[Audience, ...]] = ("cdp", "view", "watch", "control")

#: What an API key may look like: it goes on in a header.
_API_KEY: Final = re.compile(r"[\x20-\x7e]{1,512}")
_SESSION_ID: Final = re.compile(r"[\w-]{1,64}", re.ASCII)


def read(head: Head, verifier: Verifier) -> Wish | Detour | Refusal:
    """The session that a request is for, as its token says. Not yet: whether there is such a session."""
    raw_path, _, query = head.target.partition("?")
    path = unquote(raw_path)
    given = dict(reversed(parse_qsl(query, keep_blank_values=True)))
    inspected = _inspected(given) if path == _INSPECTOR else ""
    token = given.get("signingKey") or head.header("x-bb-signing-key") or inspected
    named = _OF_A_SESSION.fullmatch(path)
    if named and (not token or named[2].startswith("/devtools/")):
        # Files are the same for everybody, and a page's own requests for them can't carry a token; what is no file
        # the guest refuses.
        return Wish(named[1], named[2])
    if not token:
        return _without_token(head, given, raw_path, query)
    try:
        claims = verifier.verify(token, session_id=named[1] if named else None, audiences=_AUDIENCES)
    except InvalidToken as invalid:
        return Refusal(401, str(invalid))
    if named:
        return Wish(named[1], _without_secrets(named[2], query), token)
    if inspected or (path == _LIVE_VIEW and "signingKey" in given):
        return Detour(f"../sessions/{claims.session_id}{path}?{query}")
    return Wish(claims.session_id, _without_secrets(raw_path, query), token)


def _inspected(given: Mapping[str, str]) -> str:
    """The token of the socket that a page of Chrome's DevTools is to open."""
    socket = given.get("wss") or given.get("ws") or ""
    return dict(parse_qsl(socket.partition("?")[2])).get("signingKey", "")


def _without_token(head: Head, given: Mapping[str, str], path: str, query: str) -> Wish | Refusal:
    """By an API key, and the name of a session."""
    key = given.get("apiKey") or head.header("x-bb-api-key")
    if not key:
        return Refusal(401, "a signingKey is needed, in the query or in the header x-bb-signing-key")
    session_id = given.get("sessionId") or head.header("session-id")
    if not session_id:
        return Refusal(
            501, "an API key alone opens no browser here: create a session, and name it by sessionId or session-id"
        )
    if not _SESSION_ID.fullmatch(session_id):
        return Refusal(404, "there is no such session")
    if not _API_KEY.fullmatch(key):
        return Refusal(401, "the API key does not open this session")
    return Wish(session_id, _without_secrets(path, query), api_key=key)


def _without_secrets(path: str, query: str) -> str:
    """The target as it came, with what is left of the query."""
    parts = [part for part in query.split("&") if unquote(part.partition("=")[0]) not in SECRET_PARAMETERS]
    rest = "&".join(parts)
    return f"{path}?{rest}" if rest else path


def refusal(session: Session) -> Refusal | None:
    """Why nobody can connect to this session now; None where one can."""
    if session.connectable and session.address:
        return None
    if session.starting:
        return Refusal(503, "the browser is not ready yet", after=1)
    return ended(session.ended_reason or "")


def ended(reason: str) -> Refusal:
    """In the guest's own words."""
    return Refusal(410, f"the session has ended: {reason}")


def request_bytes(head: Head, wish: Wish, *, address: str, peer: str) -> bytes:
    """The request as the guest at `address` gets it. `peer` is who is connected to us.

    The host and the scheme stay those that the client knows, so that addresses in the guest's answers lead here again.
    """
    host = head.header("host") or address
    secure = head.header("x-forwarded-proto").partition(",")[0].strip() == "https"
    before = head.header("x-forwarded-for")
    headers: list[tuple[str, str]] = [
        ("host", host),
        ("x-forwarded-host", host),
        ("x-forwarded-proto", "https" if secure else "http"),
        ("x-forwarded-for", f"{before}, {peer}" if before else peer),
        *_connection(head),
        *((name, value) for name, value in head.headers if name in FORWARDED),
    ]
    if wish.token:
        headers.append(("x-bb-signing-key", wish.token))
    if wish.api_key:
        # With the name: at the address of one session there may be another by now.
        headers += [("x-bb-api-key", wish.api_key), ("session-id", wish.session_id)]
    return _bytes(f"{head.method} {wish.target} HTTP/1.1", headers)


def wants_socket(head: Head) -> bool:
    return head.header("upgrade").lower() == "websocket"


def _connection(head: Head) -> Headers:
    """One request a connection: after an answer, the guest closes it."""
    return [("connection", "Upgrade"), ("upgrade", "websocket")] if wants_socket(head) else [("connection", "close")]


def answer_bytes(status: int, body: bytes, headers: Headers) -> bytes:
    """An answer of our own, after which the connection is closed."""
    own = [("content-length", str(len(body))), ("connection", "close")]
    return _bytes(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", [*headers, *own]) + body


def refusal_bytes(refusal: Refusal) -> bytes:
    """The error triple, as the API has it."""
    phrase = HTTPStatus(refusal.status).phrase
    triple = {"statusCode": refusal.status, "error": phrase, "message": refusal.message}
    later = [("retry-after", str(refusal.after))] if refusal.after is not None else []
    return answer_bytes(refusal.status, json.dumps(triple).encode(), [("content-type", "application/json"), *later])


def _bytes(line: str, headers: Headers) -> bytes:
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")
