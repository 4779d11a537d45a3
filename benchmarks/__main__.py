"""`make bench`: prints every measurement beside its floor, its ratio and its limit; exits 1 where a limit is broken."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks import egress, journal, lifecycle, proxy


def p99(values: Sequence[float]) -> float:
    """The 99th percentile; of few values, the largest."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    life, wire, log = lifecycle.measure(rounds), proxy.measure(rounds), journal.measure(rounds)
    way_out = egress.measure(rounds)
    median = statistics.median
    launch, leave = median(life["floor_launch"]), median(life["floor_exit"])
    rows = [
        ("create, POST to 201 (ms)", median(life["create"]), launch, 3.0, "bare Chromium to DevTools listening"),
        ("release, POST to 200 (ms)", median(life["release"]), leave, 2.0, "bare Chromium, SIGTERM to exit"),
        ("CDP round trip (us)", wire["proxied_us"], wire["direct_us"], 1.4, "direct to Chrome"),
        ("2 MB answer (ms)", wire["proxied_2mb_ms"], wire["direct_2mb_ms"], 1.1, "direct to Chrome"),
        ("81 requests 40 ms away, logged (ms)", log["logged_40"], log["unlogged_40"], 1.1, "logSession: false"),
        ("the same without a way (ms)", log["logged_0"], log["unlogged_0"], 2.0, "logSession: false"),
        ("page, 61 requests, http (ms)", way_out["http_egress"], way_out["http_direct"], 1.1, "without egress"),
        ("page, 61 requests, https (ms)", way_out["https_egress"], way_out["https_direct"], 1.1, "without egress"),
        ("CDP round trip, logged (us)", log["logged_us"], log["unlogged_us"], 1.1, "logSession: false"),
    ]
    limits = [
        ("READY written to answered, p99 (ms)", p99(life["wake"]), 25.0),
        ("READY written to answered, median (ms)", median(life["wake"]), 25.0),
        ("idle, resident (MB)", life["idle_mb"][0], 300.0),
        ("idle, one core (%)", life["idle_cpu"][0], 2.0),
    ]
    table = Table("what", "measured", "floor", "ratio", "limit", "the floor is", box=None)
    for what, measured, floor, limit, meaning in rows:
        table.add_row(what, f"{measured:.1f}", f"{floor:.1f}", f"{measured / floor:.2f}", f"{limit}", meaning)
    for what, measured, limit in limits:
        table.add_row(what, f"{measured:.1f}", "", "", f"{limit}", "")
    Console(width=130).print(table)
    broken = [what for what, measured, floor, limit, _ in rows if measured > floor * limit]
    broken += [what for what, measured, limit in limits if measured > limit]
    if broken:
        sys.stderr.write(f"over the limit: {', '.join(broken)}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
