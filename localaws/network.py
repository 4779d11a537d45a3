"""Addresses for tasks that share one host: each has its own in 127.0.0.0/8, all of which Linux routes to itself."""

from __future__ import annotations

import random
import threading

from localaws.tasks import Address


class LoopbackAddresses:
    """Gives each task an address of its own.

    They are drawn at random out of 16 million, so that two instances on one host hardly ever meet.
    """

    def __init__(self, draw: random.Random | None = None) -> None:
        self._draw = draw or random.SystemRandom()
        self._taken: dict[str, Address] = {}
        self._lock = threading.Lock()

    def take(self, task_id: str) -> Address:
        """The task's address, the same each time."""
        with self._lock:
            if known := self._taken.get(task_id):
                return known
            used = {address.ip for address in self._taken.values()}
            while (ip := self._candidate()) in used:
                pass
            address = Address(ip=ip, mac=mac_of(ip))
            self._taken[task_id] = address
            return address

    def keep(self, task_id: str, ip: str) -> None:
        """Note an address that a task has from before."""
        with self._lock:
            self._taken[task_id] = Address(ip=ip, mac=mac_of(ip))

    def give_back(self, task_id: str) -> None:
        with self._lock:
            self._taken.pop(task_id, None)

    def _candidate(self) -> str:
        # 127.0 is left alone: other programs of the host listen there.
        return f"127.{self._draw.randint(1, 254)}.{self._draw.randint(0, 255)}.{self._draw.randint(1, 254)}"


def mac_of(ip: str) -> str:
    """A locally administered hardware address, made from the address as Docker makes its own."""
    return ":".join(["02", "42", *(f"{int(part):02x}" for part in ip.split("."))])
