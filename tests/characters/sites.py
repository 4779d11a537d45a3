"""Sites of the web, on loopback: each path answers what a test has put there."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

#: Content type and body; or a status and where to, for a redirect.
Page = tuple[str, str] | tuple[int, str]


class Site:
    """What it answers, and what it was asked for."""

    def __init__(self, port: int, pages: dict[str, Page]) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.pages = pages
        #: `GET /path`, with the host that was asked for behind an @.
        self.asked: list[str] = []


@contextmanager
def running(pages: Mapping[str, Page] | None = None, *, context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A site on loopback that answers `ok` to what it has no page for."""

    class Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            site.asked.append(f"{self.command} {self.path} @{self.headers.get('Host')}")
            first, second = site.pages.get(self.path.partition("?")[0], ("text/html", "<title>a site</title>ok"))
            content = body or (second.encode() if isinstance(first, str) else b"")
            self.send_response(200 if isinstance(first, str) else first)
            if isinstance(first, str):
                self.send_header("Content-Type", first)
            else:
                self.send_header("Location", second)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet: a test's output is its own."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        site = Site(server.server_port, dict(pages or {}))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield site
        server.shutdown()
