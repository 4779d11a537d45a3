"""Who may pass to Chrome: every path, every token, and what of a request goes on."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.gate import Kind, Pass, Policy, Refusal, decide
from tests.unit.controller.gatekeeping import CDP, POLICY, SIGNER, UPGRADE, VIEW, ask, mint, passed, refused
from wallcrawler.tokens import Audience, Signer
from wallcrawler.wire.caller import Head, phrase

# -- Paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", POLICY.browser_path),
        ("/devtools/browser/0f-1e-2d", POLICY.browser_path),
        ("/devtools/browser/of-yesterday", POLICY.browser_path),
        ("/devtools/page/ABC123", "/devtools/page/ABC123"),
        ("/devtools/page/%41BC", "/devtools/page/ABC"),
    ],
)
def test_sockets(path: str, target: str) -> None:
    """The root is the browser, and so is whatever browser a client names: there is one. Pages have their own."""
    answer = passed(ask(path, socket=True))

    assert (answer.kind, answer.method, answer.target, answer.audience) == (Kind.SOCKET, "GET", target, "cdp")


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    "path",
    [
        "/json",
        "/json/",
        "/json/list",
        "/json/list/",
        "/json/version",
        "/json/protocol",
        "/json/new",
        "/json/activate/ABC",
        "/json/close/ABC",
    ],
)
def test_json(path: str, method: str) -> None:
    """Chrome's own HTTP endpoints, under their own paths; Chrome wants PUT for some."""
    answer = passed(ask(path, method=method))

    assert (answer.kind, answer.method, answer.target, answer.token) == (Kind.JSON, method, path, CDP)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("token", [CDP, ""], ids=["with a token", "without one"])
@pytest.mark.parametrize(
    "path", ["/devtools/inspector.html", "/devtools/front_end/main/main.js", "/devtools/Images/a-b_c@2x.png"]
)
def test_assets(path: str, token: str, method: str) -> None:
    """Files of Chromium itself need no token: a page's own requests for them could not carry one."""
    answer = passed(ask(path, token=token, method=method))

    assert (answer.kind, answer.method, answer.target, answer.token) == (Kind.ASSET, method, path, "")


@pytest.mark.parametrize(
    ("path", "part", "rest", "opens"),
    [
        ("/wd/hub", "webdriver", "/", {"cdp"}),
        ("/webdriver/session/1", "webdriver", "/session/1", {"cdp"}),
        ("/view/socket", "view", "/socket", {"cdp", "view", "watch"}),
        ("/control/uploads/a%20b", "control", "/uploads/a%20b", {"control"}),
    ],
)
def test_the_guests_own_paths(path: str, part: str, rest: str, opens: set[str]) -> None:
    """They go to the part that answers them, and only for the uses that open it."""
    audiences: tuple[Audience, ...] = ("cdp", "view", "watch", "control")
    for audience in audiences:
        answer = ask(path, method="POST", token=mint(audience))
        if audience in opens:
            assert (passed(answer).kind, passed(answer).own, passed(answer).target) == (Kind.OWN, part, rest)
        else:
            assert refused(answer)[0] == 403
    assert refused(ask(path, method="POST", token=""))[0] == 401


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//",
        "/favicon.ico",
        "/index.html",
        "/json/nothing",
        "/json/list/more",
        "/json/close/",
        "/json/close/a/b",
        "/json\n",
        "/json%0a",
        "/JSON",
        "/devtools",
        "/devtools/",
        "/devtools/page/",
        "/devtools/page/a/b",
        "/devtools/page/a%2fb",
        "/devtools/page/a%20b",
        "/devtools/page/ä",
        "/devtools/browser/a%0d%0ahost:%20x",
        "/webdriverx",
        "/health/x",
    ],
)
def test_what_chrome_does_not_have_is_not_found(path: str) -> None:
    """Whatever token comes with it, and however it is spelt."""
    assert refused(ask(path, socket=True))[0] == 404


@pytest.mark.parametrize("dots", ["..", "%2e%2e", ".%2E", "%2e."])
@pytest.mark.parametrize(
    "path", ["/{}", "/devtools/{}/json/list", "/devtools/page/{}/x", "/json/{}/x", "/devtools/a/{}"]
)
def test_nothing_leads_up(path: str, dots: str) -> None:
    """A path with `..` in it is no path, also percent-encoded."""
    assert refused(ask(path.format(dots)))[0] == 404
    assert refused(ask(path.format(quote(dots, safe=""))))[0] == 404


@pytest.mark.parametrize(
    ("path", "method"),
    [("/json/list", "POST"), ("/json/close/A", "DELETE"), ("/devtools/inspector.html", "POST"), ("/", "POST")],
)
def test_other_methods_are_refused(path: str, method: str) -> None:
    """Chrome would not know them either."""
    assert refused(ask(path, method=method))[0] == 405


def test_a_socket_has_to_be_asked_for_as_one() -> None:
    """A plain GET of the browser's address is told what it is."""
    assert refused(ask("/"))[0] == 426
    assert refused(ask("/devtools/page/ABC"))[0] == 426


@given(path=st.text(st.sampled_from("/.%2eEfFdevtoolspagjnbrwh?&=-_@ \r\n"), max_size=40), socket=st.booleans())
def test_without_a_token_nothing_passes_but_files_of_chromium(path: str, socket: bool) -> None:
    """Whatever path somebody comes up with: no socket, nothing of the browser's state, no header but the host."""
    answer = ask("/" + path, token="", socket=socket)

    if isinstance(answer, Pass):
        assert answer.kind is Kind.ASSET
        assert answer.method in {"GET", "HEAD"}
        assert answer.target.startswith("/devtools/")
        assert ".." not in answer.target.split("/")
        assert [name for name, _ in answer.headers] == ["host"]
        assert set("\r\n ?") & set(answer.target) == set()


# -- Tokens -----------------------------------------------------------------------------------------------------------

CHROME_PATHS = ["/", "/devtools/page/ABC", "/json/list", "/json/new", "/wd/hub"]


def _unsigned() -> str:
    parts = ({"alg": "none", "typ": "JWT", "kid": SIGNER.kid}, {"sub": "session-1", "aud": "cdp", "exp": 4e9, "iat": 0})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


@pytest.mark.parametrize("path", CHROME_PATHS)
@pytest.mark.parametrize(
    ("token", "why"),
    [
        pytest.param("", "is needed", id="missing"),
        pytest.param(mint(session_id="session-2"), "another session", id="of another session"),
        pytest.param(mint("guest"), "another use", id="of the guest"),
        pytest.param(mint(lasts=-500), "expired", id="expired"),
        pytest.param(mint(by=Signer.generate()), "unknown key", id="of a stranger"),
        pytest.param(CDP[:-3], "not valid", id="truncated"),
        pytest.param(CDP.rpartition(".")[0], "not valid", id="without its signature"),
        pytest.param(_unsigned(), "not valid", id="alg none"),
        pytest.param("garbage", "not valid", id="garbage"),
        pytest.param("%00%ff", "not valid", id="bytes"),
    ],
)
def test_a_token_that_is_not_right_is_a_401(path: str, token: str, why: str) -> None:
    """On every path that leads to the browser, with the reason and without the token."""
    status, message = refused(ask(path, token=token, socket=True))

    assert status == 401
    assert why in message
    assert not token or token not in message


@pytest.mark.parametrize("path", CHROME_PATHS[:4])
def test_the_token_may_come_in_a_header(path: str) -> None:
    """For clients that can set one, and keep their URLs clean."""
    in_header = decide(Head("GET", path, [*UPGRADE, ("x-bb-signing-key", CDP)]), POLICY)

    assert passed(in_header) == passed(ask(path, socket=True))


def test_the_query_is_what_counts_of_two_tokens() -> None:
    """One good and one bad: the URL was handed out by us, a header may be a client's default."""
    bad = [*UPGRADE, ("x-bb-signing-key", "garbage")]

    assert isinstance(decide(Head("GET", f"/?signingKey={CDP}", bad), POLICY), Pass)
    assert isinstance(
        decide(Head("GET", "/?signingKey=garbage", [*UPGRADE, ("x-bb-signing-key", CDP)]), POLICY), Refusal
    )


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/devtools/page/ABC", "GET", None),
        ("/json", "GET", None),
        ("/json/list", "GET", None),
        ("/json/version", "GET", None),
        ("/", "GET", 403),
        ("/devtools/browser/0f-1e-2d", "GET", 403),
        ("/json/protocol", "GET", 403),
        ("/json/new", "PUT", 403),
        ("/json/list", "PUT", 403),
        ("/json/close/ABC", "GET", 403),
        ("/json/activate/ABC", "GET", 403),
        ("/wd/hub", "POST", 403),
    ],
)
def test_a_view_token_may_look_and_not_drive(path: str, method: str, status: int | None) -> None:
    """Pages, one by one, and their list; never the browser, and nothing that opens or closes."""
    answer = ask(path, token=VIEW, method=method, socket=True)

    if status is None:
        assert passed(answer).audience == "view"
    else:
        assert refused(answer)[0] == status


# -- The session's life -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*CHROME_PATHS, "/devtools/inspector.html", "/nowhere"])
@pytest.mark.parametrize("token", [CDP, ""], ids=["with a token", "without one"])
def test_after_the_end_everything_is_gone(path: str, token: str) -> None:
    """410 with the reason, for whoever asks: the session's own end is what a client sees, not its token's."""
    ended = replace(POLICY, ended_reason="timed_out")

    assert refused(ask(path, token=token, policy=ended)) == (410, "the session has ended: timed_out")


@pytest.mark.parametrize("early", [Policy("session-1"), replace(POLICY, port=0), replace(POLICY, verifier=None)])
@pytest.mark.parametrize("path", [*CHROME_PATHS, "/devtools/inspector.html"])
def test_before_chrome_answers_nobody_passes(path: str, early: Policy) -> None:
    """503, which says that it is worth coming back."""
    assert refused(ask(path, policy=early))[0] == 503


def test_every_refusal_has_its_phrase() -> None:
    """The status line that goes with it is HTTP's own."""
    assert {phrase(status) for status in (400, 401, 403, 404, 405, 408, 410, 426, 431, 501, 502, 503)} == {
        "Bad Request", "Unauthorized", "Forbidden", "Not Found", "Method Not Allowed", "Request Timeout", "Gone",
        "Upgrade Required", "Request Header Fields Too Large", "Not Implemented", "Bad Gateway", "Service Unavailable",
    }  # fmt: skip
