"""Who sees a session's live view, and what they can't open with the link that shows it."""

from __future__ import annotations

import pytest

from controller.gate import Kind
from tests.unit.controller.gatekeeping import VIEW, ask, mint, passed, refused

WATCH = mint("watch")


@pytest.mark.parametrize("token", ["", WATCH, VIEW, "of-yesterday"])
@pytest.mark.parametrize("file", ["index.html", "view.css", "view.js"])
def test_the_page_is_the_same_for_everybody(file: str, token: str) -> None:
    """Its own requests for its files could not carry a token; and nobody may do anything with them but read them."""
    answer = passed(ask(f"/view/{file}", token=token))

    assert (answer.kind, answer.own, answer.target, answer.audience) == (Kind.OWN, "view", f"/{file}", None)
    assert refused(ask(f"/view/{file}", token=token, method="POST"))[0] == 405


@pytest.mark.parametrize("path", ["/view/other.js", "/view/index.html/more", "/view//index.html", "/view/socket"])
def test_all_else_of_it_asks_for_a_token(path: str) -> None:
    """What it shows comes over its socket alone."""
    assert refused(ask(path, token=""))[0] == 401


@pytest.mark.parametrize("path", ["/", "/devtools/page/P", "/devtools/browser/b", "/json/list", "/json/new", "/json"])
def test_who_only_watches_gets_no_chrome(path: str) -> None:
    """DevTools on a page would drive it; and Chrome's lists name sockets that nobody has here."""
    assert refused(ask(path, token=WATCH, socket=True))[0] == 403


@pytest.mark.parametrize("path", ["/", "/devtools/browser/b"])
def test_who_drives_a_page_gets_no_browser(path: str) -> None:
    """A view token is for pages."""
    assert refused(ask(path, token=VIEW, socket=True))[0] == 403
