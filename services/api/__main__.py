"""`python -m services.api`: the API as a process of its own."""

from __future__ import annotations

import sys
from contextlib import suppress

from services.api.server import Server
from wallcrawler import log as logs
from wallcrawler import process, trace
from wallcrawler.errors import SettingsError, TryLater
from wallcrawler.listening import listening
from wallcrawler.settings import Settings
from wallcrawler.wiring.deployed import deployed

log = logs.get()


def main() -> None:
    """Raises SettingsError."""
    settings = Settings.load()
    logs.configure(service="api", fmt=settings.log_format, level=settings.log_level)
    trace.configure(service="api", endpoint=settings.otlp_endpoint)
    stopping = process.stop_signal()
    ports = deployed(settings, "api")
    with suppress(TryLater):
        # What deletions have left; a store that is busy now is asked again at the next deletion.
        ports.contexts.tidy()
    with listening(settings.host, settings.port) as listener, process.serving_metrics(settings.metrics_port):
        server = Server(ports, listener)
        server.start()
        log.info("process.started", port=listener.getsockname()[1])
        stopping.wait()
        log.info("process.stopping")
        server.stop()
    ports.close()
    trace.shut_down()
    log.info("process.stopped")


if __name__ == "__main__":
    try:
        main()
    except SettingsError as wrong:
        sys.exit(f"api: {wrong}")
