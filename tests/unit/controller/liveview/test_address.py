"""What a person may type into the address field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.liveview.address import LONGEST, NoAddress, web_address


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("example.com", "https://example.com"),
        ("example.com\n", "https://example.com"),
        (" example.com/a?b#c ", "https://example.com/a?b#c"),
        ("http://example.com", "http://example.com"),
        ("HTTPS://example.com", "HTTPS://example.com"),
        ("localhost", "http://localhost"),
        ("localhost:8080/x", "http://localhost:8080/x"),
        ("app.localhost", "http://app.localhost"),
        ("127.0.0.1:9", "http://127.0.0.1:9"),
        ("[::1]:80/", "http://[::1]:80/"),
        ("example.com:8443", "https://example.com:8443"),
        ("About:Blank", "about:blank"),
    ],
)
def test_addresses_of_the_web_are_completed(typed: str, address: str) -> None:
    """As a browser's own field does it."""
    assert web_address(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "chrome://version",
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "view-source:https://example.com",
        "about:config",
        "devtools://devtools",
        "ftp://example.com",
        "blob:https://example.com/1",
        "",
        "   ",
        "http://",
        "https://[::1",
        "two words",
        "user:1@example.com",
        "x" * (LONGEST + 1),
    ],
)
def test_what_else_chrome_would_open_is_refused(typed: str) -> None:
    """Files, Chrome's own pages, scripts, and what is no address."""
    with pytest.raises(NoAddress):
        web_address(typed)


@given(st.text(max_size=60))
def test_whatever_is_typed_leads_to_the_web_or_nowhere(typed: str) -> None:
    """No text leads elsewhere."""
    try:
        address = web_address(typed)
    except NoAddress:
        return
    assert address == "about:blank" or address.lower().startswith(("http://", "https://"))
