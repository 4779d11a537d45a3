"""Doubles of DynamoDB's client, for what a stand-in never does."""

from __future__ import annotations

import threading
from typing import Any

from botocore.exceptions import ClientError


def cancelled(*reasons: str) -> ClientError:
    """What a transaction ends with that was not done: a reason for each of its parts."""
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
        "ResponseMetadata": {"HTTPStatusCode": 400, "RetryAttempts": 0},
    }
    return ClientError(answer, "TransactWriteItems")


class CrowdedDynamo:
    """One item, and as DynamoDB does it lets nobody write to it while another's transaction is under way."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._under_way = threading.Lock()
        self._time = threading.Event()
        self.written = 0
        self.refused = 0

    def transact_write_items(self, **_: Any) -> None:
        if not self._under_way.acquire(blocking=False):
            self.refused += 1
            raise cancelled("TransactionConflict")
        try:
            self._time.wait(self._seconds)
            self.written += 1
        finally:
            self._under_way.release()


class BusyDynamo:
    """Refuses a number of times, for the same reason."""

    def __init__(self, *reasons: ClientError) -> None:
        self.left = list(reasons)
        self.calls = 0

    def _answer(self, **_: Any) -> dict[str, Any]:
        self.calls += 1
        if self.left:
            raise self.left.pop(0)
        return {}

    transact_write_items = put_item = delete_item = _answer
