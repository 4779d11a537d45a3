"""What a person may type into the address field: addresses of the web, and nothing else that Chrome opens.

Pure. Chrome would also take file:, chrome: and javascript: addresses here; those are not for whoever has a debug URL.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

#: Characters of the longest address.
LONGEST = 8_192

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.ASCII | re.IGNORECASE)
_PORT = re.compile(r"[^/?#]*:\d{1,5}(?:[/?#].*)?", re.ASCII)


class NoAddress(ValueError):
    """The text is no address that a person may go to; it says why, for that person."""


def web_address(typed: str) -> str:
    """The address that was meant. Without a scheme it is https, and http on one's own machine. Raises NoAddress."""
    text = typed.strip()
    if not text or len(text) > LONGEST or not text.isprintable():
        raise NoAddress(f"an address has from 1 to {LONGEST} characters, and none that can't be seen")
    if text.lower() == "about:blank":
        return "about:blank"
    found = _SCHEME.match(text)
    if found is None or _PORT.fullmatch(text):
        text = f"{_usual_scheme(text)}://{text}"
    elif found[1].lower() not in {"http", "https"}:
        raise NoAddress(f"{found[1].lower()}: addresses are not opened here; http and https are")
    try:
        host = urlsplit(text).hostname
    except ValueError:
        host = None
    if not host or " " in host:
        raise NoAddress("this is no address of the web")
    return text


def _usual_scheme(text: str) -> str:
    try:
        host = urlsplit(f"//{text}").hostname or ""
    except ValueError:
        return "https"
    try:
        ip_address(host)
    except ValueError:
        return "http" if host == "localhost" or host.endswith(".localhost") else "https"
    return "http"
