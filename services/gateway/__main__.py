"""`python -m services.gateway`: a gateway as a process of its own."""

from __future__ import annotations

import sys

from services.gateway.server import run
from wallcrawler import log as logs
from wallcrawler.errors import SettingsError
from wallcrawler.settings import Settings
from wallcrawler.tokens import Verifier
from wallcrawler.wiring.deployed import deployed


def main() -> None:
    """Raises SettingsError."""
    settings = Settings.load()
    logs.configure(service="gateway", fmt=settings.log_format, level=settings.log_level)
    ports = deployed(settings, "gateway")
    run(
        sessions=ports.sessions,
        bell=ports.bell,
        verifier=Verifier(ports.verify_keys),
        dependencies={"tables": ports.tables.ping, "bell": ports.bell.ping},
        host=settings.host,
        port=settings.port,
        drain=settings.drain,
    )
    ports.close()


if __name__ == "__main__":
    try:
        main()
    except SettingsError as wrong:
        sys.exit(f"gateway: {wrong}")
