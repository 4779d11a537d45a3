"""The doorbell: Redis pub/sub wakes whoever waits for a session, in whatever process.

A ring is `PUBLISH session:<id>` with nothing in it. One connection of a process carries all of its waiters: a
dispatcher thread owns it, subscribes and unsubscribes as they come and go, and turns messages into local events. While
the server is away nobody is told, and when it is back everybody is woken to look for himself.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from wallcrawler import log as logs
from wallcrawler.errors import TryLater

log = logs.get()

#: Seconds that a subscription may take to be confirmed before its waiter relies on re-reading.
SUBSCRIBE_WITHIN = 1.0
#: Seconds between attempts to get a lost connection back.
RECONNECT_EVERY = 0.5
#: Seconds after which a silent connection is asked whether it still lives.
PING_EVERY = 30.0


class _Waiter:
    """One caller, until its session has changed."""

    def __init__(self, channel: str) -> None:
        self.channel = channel.encode()
        self.subscribed = threading.Event()
        self._rung = threading.Event()

    def wake(self) -> None:
        self._rung.set()

    def wait(self, seconds: float) -> bool:
        rung = self._rung.wait(max(0.0, seconds))
        self._rung.clear()
        return rung


class RedisBell:
    """The Bell port on Redis pub/sub. `namespace` keeps deployments apart that share a server."""

    def __init__(self, url: str, *, namespace: str = "") -> None:
        self._prefix = f"{namespace}:session:" if namespace else "session:"
        # No retries inside the client: this class knows what to do without a server.
        self._redis = redis.Redis.from_url(
            url, socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 0), health_check_interval=0
        )
        self._waiters: dict[bytes, set[_Waiter]] = {}
        self._lock = threading.Lock()
        self._orders: deque[tuple[str, bytes]] = deque()
        self._order_pipe, self._order_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self, session_id: str) -> None:
        try:
            self._redis.publish(self._prefix + session_id, b"")
        except redis.RedisError as away:
            raise TryLater(f"Redis does not answer: {type(away).__name__}", after=1) from None

    def ping(self) -> None:
        try:
            self._redis.ping()
        except redis.RedisError as away:
            raise TryLater(f"Redis does not answer: {type(away).__name__}", after=1) from None

    @contextmanager
    def listen(self, session_id: str) -> Iterator[_Waiter]:
        waiter = _Waiter(self._prefix + session_id)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._dispatch, name="bell", daemon=True)
                self._thread.start()
            self._waiters.setdefault(waiter.channel, set()).add(waiter)
            # Also where others listen already: their subscription may not be confirmed yet, and this one's answer is.
            self._order("SUBSCRIBE", waiter.channel)
        try:
            waiter.subscribed.wait(SUBSCRIBE_WITHIN)
            yield waiter
        finally:
            with self._lock:
                others = self._waiters[waiter.channel]
                others.discard(waiter)
                if not others:
                    del self._waiters[waiter.channel]
                    self._order("UNSUBSCRIBE", waiter.channel)

    def _order(self, command: str, name: bytes) -> None:
        """The lock must be held: after `close` the pipe's number may be somebody else's."""
        if self._closing.is_set():
            return
        self._orders.append((command, name))
        with suppress(BlockingIOError):  # a full pipe wakes the dispatcher just as well
            os.write(self._order_end, b".")

    def _dispatch(self) -> None:
        """The one thread that speaks on the subscription."""
        while not self._closing.is_set():
            pubsub = self._redis.pubsub()  # type: ignore[no-untyped-call]
            try:
                self._serve(pubsub)
            except (redis.RedisError, OSError) as lost:
                log.warning("bell.lost", why=type(lost).__name__)
            finally:
                with suppress(redis.RedisError, OSError):
                    pubsub.close()
            self._closing.wait(RECONNECT_EVERY)

    def _serve(self, pubsub: Any) -> None:
        with self._lock:
            # What was ordered before is covered by subscribing to all that is waited for now.
            self._orders.clear()
            names = list(self._waiters)
        pubsub.subscribe(b"wallcrawler:bell", *names)
        # Not select(), which knows no file descriptor above 1023.
        poll = select.poll()
        poll.register(pubsub.connection._sock, select.POLLIN)
        poll.register(self._order_pipe, select.POLLIN)
        self._wake_all()
        while not self._closing.is_set():
            readable = {file for file, _ in poll.poll(PING_EVERY * 1000)}
            if not readable:
                pubsub.ping()
            if self._order_pipe in readable:
                with suppress(BlockingIOError):
                    os.read(self._order_pipe, 4096)
                self._obey(pubsub)
            while message := pubsub.get_message(timeout=0):
                self._heard(message)

    def _obey(self, pubsub: Any) -> None:
        while self._orders:
            command, name = self._orders.popleft()
            with self._lock:
                wanted = name in self._waiters
            # An order may have been overtaken by its opposite; what is wanted now is what counts.
            if command == "SUBSCRIBE" and wanted:
                pubsub.subscribe(name)
            elif command == "UNSUBSCRIBE" and not wanted:
                pubsub.unsubscribe(name)

    def _heard(self, message: dict[str, Any]) -> None:
        with self._lock:
            waiters = list(self._waiters.get(message["channel"] or b"", ()))
        for waiter in waiters:
            waiter.subscribed.set()
            if message["type"] == "message":
                waiter.wake()

    def _wake_all(self) -> None:
        with self._lock:
            waiters = [waiter for group in self._waiters.values() for waiter in group]
        for waiter in waiters:
            waiter.wake()

    def close(self) -> None:
        with self._lock:
            if self._closing.is_set():
                return
            self._closing.set()
        with suppress(BlockingIOError):
            os.write(self._order_end, b".")
        if self._thread is not None:
            self._thread.join(5)
        self._redis.close()
        os.close(self._order_pipe)
        os.close(self._order_end)
