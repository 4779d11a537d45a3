"""Which proxy a host is reached through: the first rule that matches; none: directly. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from wallcrawler.egress.addresses import canonical

#: Schemes of proxies, and the ports that they have where none is named.
SCHEMES: Final = {"http": 80, "https": 443, "socks5": 1080}

#: Characters of a pattern for domains, and how many repetitions it may have: more would let a page's host names keep
#: the one who matches them busy.
PATTERN_LIMIT: Final = 255
REPETITIONS: Final = 3

#: Bytes of a user's name and of a password, as SOCKS has it.
CREDENTIAL_LIMIT: Final = 255

_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
_BELOW = re.compile(r"\*\.[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Upstream:
    """A proxy. `trusted`: the operator's own, which may be in a private network."""

    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    trusted: bool = False

    @classmethod
    def parse(cls, server: str, *, username: str = "", password: str = "", trusted: bool = False) -> Upstream:
        """`http://proxy.example:3128`; without a scheme it is http. Raises ValueError, with a phrase that holds nothing
        of what was given."""
        text = server if "://" in server else f"http://{server}"
        try:
            url = urlsplit(text)
            host, port = canonical(url.hostname or ""), url.port
        except ValueError:
            raise ValueError("must be a URL such as http://proxy.example:3128") from None
        if url.scheme not in SCHEMES:
            raise ValueError(f"must have one of the schemes {', '.join(SCHEMES)}")
        if url.path not in {"", "/"} or url.query or url.fragment:
            raise ValueError("must have no path, query or fragment")
        if port == 0:
            raise ValueError("must have a port from 1 to 65535")
        if url.username is not None or url.password is not None:
            if username or password:
                raise ValueError("must have no credentials where username or password is given too")
            username, password = unquote(url.username or ""), unquote(url.password or "")
        if max(len(username.encode()), len(password.encode())) > CREDENTIAL_LIMIT:
            raise ValueError(f"must have credentials of at most {CREDENTIAL_LIMIT} bytes each")
        return cls(url.scheme, host, port or SCHEMES[url.scheme], username, password, trusted)

    @property
    def place(self) -> str:
        """For a message or a log: without credentials."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def pool(urls: str) -> tuple[Upstream, ...]:
    """An operator's proxies, their URLs with commas between. Raises ValueError that holds none of them."""
    return tuple(Upstream.parse(url.strip(), trusted=True) for url in urls.split(",") if url.strip())


def matcher(pattern: str) -> re.Pattern[str]:
    """What a `domainPattern` matches: a domain and all below it (`example.com`), all below it alone (`*.example.com`),
    or, where it is neither, a regular expression for the whole host or the end of it behind a dot (`.*\\.gov`).

    Raises ValueError, with a phrase that says what is wrong.
    """
    if not 0 < len(pattern) <= PATTERN_LIMIT:
        raise ValueError(f"must be of 1 to {PATTERN_LIMIT} characters")
    if _BELOW.fullmatch(pattern):
        return re.compile(rf".+\.{re.escape(pattern[2:])}", re.IGNORECASE)
    if _PLAIN.fullmatch(pattern):
        return re.compile(rf"(?:.+\.)?{re.escape(pattern)}", re.IGNORECASE)
    if pattern == "*":
        return re.compile(".*")
    unescaped = re.sub(r"\\.", "", pattern)
    if len(re.findall(r"[*+{]", unescaped)) > REPETITIONS or re.search(r"\)[*+{]|\(\?", unescaped):
        raise ValueError(f"must repeat no groups, have no (?...), and at most {REPETITIONS} of * + {{")
    try:
        # Anchors are there already, and harmless inside.
        return re.compile(rf"(?:.+\.)?(?:{pattern})", re.IGNORECASE)
    except re.error as wrong:
        raise ValueError(f"must be a domain, *.domain or a regular expression ({wrong.msg})") from None


@dataclass(frozen=True, slots=True)
class Rule:
    """Hosts of this pattern (None: all) go through this proxy; None: directly."""

    pattern: str | None
    upstream: Upstream | None

    def as_wire(self) -> dict[str, Any]:
        return {"pattern": self.pattern, "upstream": asdict(self.upstream) if self.upstream else None}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Rule:
        return cls(wire["pattern"], Upstream(**wire["upstream"]) if wire["upstream"] else None)


class Routes:
    """The rules of one session, in order."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(matcher(rule.pattern) if rule.pattern else None, rule.upstream) for rule in rules]

    def upstream(self, host: str) -> Upstream | None:
        """The proxy for a canonical host; None: it is reached directly."""
        for pattern, upstream in self._rules:
            if pattern is None or pattern.fullmatch(host):
                return upstream
        return None
