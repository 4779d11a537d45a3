"""A service as a process of its own: it runs until it is told to stop, and then finishes what it does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence

import prometheus_client

from wallcrawler import log as logs
from wallcrawler.worker import ThreadedWorker, start_all, stop_all

log = logs.get()


def stop_signal() -> threading.Event:
    """Set when SIGTERM or SIGINT comes. To be called on the main thread."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def run_workers(workers: Sequence[ThreadedWorker], *, stopping: threading.Event, metrics_port: int) -> None:
    """Take jobs until told to stop; then finish those that run and leave the rest in the queue.

    `metrics_port` is where /metrics is served meanwhile, which tells a health check that the process lives; 0: nowhere.
    Raises SettingsError where the broker does not answer.
    """
    start_all(workers)
    server = prometheus_client.start_http_server(metrics_port)[0] if metrics_port else None
    log.info("process.started")
    stopping.wait()
    log.info("process.stopping")
    stop_all(workers)
    if server is not None:
        server.shutdown()
    log.info("process.stopped")
