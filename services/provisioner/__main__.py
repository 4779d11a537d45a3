"""`python -m services.provisioner`: the provisioner as a process of its own."""

from __future__ import annotations

import sys

from services.provisioner.app import workers
from wallcrawler import log as logs
from wallcrawler import process, trace
from wallcrawler.errors import SettingsError
from wallcrawler.settings import Settings
from wallcrawler.wiring.deployed import deployed


def main() -> None:
    """Raises SettingsError."""
    settings = Settings.load()
    logs.configure(service="provisioner", fmt=settings.log_format, level=settings.log_level)
    trace.configure(service="provisioner", endpoint=settings.otlp_endpoint)
    stopping = process.stop_signal()
    ports = deployed(settings, "provisioner")
    process.run_workers(workers(ports), stopping=stopping, metrics_port=settings.metrics_port)
    ports.close()
    trace.shut_down()


if __name__ == "__main__":
    try:
        main()
    except SettingsError as wrong:
        sys.exit(f"provisioner: {wrong}")
