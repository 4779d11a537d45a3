"""Which proxy a host is reached through."""

from __future__ import annotations

import json
import time

import pytest

from wallcrawler.egress.routes import Routes, Rule, Upstream, matcher, pool

ONE, TWO = Upstream("http", "one.example", 3128), Upstream("socks5", "two.example", 1080)


@pytest.mark.parametrize(
    ("server", "place"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("https://proxy.example", "https://proxy.example:443"),
        ("socks5://10.0.0.1", "socks5://10.0.0.1:1080"),
        ("proxy.example:8080", "http://proxy.example:8080"),
        ("HTTP://Proxy.Example./", "http://proxy.example:80"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
    ],
)
def test_a_server_is_a_url(server: str, place: str) -> None:
    """Without a scheme it is http, and without a port the scheme's own."""
    assert Upstream.parse(server).place == place


@pytest.mark.parametrize(
    ("server", "username", "phrase"),
    [
        ("", "", "must be a URL"),
        ("http://", "", "must be a URL"),
        ("http://proxy.example:99999", "", "must be a URL"),
        ("http://proxy.example:0", "", "must have a port"),
        ("ftp://proxy.example", "", "must have one of the schemes http, https, socks5"),
        ("http://proxy.example/path", "", "must have no path"),
        ("http://proxy.example?secret", "", "must have no path, query"),
        ("http://user:secret@proxy.example", "other", "must have no credentials where"),
        ("http://user:" + "s" * 256 + "@proxy.example", "", "at most 255 bytes"),
    ],
)
def test_what_is_no_server_is_said_without_repeating_it(server: str, username: str, phrase: str) -> None:
    """It may hold a password."""
    with pytest.raises(ValueError, match=phrase) as wrong:
        Upstream.parse(server, username=username)

    assert "secret" not in str(wrong.value)


def test_credentials_are_in_the_url_or_beside_it() -> None:
    """And shown by nothing that is printed."""
    inside = Upstream.parse("http://us%40er:p%3Aw@proxy.example")
    beside = Upstream.parse("http://proxy.example", username="us@er", password="p:w")

    assert (inside.username, inside.password) == ("us@er", "p:w")
    assert inside == beside
    assert "p:w" not in repr(inside) + inside.place
    assert "us@er" not in repr(inside)


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("example.com", ["example.com", "www.example.com"], ["notexample.com", "example.com.evil.test"]),
        ("wikipedia\\.org", ["wikipedia.org", "en.wikipedia.org"], ["wikipediaxorg", "mywikipedia.org"]),
        (".*\\.gov", ["nasa.gov", "www.nasa.gov"], ["gov", "nasa.gov.test"]),
        ("*.example.com", ["www.example.com", "a.b.example.com"], ["example.com"]),
        ("^(shop|pay)\\.example\\.com$", ["shop.example.com", "pay.example.com"], ["blog.example.com"]),
        ("*", ["anything.test"], []),
        ("127.0.0.1", ["127.0.0.1"], ["127.0.0.11"]),
    ],
)
def test_a_pattern_is_a_domain_or_a_regular_expression(pattern: str, matches: list[str], others: list[str]) -> None:
    """As Browserbase's users write them; either way whole labels are matched."""
    expression = matcher(pattern)

    assert [host for host in matches + others if expression.fullmatch(host)] == matches


@pytest.mark.parametrize(
    "pattern", ["", "x" * 256, "(", "[a", "(a+)+", "(a|b)*", "a*b*c*d*", "(?=a)", "(?P<n>a)", "(a{2}){3}", "**"]
)
def test_a_pattern_that_could_take_for_ever_is_refused(pattern: str) -> None:
    """It is matched with names that pages choose."""
    with pytest.raises(ValueError, match="must"):
        matcher(pattern)


def test_the_worst_pattern_takes_no_time() -> None:
    """Three repetitions, and the longest name."""
    expression = matcher(".*a.*a.*b")
    began = time.perf_counter()

    assert not expression.fullmatch("a" * 253)

    assert time.perf_counter() - began < 5


def test_the_first_rule_that_matches_decides() -> None:
    """A rule without a pattern matches all; none: directly."""
    routes = Routes([Rule("internal.test", None), Rule("shop.test", ONE), Rule("test", TWO)])

    assert routes.upstream("internal.test") is None
    assert routes.upstream("www.shop.test") == ONE
    assert routes.upstream("other.test") == TWO
    assert routes.upstream("elsewhere.example") is None
    assert Routes([Rule(None, ONE), Rule("shop.test", TWO)]).upstream("shop.test") == ONE


def test_a_rule_travels_as_json() -> None:
    """With its credentials: the guest needs them."""
    rules = [Rule(None, Upstream("http", "one.example", 1, "user", "word", trusted=True)), Rule("a.test", None)]

    assert [Rule.from_wire(json.loads(json.dumps(rule.as_wire()))) for rule in rules] == rules


def test_a_pool_is_trusted() -> None:
    """URLs with commas between; what is wrong with one is said without it."""
    assert [one.place for one in pool("http://one.example, socks5://u:p@two.example,")] == [
        "http://one.example:80",
        "socks5://two.example:1080",
    ]
    assert all(one.trusted for one in pool("one.example,two.example"))
    with pytest.raises(ValueError, match="must have no path") as wrong:
        pool("http://u:secret@one.example/path")
    assert "secret" not in str(wrong.value)
