"""The fetches of this process: how many at once, and what becomes of one that fails."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import httpx

from services.api import bodies
from services.api.answers import NO_RETRY, Refusal
from services.api.fetch.client import Client, Fetched, TooLarge, is_web
from services.api.fetch.door import Door, Listeners
from services.api.fetch.network import FetchFailed, Names, Refused, TimeUp, Untrusted, system_lookup
from wallcrawler import log as logs
from wallcrawler import metrics
from wallcrawler.egress.addresses import canonical
from wallcrawler.settings import Settings

log = logs.get()

#: Seconds after which an API that is busy with fetches may be asked again.
RETRY_AFTER: Final = 1

#: Characters of the longest URL.
URL_LIMIT: Final = 8192

#: Where trying again changes nothing, the SDKs are told not to.
_FINAL: Final = (TooLarge, Untrusted, TimeUp)


class Fetching:
    """`client` takes the place of one that follows the settings."""

    def __init__(self, settings: Settings, *, client: Client | None = None) -> None:
        self._pool = settings.proxy_pool
        self._places = threading.BoundedSemaphore(settings.fetch_threads)
        self._client = client or _client(settings)

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of those that are worked on at once. Raises Refusal 429."""
        if not self._places.acquire(blocking=False):
            metrics.FETCHES.labels("too_many").inc()
            busy = {"retry-after": str(RETRY_AFTER)}
            raise Refusal(429, "too many fetches are being worked on; ask again in a moment", busy)
        try:
            yield
        finally:
            self._places.release()

    def fetch(self, wish: bodies.Fetch) -> Fetched:
        """Raises Refusal: 400 for the URL, 403 where it may not lead, 501 for what is not served, 502 and 504."""
        url = checked_url(wish.url)
        proxy = random.choice(self._pool) if wish.proxies and self._pool else None  # noqa: S311 - for balance alone
        self._refuse_what_is_not_served(wish)
        try:
            fetched = self._client.fetch(
                url, follow=wish.allow_redirects, insecure=wish.allow_insecure_ssl, proxy=proxy
            )
        except FetchFailed as failed:
            raise _refusal(failed, url) from None
        metrics.FETCHES.labels("answered").inc()
        log.info("fetch.answered", host=fetched.url.host, status=fetched.status, bytes=len(fetched.body))
        return fetched

    def _refuse_what_is_not_served(self, wish: bodies.Fetch) -> None:
        if wish.format == "json" and wish.shape is not None:
            raise Refusal(
                501,
                "body/schema needs an extractor, and this server has none; without it, json is what the URL answers",
                NO_RETRY,
            )
        if wish.context_id is not None:
            raise Refusal(
                501,
                "body/contextId is not served: its cookies are in a browser's profile. Create a session "
                "with the context",
                NO_RETRY,
            )
        if wish.proxies and not self._pool:
            raise Refusal(400, "body/proxies must be false: this server has no proxies (WALLCRAWLER_PROXIES)")


def checked_url(text: str) -> httpx.URL:
    """Raises Refusal 400."""
    if len(text) > URL_LIMIT:
        raise Refusal(400, f"body/url must NOT have more than {URL_LIMIT} characters")
    try:
        url = httpx.URL(text)
        canonical(url.host)
    except (httpx.InvalidURL, ValueError):
        raise Refusal(400, "body/url must be a URL") from None
    if not is_web(url):
        raise Refusal(400, "body/url must be a URL of http or https, with a port from 1 to 65535 where it has one")
    return url


def _client(settings: Settings) -> Client:
    names = Names(ThreadPoolExecutor(settings.fetch_threads, thread_name_prefix="names"), system_lookup)
    door = Door(settings, listeners=_listeners(settings), lookup=system_lookup)
    return Client(door, names, limit=settings.fetch_limit, within=settings.fetch_within)


def _listeners(settings: Settings) -> Listeners:
    """In a container of its own, this process is all of ours that listens; psutil is not there either."""
    if settings.mode != "embedded":
        return frozenset[int]
    from wallcrawler.local.listeners import own_ports  # noqa: PLC0415 - psutil is optional

    return own_ports


def _refusal(failed: FetchFailed, url: httpx.URL) -> Refusal:
    """The answer for a fetch that has none."""
    status = 403 if isinstance(failed, Refused) else 504 if isinstance(failed, TimeUp) else 502
    outcome = {403: "refused", 504: "timed_out"}.get(status, "failed")
    metrics.FETCHES.labels(outcome).inc()
    log.info("fetch.failed", host=url.host, status=status, why=str(failed))
    return Refusal(status, str(failed), NO_RETRY if isinstance(failed, _FINAL) else None)
