"""Hosts by domain."""

from __future__ import annotations

from importlib import resources

import pytest

from wallcrawler.egress.domains import Domains, domain, read_list


def test_a_domain_has_all_below_it_and_nothing_that_ends_alike() -> None:
    """Browserbase's matching."""
    domains = Domains(["example.com", "127.0.0.1"])

    assert [
        host for host in ("example.com", "www.example.com", "a.b.example.com", "127.0.0.1") if host not in domains
    ] == []
    assert [host for host in ("notexample.com", "com", "example.com.evil.test") if host in domains] == []


@pytest.mark.parametrize(
    ("url", "admitted"),
    [
        ("https://example.com/path?x#y", True),
        ("http://WWW.Example.com.:8080/", True),
        ("https://user@example.com/", True),
        ("https://example.com@evil.test/", False),
        ("https://evil.test/example.com", False),
        ("http://0x7f.1/", True),
        ("blob:https://example.com/1-2", True),
        ("blob:https://evil.test/1-2", False),
        ("https://[broken", False),
        ("http:///", False),
        ("about:blank", True),
        ("data:text/html,x", True),
        ("chrome-extension://abc/page.html", True),
        ("", True),
    ],
)
def test_pages_are_admitted_by_their_host(url: str, admitted: bool) -> None:
    """What has no domain is not spoken of; what hides its host shows none that is admitted."""
    assert Domains(["example.com", "127.0.0.1"]).admit(url) is admitted


def test_a_domain_may_be_written_with_a_star() -> None:
    """It means the same; what is no domain is not taken for one."""
    assert domain("*.Example.com.") == "example.com"
    with pytest.raises(ValueError, match=r".+"):
        domain("https://example.com/")


def test_a_filter_list_is_read_in_three_spellings() -> None:
    """Comments, and rules that need a look into requests, are left out."""
    listed = read_list(
        """
        ! a comment
        # another
        [Adblock Plus 2.0]
        ||ads.example^
        ||third.example^$third-party
        @@||good.ads.example^
        0.0.0.0 hosts.example www.hosts.example # a comment behind
        127.0.0.1 localhost
        plain.example
        ||paths.example/banner
        ||typed.example^$image
        /banner/*
        example.com##.ad
        not a rule
        """
    )

    assert listed.domains == {"ads.example", "third.example", "hosts.example", "www.hosts.example", "plain.example"}
    assert "x.ads.example" in listed
    assert "x.good.ads.example" not in listed


def test_the_list_of_our_own_has_nothing_but_domains() -> None:
    """Every line of it that is no comment is read."""
    text = resources.files("wallcrawler.egress").joinpath("ads.txt").read_text()
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]

    listed = read_list(text)

    assert len(listed) == len(rules) > 40
    assert "securepubads.g.doubleclick.net" in listed
    assert "google.com" not in listed
