"""What a log keeps of what Chrome tells: everything but the secrets in it, and not too much."""

from __future__ import annotations

import pytest

from controller.masking import ELEMENTS, HIDDEN, TEXT, clean, masked


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Authorization",
        "Proxy-Authorization",
        "cookie",
        "Set-Cookie",
        "set-cookie2",
        "x-api-key",
        "X-BB-API-Key",
        "X-Auth-Token",
        "x-amz-security-token",
        "X-CSRF-Token",
        "x-hub-signature",
        "api-key",
        "token",
    ],
)
def test_headers_that_let_somebody_in_are_hidden(name: str) -> None:
    """Whatever their case, in a request and in a response, by their names alone."""
    told = {"response": {"headers": {name: "s3cret", "content-type": "text/html"}}}

    kept = clean(told)

    assert kept == {"response": {"headers": {name: HIDDEN, "content-type": "text/html"}}}


@pytest.mark.parametrize("name", ["content-type", "keep-alive", "x-token-bucket", "cookie-policy", "www-authenticate"])
def test_other_headers_are_kept(name: str) -> None:
    """A log without headers would help nobody."""
    assert clean({"headers": {name: "value"}}) == {"headers": {name: "value"}}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("ws://a.example/?signingKey=s3cret", "ws://a.example/?signingKey=***"),
        ("https://a.example/?x=1&apiKey=s3cret&y=2", "https://a.example/?x=1&apiKey=***&y=2"),
        ("https://a.example/#access_token=s3cret&state=ok", "https://a.example/#access_token=***&state=ok"),
        (
            "https://a.example/f?X-Amz-Signature=s3cret&X-Amz-Date=1",
            "https://a.example/f?X-Amz-Signature=***&X-Amz-Date=1",
        ),
        ("https://a.example/?password=s3cret;b=1", "https://a.example/?password=***;b=1"),
        ("https://user:s3cret@a.example/path", "https://***@a.example/path"),
        ("https://s3cret@a.example", "https://***@a.example"),
        ("see https://user:s3cret@a.example/ and /x?token=s3cret.", "see https://***@a.example/ and /x?token=***"),
        ("Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.s3cret", "Bearer ***"),
    ],
)
def test_secrets_in_urls_are_hidden_wherever_they_stand(url: str, kept: str) -> None:
    """Query, fragment and userinfo; in an address, a header, or in what a page says."""
    assert masked(url) == kept
    assert clean({"headers": {"referer": url}}) == {"headers": {"referer": kept}}
    assert clean({"args": [{"type": "string", "value": url}]})["args"][0]["value"] == kept


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/search?q=tokens+and+keys&page=2",
        "a=b@c.example",
        "https://a.example/@user?v=1",
        "keys: ctrl=17",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    """Masking is told by names, and a name is not a value."""
    assert masked(text) == text


def test_bodies_and_handles_are_left_out_at_any_depth() -> None:
    """What is named is gone, and its neighbours are not."""
    told = {"request": {"url": "/", "postData": "s3cret"}, "args": [{"objectId": "1", "type": "object"}]}

    assert clean(told, without={"postData", "objectId"}) == {"request": {"url": "/"}, "args": [{"type": "object"}]}


def test_what_is_long_or_deep_is_cut() -> None:
    """A page decides how much it says, and not how much is kept."""
    deep: object = "deep"
    for _ in range(100):
        deep = {"inner": [deep]}

    kept = clean({"text": "a" * (TEXT + 1), "list": list(range(ELEMENTS + 1)), "deep": deep})

    assert kept["text"] == f"{'a' * TEXT}… ({TEXT + 1} characters)"
    assert kept["list"] == list(range(ELEMENTS))
    assert "deep" not in str(kept["deep"])
