"""Events on their way to the queue: kept in the state file until SQS has taken them.

An event is put here in the transaction of the change that it tells of, so that none is lost, however localaws ends. It
is sent at least once, and in the order of changes as long as no fault is switched on.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Final

from localaws.arns import Place
from localaws.events import task_state_change
from localaws.faults import FaultSwitches
from localaws.queue import Queue, QueueDown, batches
from localaws.state import State
from localaws.tasks import Task
from wallcrawler import log as logs

log = logs.get()

#: Seconds for which `reorder` holds an event back, if no other of its task comes first.
HOLD: Final = 2.0

#: Seconds until a queue that did not answer is tried again; doubled each time, up to the second number.
BACKOFF: Final = (0.1, 5.0)


class Outbox:
    """Puts events in, and sends them from a thread of its own. Without a queue, events are for nobody."""

    def __init__(
        self,
        state: State,
        queue: Queue | None,
        faults: FaultSwitches,
        place: Place,
        *,
        now: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._state = state
        self._queue = queue
        self._faults = faults
        self._place = place
        self._now = now
        self._new_id = new_id
        self._rung = threading.Event()
        self._closed = threading.Event()

    def put(self, task: Task) -> None:
        """Inside the transaction of the change."""
        faults = self._faults.now
        if self._queue is None or task.last_status in faults.drop:
            return
        body = json.dumps(task_state_change(task, place=self._place, event_id=self._new_id()))
        due = self._now() + faults.delay
        overtaken = self._state.rows("SELECT seq FROM events WHERE task = ? AND held", task.id)
        held = faults.reorder and not overtaken
        for _ in range(1 + faults.duplicate):
            self._state.rows(
                "INSERT INTO events (task, body, due, held) VALUES (?, ?, ?, ?)",
                task.id,
                body,
                due + HOLD if held else due,
                held,
            )
        for (seq,) in overtaken:
            # A thousandth later is behind the one that overtakes.
            self._state.rows("UPDATE events SET held = 0, due = ? WHERE seq = ?", due + 0.001, seq)

    def ring(self) -> None:
        """Something was put in, and its transaction has ended."""
        self._rung.set()

    def waiting(self) -> int:
        return int(self._state.rows("SELECT count(*) FROM events")[0][0])

    def run(self) -> None:
        """Send until closed, and then what is due and can still be sent."""
        pause = BACKOFF[0]
        while True:
            self._rung.clear()
            try:
                if self.send_due():
                    pause = BACKOFF[0]
                elif self._closed.is_set():
                    return
                else:
                    self._rung.wait(self._until_due())
            except QueueDown as down:
                log.warning("events.not_sent", why=str(down), waiting=self.waiting())
                if self._closed.wait(pause):
                    return
                pause = min(pause * 2, BACKOFF[1])

    def send_due(self) -> int:
        """Send what is due, one call's worth; returns how many events the queue took. Raises QueueDown."""
        if self._queue is None:
            return 0
        due = self._state.rows("SELECT seq, body FROM events WHERE due <= ? ORDER BY due, seq LIMIT 10", self._now())
        if not due:
            return 0
        batch = next(batches(body for _, body in due))
        taken = self._queue.send(batch)
        for place in taken:
            self._state.rows("DELETE FROM events WHERE seq = ?", due[place][0])
        if len(taken) < len(batch):
            raise QueueDown(f"{len(batch) - len(taken)} of {len(batch)} messages were refused")
        return len(taken)

    def _until_due(self) -> float | None:
        """Seconds until the next event is due; None where there is none."""
        earliest = self._state.rows("SELECT min(due) FROM events")[0][0]
        return None if earliest is None else max(0.0, earliest - self._now())

    def close(self) -> None:
        """End `run`. What has not been sent is sent after the next start."""
        self._closed.set()
        self._rung.set()
