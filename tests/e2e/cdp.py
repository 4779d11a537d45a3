"""A client of a session that has nothing but a socket."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect


class Cdp:
    """Commands and their answers; events are passed over."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    @classmethod
    @contextmanager
    def of(cls, session: dict[str, Any]) -> Iterator[Cdp]:
        with connect(session["connectUrl"], max_size=None) as socket:
            yield cls(socket)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        to = {"sessionId": session} if session else {}
        self._socket.send(json.dumps({"id": number, "method": method, "params": params, **to}))
        while True:
            told = json.loads(self._socket.recv(timeout=20))
            if told.get("id") == number:
                assert "error" not in told, told
                return dict(told["result"])

    def targets(self, kind: str) -> list[dict[str, Any]]:
        infos = self.call("Target.getTargets", filter=[{}])["targetInfos"]
        return [target for target in infos if target["type"] == kind]

    def attached(self, target: dict[str, Any]) -> str:
        return str(self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"])

    def value(self, session: str, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", session, expression=expression, awaitPromise=True)
        return answer["result"].get("value")
