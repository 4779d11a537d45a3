"""EC2's DescribeNetworkInterfaces, for the interfaces of tasks: how an interface's id becomes an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from localaws.actions import page_start, page_token
from localaws.arns import Place
from localaws.definitions import Json
from localaws.errors import AwsError
from localaws.state import State
from localaws.tasks import Interface, Task
from localaws.views import private_name
from localaws.wire import numbered

#: The filters that there are, and how the value is told from what the answer shows.
FILTERS: Final[Mapping[str, Callable[[Json], list[str]]]] = {
    "network-interface-id": lambda one: [one["networkInterfaceId"]],
    "private-ip-address": lambda one: [one["privateIpAddress"]],
    "addresses.private-ip-address": lambda one: [one["privateIpAddress"]],
    "association.public-ip": lambda one: [one["association"]["publicIp"]] if one["association"] else [],
    "mac-address": lambda one: [one["macAddress"]],
    "subnet-id": lambda one: [one["subnetId"]],
    "vpc-id": lambda one: [one["vpcId"]],
    "status": lambda one: [one["status"]],
    "description": lambda one: [one["description"]],
    "group-id": lambda one: [group["groupId"] for group in one["groupSet"]],
}

VPC: Final = "vpc-00000000000000000"


class Interfaces:
    """The interfaces of tasks that are not over, each from when its address is known."""

    def __init__(self, state: State, place: Place) -> None:
        self._state = state
        self._place = place

    def describe(self, form: Mapping[str, str]) -> Json:
        """Raises AwsError in EC2's words."""
        shown = {
            interface.eni_id: self._shown(task, interface)
            for task in self._state.live_tasks()
            if (interface := task.interface) is not None and interface.address is not None
        }
        wanted = numbered(form, "NetworkInterfaceId")
        for eni_id in wanted:
            if eni_id not in shown:
                raise AwsError(
                    "InvalidNetworkInterfaceID.NotFound", f"The networkInterface ID '{eni_id}' does not exist"
                )
        chosen = [shown[eni_id] for eni_id in wanted] if wanted else list(shown.values())
        for name, values in _filters(form):
            chosen = [one for one in chosen if set(FILTERS[name](one)) & set(values)]
        return _page(chosen, form, named=bool(wanted))

    def _shown(self, task: Task, interface: Interface) -> Json:
        assert interface.address is not None  # noqa: S101 - only those with an address are shown
        ip = interface.address.ip
        # What reaches a task from outside is the same address here.
        association = (
            {"publicIp": ip, "publicDnsName": private_name(ip), "ipOwnerId": "amazon"} if interface.public else None
        )
        return {
            "networkInterfaceId": interface.eni_id,
            "subnetId": interface.subnet,
            "vpcId": VPC,
            "availabilityZone": task.zone,
            "description": self._place.attachment(interface.attachment_id),
            "ownerId": self._place.account,
            "requesterId": "578734482556",
            "requesterManaged": True,
            "status": "in-use",
            "macAddress": interface.address.mac,
            "privateIpAddress": ip,
            "privateDnsName": private_name(ip),
            "sourceDestCheck": True,
            "interfaceType": "interface",
            "groupSet": [{"groupId": group, "groupName": group} for group in interface.security_groups],
            "attachment": {
                "attachmentId": f"ela-attach-{interface.eni_id.removeprefix('eni-')}",
                "deleteOnTermination": False,
                "deviceIndex": 1,
                "instanceOwnerId": self._place.account,
                "status": "attached",
            },
            "association": association,
            "tagSet": [],
            "ipv6AddressesSet": [],
            "privateIpAddressesSet": [
                {
                    "privateIpAddress": ip,
                    "privateDnsName": private_name(ip),
                    "primary": True,
                    "association": association,
                }
            ],
        }


def _filters(form: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """`Filter.1.Name` and `Filter.1.Value.1`, `.2`, ..."""
    filters = []
    for number in sorted({key.split(".")[1] for key in form if key.startswith("Filter.")}):
        name = form.get(f"Filter.{number}.Name", "")
        if name not in FILTERS:
            raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
        filters.append((name, numbered(form, f"Filter.{number}.Value")))
    return filters


def _page(chosen: list[Any], form: Mapping[str, str], *, named: bool) -> Json:
    if "MaxResults" not in form:
        return {"networkInterfaceSet": chosen}
    if named:
        raise AwsError("InvalidParameterCombination", "The parameter NetworkInterfaceId cannot be used with MaxResults")
    size = form["MaxResults"]
    if not size.isdecimal() or not 5 <= int(size) <= 1000:
        raise AwsError("InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is invalid.")
    start = _start(form.get("NextToken"))
    end = start + int(size)
    shown: Json = {"networkInterfaceSet": chosen[start:end]}
    return shown | ({"nextToken": page_token(end)} if end < len(chosen) else {})


def _start(token: str | None) -> int:
    try:
        return page_start({"nextToken": token})
    except AwsError:
        raise AwsError("InvalidParameterValue", "The token is invalid") from None
