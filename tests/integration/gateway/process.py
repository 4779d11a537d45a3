"""A gateway as a process of its own, for tests that signal or weigh it: the real `run`, on the adapters of one machine.

What it is to use comes as JSON on stdin, because a password is in it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from services.gateway.server import run
from wallcrawler import log as logs
from wallcrawler.bell import RedisBell
from wallcrawler.clock import SystemClock
from wallcrawler.local.tables import SqliteTables
from wallcrawler.sessions import Sessions
from wallcrawler.tokens import Verifier


def main() -> None:
    given = json.load(sys.stdin)
    logs.configure(service="gateway", fmt="json", level="INFO")
    tables = SqliteTables(Path(given["database"]))
    bell = RedisBell(given["redis_url"], namespace=given["namespace"])
    run(
        sessions=Sessions(tables, SystemClock()),
        bell=bell,
        verifier=Verifier(given["verify_keys"]),
        dependencies={"tables": tables.ping, "bell": bell.ping},
        host="127.0.0.1",
        port=given["port"],
        drain=given["drain"],
    )
    bell.close()
    tables.close()


if __name__ == "__main__":
    main()
