"""A page of this machine that is as far away as others are: SCRIPTS and PICTURES, each of which takes its time.

`python -m benchmarks.site MILLISECONDS` serves it and prints its address; `site` does so in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Scripts of the page, each of which says one thing, and pictures.
SCRIPTS, PICTURES = 20, 60


class Page(BaseHTTPRequestHandler):
    """Answers whatever is asked for by its ending."""

    protocol_version = "HTTP/1.1"
    seconds = 0.0

    def do_GET(self) -> None:
        time.sleep(self.seconds)  # the way there and back
        path = self.path.partition("?")[0]
        kind, body = "text/html", "<!doctype html><title>page</title>"
        if path == "/":
            body += "".join(f'<script src="{number}.js"></script>' for number in range(SCRIPTS))
            body += "".join(f'<img src="{number}.svg">' for number in range(PICTURES))
        elif path.endswith(".js"):
            kind, body = "text/javascript", f"console.log('script', {{path: '{path}'}})"
        elif path.endswith(".svg"):
            kind, body = "image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg"/>'
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """In silence."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A browser that goes takes its connections along."""


@contextmanager
def site(milliseconds: int) -> Iterator[str]:
    """The page's address, while it is served."""
    command = [sys.executable, "-u", "-m", "benchmarks.site", str(milliseconds)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


if __name__ == "__main__":
    Page.seconds = int(sys.argv[1]) / 1000
    serving = Server(("127.0.0.1", 0), Page)
    print(f"http://127.0.0.1:{serving.server_port}/")
    serving.serve_forever()
