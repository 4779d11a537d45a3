"""Where tasks are reached: from their network interfaces to addresses."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from wallcrawler.aws.errors import translated
from wallcrawler.aws.tasks import interface_of

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

#: Interfaces that EC2 is asked for in one call; it takes 200 values for a filter.
BATCH: Final = 200
#: Addresses that are remembered: several events tell of each task, and an interface's address does not change.
REMEMBERED: Final = 10_000


class Addresses:
    """The addresses of tasks' interfaces, `host:port`. Safe to use from many threads.

    Public ones are EC2's to know; private ones are in what ECS says.
    """

    def __init__(self, ec2: EC2Client, *, public: bool, port: int, remembered: int = REMEMBERED) -> None:
        self._ec2 = ec2
        self._public = public
        self._port = port
        self._remembered = remembered
        self._known: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, told: Mapping[str, Any]) -> str | None:
        """Where the task is reached that ECS tells of, where that is known yet. Raises TryLater."""
        return self.of_all([told])[0]

    def of_all(self, told: Iterable[Mapping[str, Any]]) -> list[str | None]:
        """The same for many, with as few calls as it takes."""
        interfaces = [interface_of(one) for one in told]
        if not self._public:
            return [self._with_port(private) for _, private in interfaces]
        self._look_up({interface for interface, _ in interfaces if interface is not None})
        with self._lock:
            return [self._with_port(self._known.get(interface or "")) for interface, _ in interfaces]

    def _with_port(self, host: str | None) -> str | None:
        return None if host is None else f"{host}:{self._port}"

    def _look_up(self, interfaces: set[str]) -> None:
        with self._lock:
            unknown = sorted(interfaces - self._known.keys())
        for start in range(0, len(unknown), BATCH):
            # By filter: an id that is gone is not an error then, and EC2 allows more of these calls.
            found = self._described(unknown[start : start + BATCH])
            with self._lock:
                self._known |= found
                while len(self._known) > self._remembered:
                    self._known.popitem(last=False)

    def _described(self, interfaces: list[str]) -> dict[str, str]:
        with translated("EC2"):
            answer = self._ec2.describe_network_interfaces(
                Filters=[{"Name": "network-interface-id", "Values": interfaces}]
            )
        return {
            one["NetworkInterfaceId"]: one["Association"]["PublicIp"]
            for one in answer["NetworkInterfaces"]
            if one.get("Association", {}).get("PublicIp")
        }
