"""What an operator can graph and be woken by. Label values are of a fixed, small set: never an id, never a URL."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CREATES: Final = Counter(
    "wallcrawler_creates", "Answers to POST /v1/sessions, by outcome: created, or the reason why not.", ["outcome"]
)
WAKE_SECONDS: Final = Histogram(
    "wallcrawler_wake_seconds",
    "From READY being written to the waiting request having read it.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5),
)
CREATE_SECONDS: Final = Histogram(
    "wallcrawler_create_seconds",
    "From POST /v1/sessions to its answer, whatever that is.",
    buckets=(0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 20, 45),
)
STATE_SECONDS: Final = Histogram(
    "wallcrawler_state_seconds",
    "How long sessions stayed in a state, observed as they leave it.",
    ["state"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 300, 900, 3600, 21600),
)
ENDINGS: Final = Counter("wallcrawler_endings", "Ended sessions, by the word of their endedReason.", ["reason"])
STALE_EVENTS: Final = Counter(
    "wallcrawler_stale_events", "Events that changed nothing: duplicates and latecomers.", ["event"]
)
ACTIVE_SESSIONS: Final = Gauge("wallcrawler_active_sessions", "Sessions that live now, over all projects.")
WAITING_CREATES: Final = Gauge("wallcrawler_waiting_creates", "Creates that wait for their browser in this process.")
FETCHES: Final = Counter(
    "wallcrawler_fetches",
    "POST /v1/fetch, by outcome: answered, refused, failed, timed_out, or too_many at once.",
    ["outcome"],
)
SWEEP_REPAIRS: Final = Counter("wallcrawler_sweep_repairs", "What sweep had to put right, by kind.", ["kind"])
