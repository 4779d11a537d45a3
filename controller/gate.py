"""Decide who may pass to Chrome.

Nothing here touches a socket: feed it a request head, it answers with a Pass or a Refusal. A Pass holds the head that
Chrome gets, without the caller's token, origin, cookies and host.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode

from wallcrawler.wire.caller import Head, Headers

if TYPE_CHECKING:
    from wallcrawler.tokens import Audience, Verifier


class Kind(StrEnum):
    """What passes."""

    SOCKET = "socket"  # a WebSocket, spliced
    JSON = "json"  # an answer of Chrome whose URLs are rewritten
    ASSET = "asset"  # a file of Chrome's own DevTools front end
    OWN = "own"  # answered by a part of the guest, and never by Chrome


@dataclass(frozen=True, slots=True)
class Pass:
    """`method` and `target` for Chrome, the headers that go with them, and what the caller may do.

    What is OWN goes to the part `own`: `target` is then the path and query behind the part's own.
    """

    kind: Kind
    method: str
    target: str
    headers: Headers
    audience: Audience | None = None
    token: str = field(default="", repr=False)
    own: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What the gate goes by: the session, its keys, and where Chrome is. `ended_reason` closes it for good."""

    session_id: str
    verifier: Verifier | None = None
    port: int = 0
    browser_path: str = ""
    ended_reason: str | None = None


#: Headers that Chrome needs of a client; all others stay here, the token, the origin and cookies among them.
_FORWARDED = ("upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions")

#: Query parameters that stay here.
_SECRET_PARAMETERS = frozenset({"signingKey", "apiKey"})

#: How Chrome names its own sockets.
_CHROMES_SOCKET = re.compile(r"ws://(127\.0\.0\.1|localhost):(?P<port>\d+)(?P<path>/devtools/.+)")

_SOCKET_PATHS = re.compile(r"/devtools/(browser|page)/[\w.-]+", re.ASCII)
_VIEW_PATHS = re.compile(r"/devtools/page/[\w.-]+|/json(/list|/version)?/?", re.ASCII)
_JSON_PATHS = re.compile(r"/json(/list|/version|/protocol|/new|/activate/[\w.-]+|/close/[\w.-]+)?/?", re.ASCII)
_ASSET_PATHS = re.compile(r"/devtools/(?!page/|browser/)[\w./@-]+", re.ASCII)

#: Files of the live view's page: like those of DevTools, the same for everybody.
_PAGE_PATHS = re.compile(r"/view(?P<rest>/(?:index\.html|view\.css|view\.js))")

#: The guest's own paths: who answers under them, and whose tokens open them.
OWN: tuple[tuple[re.Pattern[str], str, frozenset[Audience]], ...] = (
    (re.compile(r"/control(?P<rest>/.*)"), "control", frozenset({"control"})),
    (re.compile(r"/(?:wd/hub|webdriver)(?P<rest>/.*)?"), "webdriver", frozenset({"cdp"})),
    (re.compile(r"/view(?P<rest>/.*)"), "view", frozenset({"cdp", "view", "watch"})),
)


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(status, message)


def decide(head: Head, policy: Policy) -> Pass | Refusal:
    """Pass or refuse one request."""
    try:
        return _decided(head, policy)
    except _Refused as refused:
        return refused.refusal


def _decided(head: Head, policy: Policy) -> Pass:
    raw_path, _, raw_query = head.target.partition("?")
    path = unquote(raw_path)
    if policy.ended_reason is not None:
        raise _Refused(410, f"the session has ended: {policy.ended_reason}")
    if not (_known(path) or (_own(raw_path) and ".." not in path.split("/"))):
        raise _Refused(404, "no such path")
    if policy.verifier is None or not policy.port:
        raise _Refused(503, "the browser is not ready yet")
    if _ASSET_PATHS.fullmatch(path):
        return _asset(head, path, policy)
    if page := _PAGE_PATHS.fullmatch(path):
        return Pass(Kind.OWN, _method(head, "GET"), page["rest"], (), own="view")
    query = parse_qsl(raw_query, keep_blank_values=True)
    token = next((value for name, value in query if name == "signingKey"), "") or head.header("x-bb-signing-key")
    audience = _audience(token, policy.session_id, policy.verifier)
    # As it came: what a part is asked for may hold a slash, or a question mark.
    if found := _own(raw_path):
        return _to_part(head, found, raw_query, audience, token)
    if audience not in {"cdp", "view"}:
        raise _Refused(403, "this token does not open the browser")
    if audience == "view" and not (_VIEW_PATHS.fullmatch(path) and head.method == "GET"):
        raise _Refused(403, "this token opens pages, and not the browser")
    if _JSON_PATHS.fullmatch(path):
        target = _with_query(path, raw_query)
        return Pass(Kind.JSON, _method(head, "GET", "PUT"), target, _host(policy), audience, token)
    return _socket(head, path, policy, audience)


def _audience(token: str, session_id: str, verifier: Verifier) -> Audience:
    from wallcrawler.tokens import InvalidToken  # noqa: PLC0415 - see the guest's supervisor

    if not token:
        raise _Refused(401, "a signingKey is needed, in the query or in the header x-bb-signing-key")
    try:
        claims = verifier.verify(token, session_id=session_id, audiences=("cdp", "view", "watch", "control"))
    except InvalidToken as invalid:
        raise _Refused(401, str(invalid)) from None
    return cast("Audience", claims.audience)


def _own(path: str) -> tuple[str, str, frozenset[Audience]] | None:
    """The part that answers this path, the path behind its own, and whose tokens open it."""
    for paths, name, audiences in OWN:
        if found := paths.fullmatch(path):
            return name, found["rest"] or "/", audiences
    return None


def _to_part(
    head: Head, found: tuple[str, str, frozenset[Audience]], raw_query: str, audience: Audience, token: str
) -> Pass:
    name, rest, audiences = found
    if audience not in audiences:
        raise _Refused(403, "this token is for another use")
    return Pass(Kind.OWN, head.method, _with_query(rest, raw_query), (), audience, token, own=name)


def _known(path: str) -> bool:
    if ".." in path.split("/"):
        return False
    known = (_SOCKET_PATHS, _JSON_PATHS, _ASSET_PATHS)
    return path == "/" or any(paths.fullmatch(path) for paths in known)


def _method(head: Head, *allowed: str) -> str:
    if head.method not in allowed:
        raise _Refused(405, f"only {' and '.join(allowed)}")
    return head.method


def _asset(head: Head, path: str, policy: Policy) -> Pass:
    # Files of Chromium itself, the same for everybody; a page's own requests for them could not carry a token.
    return Pass(Kind.ASSET, _method(head, "GET", "HEAD"), path, _host(policy))


def _with_query(path: str, raw_query: str) -> str:
    """The path with what is left of the query, as it came: /json/new takes an address there."""
    parts = [part for part in raw_query.split("&") if unquote(part.partition("=")[0]) not in _SECRET_PARAMETERS]
    return f"{path}?{'&'.join(parts)}" if any(parts) else path


def _socket(head: Head, path: str, policy: Policy, audience: Audience) -> Pass:
    _method(head, "GET")
    if head.header("upgrade").lower() != "websocket":
        raise _Refused(426, "this is a WebSocket endpoint")
    # Whatever browser a client names, there is one.
    target = path if path.startswith("/devtools/page/") else policy.browser_path
    forwarded = [(name, value) for name, value in head.headers if name in _FORWARDED]
    return Pass(Kind.SOCKET, "GET", target, [*_host(policy), *forwarded], audience)


def _host(policy: Policy) -> list[tuple[str, str]]:
    return [("host", f"127.0.0.1:{policy.port}")]


def request_bytes(passed: Pass) -> bytes:
    """The request as Chrome gets it."""
    lines = [f"{passed.method} {passed.target} HTTP/1.1", *(f"{name}: {value}" for name, value in passed.headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def rewritten(body: str, *, passed: Pass, host: str, secure: bool, port: int) -> str:
    """Chrome's JSON with URLs that lead through the gate again; they carry the token that the caller came with.

    Only the fields that hold such URLs are touched: titles and addresses are written by pages.
    """
    try:
        told = json.loads(body)
    except ValueError:
        return body
    touched = False
    scheme, web = ("wss", "https") if secure else ("ws", "http")
    key = urlencode({"signingKey": passed.token})
    for target in told if isinstance(told, list) else [told]:
        if not isinstance(target, dict):
            continue
        found = _CHROMES_SOCKET.fullmatch(str(target.get("webSocketDebuggerUrl")))
        if found is None or int(found["port"]) != port:
            continue
        touched = True
        socket = f"{host}{found['path']}?{key}"
        target["webSocketDebuggerUrl"] = f"{scheme}://{socket}"
        if "devtoolsFrontendUrl" in target:
            inspector = f"{web}://{host}/devtools/inspector.html?{scheme}="
            target["devtoolsFrontendUrl"] = inspector + quote(socket, safe="/:")
    return json.dumps(told, indent=3) if touched else body
