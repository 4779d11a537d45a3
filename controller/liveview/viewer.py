"""One who looks: gets the newest picture as fast as it can take pictures, and never a queue of old ones."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from controller.liveview.websocket import Socket

#: Frames that may be under way to a viewer: one on the net while another is drawn.
UNDER_WAY = 2

#: Seconds between beats, and without any word after which a viewer is gone. Proxies cut what is silent for a minute.
BEAT_EVERY = 20.0
GONE_AFTER = 55.0


class Viewer:
    """What a viewer sees next. Of each kind of message only the newest is kept until it can be sent."""

    def __init__(self, socket: Socket, *, read_only: bool) -> None:
        self.socket = socket
        self.read_only = read_only
        #: The tab that it looks at; "" where there is none, None before it has its place.
        self.page: str | None = None
        self._credit = UNDER_WAY
        self._owed: dict[str, str] = {}
        self._frame: bytes | None = None
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._beating = self._loop.call_later(BEAT_EVERY, self._beat)

    def tell(self, kind: str, **told: Any) -> None:
        """Have it know this; a later message of the same kind takes the place of one that could not be sent yet."""
        self._owed[kind] = json.dumps({"type": kind, **told})
        self.pay()

    def show(self, frame: bytes) -> None:
        self._frame = frame
        self.pay()

    def forget(self) -> None:
        """What was to be shown is of another tab."""
        self._frame = None

    @property
    def wants(self) -> bool:
        """It could take one more picture."""
        return self._credit > 0 and not self.socket.full

    def drawn(self) -> None:
        self._credit = min(UNDER_WAY, self._credit + 1)
        self.pay()

    def heard(self) -> None:
        self._heard_at = self._loop.time()

    def pay(self) -> None:
        """Send what is owed, as far as it is read."""
        while self._owed and not self.socket.full:
            self.socket.say(self._owed.pop(next(iter(self._owed))))
        if self._frame is not None and self.wants:
            frame, self._frame = self._frame, None
            self._credit -= 1
            self.socket.say(frame)

    def _beat(self) -> None:
        if self._loop.time() - self._heard_at > GONE_AFTER:
            self.socket.abort()
            return
        self._beating = self._loop.call_later(BEAT_EVERY, self._beat)
        self.tell("beat")

    def left(self) -> None:
        self._beating.cancel()
