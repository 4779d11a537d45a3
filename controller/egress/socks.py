"""SOCKS 5 (RFC 1928, RFC 1929), both sides of it. Pure: bytes in, bytes out.

Chrome speaks it to the egress, and the egress to proxies that want it. A name is sent as a name: who connects resolves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

from wallcrawler.egress.addresses import literal

VERSION = 5
CONNECT = 1
NO_AUTHENTICATION, PASSWORD, NOTHING_ACCEPTABLE = 0, 2, 0xFF
V4, NAME, V6 = 1, 3, 4

#: Bytes of the longest conversation before a tunnel: a greeting with every method, and a request with a name.
LIMIT = 2 + 255 + 7 + 255


class NotSocks(Exception):
    """What came is no SOCKS 5, or nothing that is served."""


class Reply(IntEnum):
    """What an asked-for connection came to."""

    DONE = 0
    FAILED = 1
    REFUSED = 2
    UNREACHABLE = 4


@dataclass(frozen=True, slots=True)
class Target:
    """Where a tunnel is to lead; `host` is a name or an address, as it was sent."""

    host: str
    port: int


class Host:
    """The server's side, until the client has said where it wants to."""

    def __init__(self) -> None:
        self._unread = b""
        self._greeted = False
        self.target: Target | None = None
        #: What came behind the request.
        self.early = b""

    def feed(self, data: bytes) -> bytes:
        """Returns what to answer; `target` is set when there is one. Raises NotSocks."""
        self._unread += data
        if self._unread[0] != VERSION or len(self._unread) > LIMIT:
            raise NotSocks
        answer = b""
        if not self._greeted:
            if len(self._unread) < 2 or len(self._unread) < 2 + self._unread[1]:
                return b""
            methods, self._unread = self._unread[2 : 2 + self._unread[1]], self._unread[2 + self._unread[1] :]
            if NO_AUTHENTICATION not in methods:
                raise NotSocks
            self._greeted, answer = True, bytes((VERSION, NO_AUTHENTICATION))
        self._read_request()
        return answer

    def _read_request(self) -> None:
        unread = self._unread
        if len(unread) < 5:
            return
        if unread[0] != VERSION or unread[1] != CONNECT or unread[3] not in {V4, NAME, V6}:
            raise NotSocks
        start, length = (5, unread[4]) if unread[3] == NAME else (4, 4 if unread[3] == V4 else 16)
        end = start + length
        if len(unread) < end + 2:
            return
        host = unread[start:end]
        if unread[3] == NAME:
            name = host.decode("latin-1")
        else:
            name = str(IPv4Address(host) if unread[3] == V4 else IPv6Address(host))
        self.target = Target(name, int.from_bytes(unread[end : end + 2], "big"))
        self.early = unread[end + 2 :]


def reply(outcome: Reply) -> bytes:
    """Without the address that is connected to, which is nobody's business."""
    return bytes((VERSION, outcome, 0, V4, 0, 0, 0, 0, 0, 0))


def greeting(*, with_password: bool) -> bytes:
    return bytes((VERSION, 1, PASSWORD if with_password else NO_AUTHENTICATION))


def password(username: str, secret: str) -> bytes:
    """Raises ValueError for more than 255 bytes of either."""
    name, word = username.encode(), secret.encode()
    return bytes((1, len(name))) + name + bytes((len(word),)) + word


def request(target: Target) -> bytes:
    """For a tunnel to a canonical host."""
    if address := literal(target.host):
        host = bytes((V4 if address.version == 4 else V6,)) + address.packed
    else:
        host = bytes((NAME, len(target.host))) + target.host.encode("ascii")
    return bytes((VERSION, CONNECT, 0)) + host + target.port.to_bytes(2, "big")
