"""An HTTP client for URLs that strangers choose: GET, in a bounded time, and of a bounded size.

It has no memory from one fetch to the next: no cookies, no connections.
"""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import httpcore
import httpx

from services.api.fetch.decoding import Undecodable, decoded
from services.api.fetch.network import Door, FetchFailed, Names, Network, NoAddress, Refused, Time
from wallcrawler.egress.routes import Upstream

#: Redirects that are followed.
REDIRECTS: Final = 10

#: Bytes that are read at once.
CHUNK: Final = 64 << 10

PORTS: Final = {"http": 80, "https": 443}

#: What a fetch says it is.
HEADERS: Final = {"User-Agent": "Mozilla/5.0 (compatible; Wallcrawler)", "Accept": "*/*", "Accept-Encoding": "gzip"}


class TooLarge(FetchFailed):
    """The body is longer than is kept."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL answered, whatever its status; the body is without its transfer's encodings."""

    url: httpx.URL
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Client:
    """Safe to use from many threads. `limit` is the longest body in bytes, `within` the time of a fetch in seconds."""

    def __init__(self, door: Door, names: Names, *, limit: int, within: float) -> None:
        self._door = door
        self._names = names
        self._limit = limit
        self._within = within

    @cached_property
    def _verifying(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()

    @cached_property
    def _trusting(self) -> ssl.SSLContext:
        return httpx.create_ssl_context(verify=False)

    def fetch(
        self, url: httpx.URL, *, follow: bool = False, insecure: bool = False, proxy: Upstream | None = None
    ) -> Fetched:
        """GET it, through the proxy where there is one. Raises FetchFailed."""
        time = Time(self._within)
        cookies = httpx.Cookies()
        with self._pool(time, self._trusting if insecure else self._verifying, proxy) as pool:
            for _ in range(REDIRECTS + 1):
                if proxy:
                    self._admit(url, time)
                request = httpx.Request("GET", url, headers=HEADERS | _credentials(url), cookies=cookies)
                try:
                    with pool.stream("GET", _place(url), headers=request.headers.raw) as raw:
                        answer = httpx.Response(raw.status, headers=raw.headers, request=request)
                        if not (follow and answer.has_redirect_location):
                            return Fetched(url, raw.status, _headers(answer), self._body(answer, raw))
                except httpcore.ProxyError:
                    raise FetchFailed(f"the proxy does not lead to {url.host}") from None
                except (httpcore.NetworkError, httpcore.ProtocolError) as failed:
                    raise FetchFailed(f"the connection to {url.host} failed: {type(failed).__name__}") from None
                cookies.extract_cookies(answer)
                url = _redirected(url, answer.headers["location"])
        raise FetchFailed(f"it redirects more than {REDIRECTS} times")

    def _pool(self, time: Time, tls: ssl.SSLContext, proxy: Upstream | None) -> httpcore.ConnectionPool:
        if proxy is None:
            return httpcore.ConnectionPool(ssl_context=tls, network_backend=Network(self._door, self._names, time))
        # The operator's own proxy may be anywhere.
        how: dict[str, Any] = {
            "proxy_url": httpcore.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/"),
            "proxy_auth": (proxy.username, proxy.password) if proxy.username or proxy.password else None,
            "ssl_context": tls,
            "network_backend": Network(None, self._names, time),
        }
        if proxy.scheme == "socks5":
            return httpcore.SOCKSProxy(**how)
        return httpcore.HTTPProxy(**how, proxy_ssl_context=self._verifying if proxy.scheme == "https" else None)

    def _admit(self, url: httpx.URL, time: Time) -> None:
        """The proxy connects, and asks nobody here: the name must do, and its addresses where it has some here too.

        Raises FetchFailed.
        """
        port = url.port or PORTS[url.scheme]
        if refusal := self._door.by_name(url.host, port):
            raise Refused(refusal)
        try:
            addresses = self._names.addresses(url.host, time.left())
        except NoAddress:
            return
        for address in addresses:
            if refusal := self._door(url.host, port, address):
                raise Refused(refusal)

    def _body(self, answer: httpx.Response, raw: httpcore.Response) -> bytes:
        body = bytearray()
        try:
            for piece in decoded(raw.iter_stream(), answer.headers.get("content-encoding", ""), at_once=CHUNK):
                body += piece
                if len(body) > self._limit:
                    raise TooLarge(f"the answer's body has more than {self._limit} bytes")
        except Undecodable as broken:
            raise FetchFailed(str(broken)) from None
        return bytes(body)


def is_web(url: httpx.URL) -> bool:
    """Whether there can be a page: by its scheme, with a host and a port that there is."""
    return url.scheme in PORTS and bool(url.host) and (url.port is None or 0 < url.port <= 65_535)


def _place(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _credentials(url: httpx.URL) -> dict[str, str]:
    """Those of the URL, as browsers send them; a redirect elsewhere has none."""
    if not url.userinfo:
        return {}
    pair = f"{url.username}:{url.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _headers(answer: httpx.Response) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in answer.headers.multi_items())


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    """Raises FetchFailed."""
    try:
        there = url.join(location)
    except httpx.InvalidURL:
        there = httpx.URL()
    if not is_web(there):
        raise FetchFailed("it redirects to what is no URL of http or https")
    return there
