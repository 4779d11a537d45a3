"""Hosts by domain: which sites a page may be of, and which hosts are known for ads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from wallcrawler.egress.addresses import canonical, literal

#: Schemes of which a page has a domain; `blob:` pages have that of who made them.
OF_DOMAINS: Final = ("http", "https")

_ADBLOCK = re.compile(r"(@@)?\|\|([A-Za-z0-9._-]+)\^?(?:\$(?:third-party|important|all|document))?")
_HOSTS = re.compile(r"(?:0\.0\.0\.0|127\.0\.0\.1|::1?)\s+(.+)")


def domain(text: str) -> str:
    """A domain in its usual spelling; `*.example.com` is `example.com`, which has all below it with it. Raises
    ValueError."""
    return canonical(text.removeprefix("*."))


def levels(host: str) -> Iterator[str]:
    """The host, and every domain that it is below."""
    yield host
    if literal(host) is None:
        while "." in host:
            host = host.partition(".")[2]
            yield host


class Domains:
    """Some domains, with all that is below them."""

    def __init__(self, domains: Iterable[str], *, without: Iterable[str] = ()) -> None:
        self.domains = frozenset(domains)
        self.without = frozenset(without)

    def __len__(self) -> int:
        return len(self.domains)

    def __contains__(self, host: object) -> bool:
        """Of a canonical host; the domain that is nearest to it decides."""
        for level in levels(str(host)):
            if level in self.without:
                return False
            if level in self.domains:
                return True
        return False

    def admit(self, url: str) -> bool:
        """Whether a page of this URL may be shown. What has no domain, such as about:blank, is not spoken of here."""
        try:
            parts = urlsplit(url.removeprefix("blob:"))
            return parts.scheme not in OF_DOMAINS or canonical(parts.hostname or "") in self
        except ValueError:
            return False


def read_list(text: str) -> Domains:
    """The domains of a filter list: lines of a hosts file (`0.0.0.0 ads.example`), of Adblock's syntax
    (`||ads.example^`, and `@@||good.ads.example^` for an exception), or a domain alone.

    `#` and `!` begin comments. Adblock's rules for paths, elements or options need a look into requests, and are left
    out; so is whatever else is no domain.
    """
    domains: set[str] = set()
    without: set[str] = set()
    for line in text.splitlines():
        rule = line.partition(" #")[0].strip()
        if not rule or rule[0] in "#![":
            continue
        if adblock := _ADBLOCK.fullmatch(rule):
            (without if adblock[1] else domains).update(_domains([adblock[2]]))
        elif hosts := _HOSTS.fullmatch(rule):
            domains.update(_domains(hosts[1].split()))
        else:
            domains.update(_domains([rule]))
    return Domains(domains, without=without)


def _domains(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            name = domain(text)
        except ValueError:
            continue
        # A name without a dot is of this machine, as hosts files have it for localhost.
        if "." in name and literal(name) is None:
            yield name
