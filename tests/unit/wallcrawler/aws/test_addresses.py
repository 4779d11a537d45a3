"""Addresses of tasks: private ones are told, public ones are asked for once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from tests.unit.wallcrawler.aws.tellings import ENI, a_task
from wallcrawler.aws.addresses import Addresses
from wallcrawler.aws.clients import Clients
from wallcrawler.errors import TryLater

Script = Callable[[Any], Stubber]


def asking(*interfaces: str) -> dict[str, Any]:
    return {"Filters": [{"Name": "network-interface-id", "Values": list(interfaces)}]}


def answering(**addresses: str | None) -> dict[str, Any]:
    return {
        "NetworkInterfaces": [
            {"NetworkInterfaceId": interface.replace("_", "-"), "PrivateIpAddress": "10.0.0.12"}
            | ({"Association": {"PublicIp": address}} if address else {})
            for interface, address in addresses.items()
        ]
    }


def on(interface: str) -> dict[str, Any]:
    """A task with this interface."""
    return {"attachments": [{"type": "eni", "details": [{"name": "networkInterfaceId", "value": interface}]}]}


def test_a_private_address_is_told(aws: Clients, stubbed: Script) -> None:
    """Nobody is asked."""
    stubbed(aws.ec2)
    private = Addresses(aws.ec2, public=False, port=9223)

    assert private.of(a_task()) == "10.0.0.12:9223"
    assert private.of(on("eni-1")) is None
    assert private.of({}) is None


def test_a_public_address_is_asked_for_once(aws: Clients, stubbed: Script) -> None:
    """Several events tell of each task, and EC2 answers twenty calls a second."""
    stubbed(aws.ec2).add_response("describe_network_interfaces", answering(**{ENI: "203.0.113.7"}), asking(ENI))
    public = Addresses(aws.ec2, public=True, port=9223)

    assert [public.of(a_task()) for _ in range(3)] == ["203.0.113.7:9223"] * 3


def test_a_public_address_that_is_not_there_yet_is_asked_for_again(aws: Clients, stubbed: Script) -> None:
    """The interface comes first, and its public address some time after."""
    script = stubbed(aws.ec2)
    for answer in (answering(), answering(eni_1=None), answering(eni_1="203.0.113.7")):
        script.add_response("describe_network_interfaces", answer, asking("eni-1"))
    public = Addresses(aws.ec2, public=True, port=9223)

    assert [public.of(on("eni-1")) for _ in range(3)] == [None, None, "203.0.113.7:9223"]


def test_a_task_without_an_interface_is_nobodys_business(aws: Clients, stubbed: Script) -> None:
    """It is not asked for."""
    stubbed(aws.ec2)

    assert Addresses(aws.ec2, public=True, port=9223).of_all([{}, a_task(attachments=[])]) == [None, None]


def test_many_are_asked_for_together(aws: Clients, stubbed: Script) -> None:
    """Two hundred a call; one that is gone is simply not in the answer."""
    names = sorted(f"eni-{number:03}" for number in range(201))
    script = stubbed(aws.ec2)
    script.add_response("describe_network_interfaces", answering(eni_000="203.0.113.1"), asking(*names[:200]))
    script.add_response("describe_network_interfaces", answering(eni_200="203.0.113.2"), asking("eni-200"))

    found = Addresses(aws.ec2, public=True, port=1).of_all(map(on, names))

    assert (found[0], found[1], found[200]) == ("203.0.113.1:1", None, "203.0.113.2:1")


def test_not_everything_is_remembered_for_ever(aws: Clients, stubbed: Script) -> None:
    """The eldest go; they are asked for again if anybody wants them."""
    script = stubbed(aws.ec2)
    for name in ("eni-1", "eni-2", "eni-3", "eni-1"):
        script.add_response(
            "describe_network_interfaces", answering(**{name.replace("-", "_"): "203.0.113.7"}), asking(name)
        )
    public = Addresses(aws.ec2, public=True, port=1, remembered=2)

    for name in ("eni-1", "eni-2", "eni-3", "eni-3", "eni-2", "eni-1"):
        assert public.of(on(name)) == "203.0.113.7:1"


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "Unavailable"])
def test_an_ec2_that_is_busy_is_to_be_tried_later(aws: Clients, stubbed: Script, code: str) -> None:
    """The task event waits for it."""
    stubbed(aws.ec2).add_client_error("describe_network_interfaces", code, http_status_code=503)

    with pytest.raises(TryLater):
        Addresses(aws.ec2, public=True, port=1).of(on("eni-1"))
