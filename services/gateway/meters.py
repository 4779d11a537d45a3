"""What an operator can graph of a gateway. Label values are of a fixed, small set: never an id, never a URL."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

OPEN_SOCKETS: Final = Gauge("wallcrawler_gateway_open_sockets", "WebSockets that are open through this gateway.")
BYTES: Final = Counter("wallcrawler_gateway_bytes", "Bytes that were carried: to_client, or to_browser.", ["direction"])
REFUSALS: Final = Counter(
    "wallcrawler_gateway_refusals", "Requests that this gateway answered by itself, with an error.", ["status"]
)
LOOKUPS: Final = Counter(
    "wallcrawler_gateway_lookups",
    "Where is this session? A hit: it was known. A miss: its record was read.",
    ["result"],
)
PINGS: Final = Counter("wallcrawler_gateway_pings", "WebSocket pings that kept idle connections alive.")
LOST_GUESTS: Final = Counter(
    "wallcrawler_gateway_lost_guests",
    "WebSockets whose browser went without a word, by what the client was told: the reason, or nothing that is known.",
    ["told"],
)
