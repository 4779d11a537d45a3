"""Connections of a fetch: each through its door, to the very address that the door was asked about, and in time.

Names are resolved here, so that neither a redirect nor a name that changes its mind leads anywhere else. TLS still
verifies the name. Every wait, from the first name to the last byte, is cut to what is left of the fetch's time.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, TimeoutError
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any, Protocol

import httpcore

from wallcrawler.egress.addresses import Address, canonical, literal


class Door(Protocol):
    """Says why a connection must not be made; None where it may."""

    def __call__(self, host: str, port: int, address: Address) -> str | None: ...

    def by_name(self, host: str, port: int) -> str | None:
        """What can be said of a name before anybody knows its address, or where only a proxy does."""
        ...


#: The addresses of a host, best first. Raises OSError.
Lookup = Callable[[str], Sequence[Address]]


class FetchFailed(Exception):
    """The fetch has no answer. The text is for the caller: it holds no credentials and no query of a URL."""


class Refused(FetchFailed):
    """It leads where nobody may go."""


class NoAddress(FetchFailed):
    """Its name leads nowhere."""


class TimeUp(FetchFailed):
    """It was not done in time."""


class Untrusted(FetchFailed):
    """TLS did not prove who answers."""


def system_lookup(name: str) -> list[Address]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(place[0]).partition("%")[0]) for *_, place in found))


class Names:
    """Where names lead. They are looked up in `threads`, because nothing else bounds the system's wait."""

    def __init__(self, threads: Executor, lookup: Lookup) -> None:
        self._threads = threads
        self._lookup = lookup

    def addresses(self, host: str, left: float) -> Sequence[Address]:
        """At least one. Raises FetchFailed."""
        try:
            name = canonical(host)
        except ValueError as wrong:
            raise FetchFailed(f"{host!r} is no host: {wrong}") from None
        if address := literal(name):
            return (address,)
        try:
            return self._threads.submit(self._lookup, name).result(left)
        except TimeoutError:
            raise TimeUp(f"nobody said in time where {name} is") from None
        except (OSError, ValueError):
            raise NoAddress(f"the name {name} has no address") from None


class Time:
    """What is left of a fetch's seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Raises TimeUp."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise self.up()
        return left

    def up(self) -> TimeUp:
        return TimeUp(f"it was not done within {self._seconds:g} s")


@contextmanager
def in_time(time: Time) -> Iterator[None]:
    """A socket's wait is only ever cut by the fetch's time. Raises TimeUp."""
    try:
        yield
    except httpcore.TimeoutException:
        raise time.up() from None


class Network(httpcore.NetworkBackend):
    """Connections of one fetch, each through the door."""

    def __init__(self, door: Door | None, names: Names, time: Time) -> None:
        self._door = door
        self._names = names
        self._time = time
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        if self._door and (refusal := self._door.by_name(host, port)):
            raise Refused(refusal)
        refusals, tried = [], 0
        for address in self._names.addresses(host, self._time.left()):
            if self._door and (refusal := self._door(host, port, address)):
                refusals.append(refusal)
                continue
            tried += 1
            # Another address may answer where this one does not.
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                stream = self._sockets.connect_tcp(str(address), port, timeout=self._time.left())
                return _Stream(stream, self._time)
        if refusals and not tried:
            raise Refused(refusals[0])
        self._time.left()
        raise FetchFailed(f"nothing answers at {host} port {port}")


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait ends with the fetch's time."""

    def __init__(self, stream: httpcore.NetworkStream, time: Time) -> None:
        self._stream = stream
        self._time = time

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with in_time(self._time):
            return self._stream.read(max_bytes, timeout=self._time.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with in_time(self._time):
            self._stream.write(buffer, timeout=self._time.left())

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            with in_time(self._time):
                secured = self._stream.start_tls(ssl_context, server_hostname, timeout=self._time.left())
        except httpcore.ConnectError as failed:
            why = failed.__cause__ or failed.__context__ or failed
            if isinstance(why, ssl.SSLCertVerificationError):
                raise Untrusted(f"its certificate is not trusted: {why.verify_message}") from None
            raise Untrusted(f"TLS failed: {getattr(why, 'reason', None) or type(why).__name__}") from None
        return _Stream(secured, self._time)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
