"""A service as a process of its own: it runs until it is told to stop, and then finishes what it does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
    with serving_metrics(metrics_port):
        log.info("process.started")
        stopping.wait()
        log.info("process.stopping")
        stop_all(workers)
    log.info("process.stopped")


@contextmanager
def serving_metrics(port: int) -> Iterator[None]:
    """Serve /metrics on this port meanwhile, to whoever reaches it; 0: nowhere."""
    if not port:
        yield
        return
    server, thread = prometheus_client.start_http_server(port)
    yield
    server.shutdown()
    server.server_close()
    thread.join()
