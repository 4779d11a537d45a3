"""Plain HTTP through an HTTP proxy: every request of a connection gets its absolute form, and the proxy's password.

Pure: bytes in, bytes out. Answers need no change, and pass unread.
"""

from __future__ import annotations

import h11

from wallcrawler.wire.caller import HEAD_LIMIT

#: Header fields that are between two neighbours (RFC 9110, 7.6.1), and those of old proxies.
HOP_BY_HOP = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"proxy-authorization", b"te", b"upgrade"})


class BrokenRequest(Exception):
    """What came is no request."""


class Rewriter:
    """The requests of one connection to `origin` (`host:port`), one after another."""

    def __init__(self, origin: str, authorization: str | None) -> None:
        self._origin = origin
        self._authorization = authorization
        self._parser = self._fresh()

    @staticmethod
    def _fresh() -> h11.Connection:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)

    def feed(self, data: bytes) -> bytes:
        """Returns what to send to the proxy. Raises BrokenRequest for what is no HTTP."""
        try:
            return self._rewritten(data)
        except h11.RemoteProtocolError:
            raise BrokenRequest from None

    def _rewritten(self, data: bytes) -> bytes:
        out: list[bytes] = []
        self._parser.receive_data(data)
        while True:
            event = self._parser.next_event()
            if isinstance(event, h11.Request):
                out.append(self._head(event))
                self._chunked = any(name == b"transfer-encoding" for name, _ in event.headers)
            elif isinstance(event, h11.Data):
                body = bytes(event.data)
                out.append(b"%x\r\n%b\r\n" % (len(body), body) if self._chunked else body)
            elif isinstance(event, h11.EndOfMessage):
                if self._chunked:
                    out.append(b"0\r\n\r\n")
                # Of the next request: this parser would wait for an answer of ours.
                rest, self._parser = self._parser.trailing_data[0], self._fresh()
                if not rest:
                    return b"".join(out)
                self._parser.receive_data(rest)
            else:
                return b"".join(out)

    def _head(self, request: h11.Request) -> bytes:
        target = request.target if request.target.startswith(b"/") else b"/"
        lines = [b"%b http://%b%b HTTP/1.1" % (request.method, self._origin.encode(), target)]
        lines += [b"%b: %b" % (name, value) for name, value in request.headers.raw_items() if _end_to_end(name)]
        if self._authorization:
            lines.append(b"Proxy-Authorization: " + self._authorization.encode())
        lines.append(b"Connection: keep-alive")
        return b"\r\n".join(lines) + b"\r\n\r\n"


def _end_to_end(name: bytes) -> bool:
    return name.lower() not in HOP_BY_HOP
