"""What a session's log costs its clients: page loads and CDP round trips with and without it, in turns.

Two sessions of one instance load the same page. Their client has asked for the events that Playwright asks for.
"""

from __future__ import annotations

import json
import statistics
import time

from benchmarks.lifecycle import RELEASE, instance
from benchmarks.proxy import BATCH, Cdp
from benchmarks.site import site

#: Milliseconds that each answer of the page takes: those of a site in the same part of the world, and none at all,
#: where a page's load is nothing but work, and the log is more of it.
LATENCIES = (40, 0)


class Browsing(Cdp):
    """A client that loads pages."""

    def load(self, url: str) -> float:
        """Milliseconds until the page's load event."""
        began = time.perf_counter()
        self._send(json.dumps({"id": 0, "method": "Page.navigate", "params": {"url": url}, **self._session}).encode())
        while json.loads(self._receive()).get("method") != "Page.loadEventFired":
            pass
        return (time.perf_counter() - began) * 1000


def measure(rounds: int) -> dict[str, float]:
    """Medians of `rounds` each way, in turns: milliseconds of a page's load, microseconds of a round trip."""
    taken: dict[str, list[float]] = {}
    with instance() as running:
        clients = {}
        for name in ("logged", "unlogged"):
            wish = {"keepAlive": True, "browserSettings": {"logSession": name == "logged"}}
            session = running.call("POST", "/v1/sessions", wish)
            clients[name] = client = Browsing(session["connectUrl"])
            client.attach()
            for domain in ("Page", "Network", "Runtime", "Log"):
                client.call(f"{domain}.enable")
        for latency in LATENCIES:
            with site(latency) as url:
                for turn in range(-2, rounds):
                    for name in sorted(clients, reverse=turn % 2 == 0):
                        milliseconds = clients[name].load(url)
                        if turn >= 0:
                            taken.setdefault(f"{name}_{latency}", []).append(milliseconds)
        for _ in range(rounds):
            for name, client in clients.items():
                for _ in range(BATCH):
                    began = time.perf_counter()
                    client.call("Browser.getVersion")
                    taken.setdefault(f"{name}_us", []).append((time.perf_counter() - began) * 1e6)
        for client in clients.values():
            client.close()
        for session in running.call("GET", "/v1/sessions?status=RUNNING"):
            running.call("POST", f"/v1/sessions/{session['id']}", RELEASE)
    return {name: statistics.median(values) for name, values in taken.items()}
