"""The life of a task: its states, its events on SQS, its ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.eventually import eventually
from tests.integration.localaws.emulator import Emulator
from tests.integration.localaws.stand import NETWORK, Stand, detail, standing, until

#: A container that does not end when it is told to.
STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()",
]

#: A container that says each time that it is told to end, and ends half a second after the first.
COUNTS = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, lambda *_: print('told', flush=True)); "
    "print('up', flush=True); signal.pause(); signal.sigtimedwait([], 0.5)",
]

#: A container that listens where it is told to.
LISTENS = """
import os, signal, socket
listener = socket.create_server((os.environ["WALLCRAWLER_GUEST_HOST"], 9223))
signal.pause()
"""


def up(stand: Stand, arn: str) -> bool:
    return "up" in stand.output(arn)


def test_a_task_that_is_stopped_passes_through_every_state(telling: Stand) -> None:
    """Each change is an event on the queue, in their order, with a version that grows by one."""
    telling.register()
    arn = telling.running()
    eventually(lambda: up(telling, arn))

    telling.ecs.stop_task(task=arn, reason="enough")

    eventually(lambda: "STOPPED" in telling.statuses(arn))
    assert telling.versions(arn) == [1, 2, 3, 4, 5, 6, 7]
    assert [(event["detail"]["lastStatus"], event["detail"]["desiredStatus"]) for event in telling.events(arn)] == [
        ("PROVISIONING", "RUNNING"),
        ("PENDING", "RUNNING"),
        ("RUNNING", "RUNNING"),
        ("RUNNING", "STOPPED"),
        ("STOPPING", "STOPPED"),
        ("DEPROVISIONING", "STOPPED"),
        ("STOPPED", "STOPPED"),
    ]
    last = telling.events(arn)[-1]["detail"]
    assert (last["stopCode"], last["stoppedReason"]) == ("UserInitiated", "enough")
    assert last["containers"][0]["exitCode"] == 0


def test_a_task_that_ends_by_itself_says_so(telling: Stand) -> None:
    """An essential container's end is the task's, and its status is told."""
    telling.register("sh", "-c", "exit 3")

    arn = telling.run()

    eventually(lambda: "STOPPED" in telling.statuses(arn))
    last = telling.events(arn)[-1]["detail"]
    assert (last["stopCode"], last["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert (last["containers"][0]["lastStatus"], last["containers"][0]["exitCode"]) == ("STOPPED", 3)
    versions = telling.versions(arn)
    assert versions == sorted(set(versions))
    assert "STOPPING" not in telling.statuses(arn)


def test_an_event_has_eventbridges_envelope(telling: Stand) -> None:
    """All of it, so that one who reads the real ones reads these."""
    definition = telling.register()
    environment = [{"name": "WALLCRAWLER_SESSION_ID", "value": "s-1"}]
    arn = telling.running(
        startedBy="s-1", overrides={"containerOverrides": [{"name": "main", "environment": environment}]}
    )

    eventually(lambda: "RUNNING" in telling.statuses(arn))

    (event,) = [event for event in telling.events(arn) if event["detail"]["lastStatus"] == "RUNNING"]
    envelope = {name: value for name, value in event.items() if name not in {"id", "time", "detail"}}
    assert envelope == {
        "version": "0",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "000000000000",
        "region": "us-east-1",
        "resources": [arn],
    }
    assert len(event["id"]) == 36
    assert event["time"].endswith("Z")
    told = event["detail"]
    assert (told["taskArn"], told["taskDefinitionArn"]) == (arn, definition)
    assert told["clusterArn"] == "arn:aws:ecs:us-east-1:000000000000:cluster/default"
    assert told["overrides"] == {"containerOverrides": [{"name": "main", "environment": environment}]}
    assert (told["connectivity"], told["launchType"], told["startedBy"]) == ("CONNECTED", "FARGATE", "s-1")
    assert told["updatedAt"] == told["startedAt"]
    assert told["createdAt"][10] == "T"
    assert told["createdAt"].endswith("Z")
    assert "tags" not in told


def test_the_interface_of_an_event_leads_to_the_address(telling: Stand) -> None:
    """Its type is `eni` in events and ElasticNetworkInterface in DescribeTasks; EC2 knows the id."""
    telling.register()
    arn = telling.running()
    eventually(lambda: "RUNNING" in telling.statuses(arn))
    told = telling.events(arn)[2]["detail"]
    described = telling.task(arn)

    eni = detail(told, "networkInterfaceId")
    (interface,) = telling.ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"]

    assert (told["attachments"][0]["type"], told["attachments"][0]["status"]) == ("eni", "ATTACHED")
    assert described["attachments"][0]["type"] == "ElasticNetworkInterface"
    assert told["attachments"][0]["details"] == described["attachments"][0]["details"]
    address = detail(told, "privateIPv4Address")
    assert interface["PrivateIpAddress"] == interface["Association"]["PublicIp"] == address
    assert interface["MacAddress"] == detail(told, "macAddress")
    assert interface["SubnetId"] == detail(told, "subnetId") == "subnet-1"
    assert interface["Groups"] == [{"GroupId": "sg-1", "GroupName": "sg-1"}]
    assert interface["Description"].endswith(told["attachments"][0]["id"])
    assert described["containers"][0]["networkInterfaces"] == [
        {"attachmentId": told["attachments"][0]["id"], "privateIpv4Address": address}
    ]


def test_interfaces_are_found_by_filters_and_gone_with_their_task(stand: Stand) -> None:
    """An id that is not there is InvalidNetworkInterfaceID.NotFound."""
    stand.register()
    arns = [stand.running() for _ in range(2)]
    address = stand.address(arns[1])
    eni = detail(stand.task(arns[1]), "networkInterfaceId")

    found = stand.ec2.describe_network_interfaces(
        Filters=[
            {"Name": "private-ip-address", "Values": [address, "10.0.0.1"]},
            {"Name": "group-id", "Values": ["sg-1"]},
        ]
    )["NetworkInterfaces"]
    everything = stand.ec2.describe_network_interfaces()["NetworkInterfaces"]
    stand.ecs.stop_task(task=arns[1])
    stand.stopped(arns[1])

    assert [one["NetworkInterfaceId"] for one in found] == [eni]
    assert len(everything) == 2
    with pytest.raises(ClientError, match=f"The networkInterface ID '{eni}' does not exist") as refused:
        stand.ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])
    assert refused.value.response["Error"]["Code"] == "InvalidNetworkInterfaceID.NotFound"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_task_is_told_an_address_of_its_own(stand: Stand) -> None:
    """One port works for all tasks of a host: each listens on its own address."""
    stand.register(sys.executable, "-c", LISTENS)

    addresses = {stand.address(stand.running()) for _ in range(3)}

    assert len(addresses) == 3
    for address in addresses:
        eventually(lambda address=address: _answers(address))


def _answers(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, 9223)) == 0


def test_a_container_has_the_environment_of_definition_and_overrides_alone(stand: Stand) -> None:
    """The overrides win; nothing of this process's own environment comes along, but for what an image would bring."""
    os.environ["LOCALAWS_TEST_SECRET"] = "never"
    stand.register("env", container={"environment": [{"name": "A", "value": "d"}, {"name": "B", "value": "d"}]})

    arn = stand.run(overrides={"containerOverrides": [{"name": "main", "environment": [{"name": "B", "value": "o"}]}]})

    stand.stopped(arn)
    lines = stand.output(arn).splitlines()
    assert {"A=d", "B=o"} <= set(lines)
    assert f"WALLCRAWLER_GUEST_HOST={stand.address(arn)}" in lines
    assert not [line for line in lines if line.startswith(("LOCALAWS_TEST_SECRET", "PYTEST"))]


def test_an_entry_point_and_an_overridden_command_make_the_command_line(stand: Stand) -> None:
    """As a container runtime joins them."""
    stand.register("one", container={"entryPoint": ["echo", "said"]})

    plain = stand.run()
    overridden = stand.run(overrides={"containerOverrides": [{"name": "main", "command": ["two"]}]})

    stand.stopped(plain)
    stand.stopped(overridden)
    assert stand.output(plain) == "said one\n"
    assert stand.output(overridden) == "said two\n"


def test_a_container_that_does_not_end_is_killed(stand: Stand) -> None:
    """stopTimeout seconds after SIGTERM, and its status says so: 137."""
    stand.register(*STUBBORN, container={"stopTimeout": 1})
    arn = stand.running()
    eventually(lambda: up(stand, arn))

    stand.ecs.stop_task(task=arn)

    eventually(lambda: stand.status(arn) == "STOPPING")
    assert stand.stopped(arn)["containers"][0]["exitCode"] == 137


def test_a_container_is_told_to_end_once(stand: Stand) -> None:
    """However often StopTask is called: many programs take a second SIGTERM for impatience."""
    stand.register(*COUNTS)
    arn = stand.running()
    eventually(lambda: up(stand, arn))

    for _ in range(3):
        stand.ecs.stop_task(task=arn)
    eventually(lambda: "told" in stand.output(arn))
    stand.ecs.stop_task(task=arn)

    assert stand.stopped(arn)["containers"][0]["exitCode"] == 0
    assert stand.output(arn) == "up\ntold\n"


def test_what_a_container_has_started_ends_with_it(stand: Stand) -> None:
    """A container's process is the first of a group; nothing of the group outlives it."""
    stand.register("sh", "-c", "sleep 1000 & echo $!; sleep 0.05")

    arn = stand.run()

    stand.stopped(arn)
    child = int(stand.output(arn))
    eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_death_by_signal_is_told_as_a_shell_tells_it(stand: Stand) -> None:
    """128 and the signal's number."""
    stand.register()
    arn = stand.running()
    pid = int(stand.task(arn)["containers"][0]["runtimeId"])

    os.kill(pid, signal.SIGKILL)

    assert stand.stopped(arn)["containers"][0]["exitCode"] == 137


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"command": ["/nosuch/program"]}, "CannotStartContainerError: exec: '/nosuch/program'"),
        ({"command": [], "image": "unknown:1"}, "CannotCreateContainerError: .* LOCALAWS_IMAGES"),
        ({"workingDirectory": "/nosuch/folder"}, "CannotStartContainerError"),
    ],
)
def test_a_task_that_can_not_start_is_stopped_with_the_reason(
    telling: Stand, more: dict[str, Any], reason: str
) -> None:
    """TaskFailedToStart; the container says why and has no status, since it never ran."""
    telling.register(container=more)

    arn = telling.run()

    task = telling.stopped(arn)
    assert task["stopCode"] == "TaskFailedToStart"
    assert re.match(reason, task["stoppedReason"])
    assert task["containers"][0]["reason"] == task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]
    assert "startedAt" not in task
    eventually(lambda: telling.statuses(arn) == ["PROVISIONING", "PENDING", "DEPROVISIONING", "STOPPED"])


def test_an_image_may_bring_its_command(tmp_path: Path) -> None:
    """LOCALAWS_IMAGES says what a container of an image would run."""
    with standing(tmp_path, images={"browser:1": ["echo", "from the image"]}) as stand:
        stand.register(container={"command": []})
        arn = stand.run()
        stand.stopped(arn)
        said = stand.output(arn)

    assert said == "from the image\n"


def test_a_task_ends_with_its_essential_container_and_not_with_others(stand: Stand, tmp_path: Path) -> None:
    """The others are stopped with it; one that is not essential may come and go."""
    stand.register(
        containerDefinitions=[
            {"name": "main", "image": "i", "command": until(tmp_path / "go", "exit 4")},
            {"name": "brief", "image": "i", "command": ["true"], "essential": False},
            {"name": "beside", "image": "i", "command": ["sleep", "1000"], "essential": False},
        ]
    )

    arn = stand.running()

    eventually(lambda: stand.task(arn)["containers"][1]["lastStatus"] == "STOPPED")
    assert stand.status(arn) == "RUNNING"
    (tmp_path / "go").touch()
    task = stand.stopped(arn)
    assert [one["exitCode"] for one in task["containers"]] == [4, 0, 143]
    assert task["stopCode"] == "EssentialContainerExited"


def test_the_containers_that_were_started_end_when_another_can_not_start(stand: Stand) -> None:
    """All of a task's containers, or none."""
    stand.register(
        containerDefinitions=[
            {"name": "main", "image": "i", "command": ["sleep", "1000"]},
            {"name": "broken", "image": "i", "command": ["/nosuch/program"]},
        ]
    )

    arn = stand.run()

    assert stand.stopped(arn)["stopCode"] == "TaskFailedToStart"
    task_id = arn.rsplit("/", 1)[-1]
    assert not [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get("LOCALAWS_TASK") == task_id
    ]


def test_a_task_that_is_stopped_before_it_began_never_begins(telling: Stand) -> None:
    """Its container is not started, and whoever stopped it is the reason."""
    telling.register()
    telling.switch(slow_start=30)
    arn = telling.run()
    eventually(lambda: telling.status(arn) == "PENDING")

    telling.ecs.stop_task(task=arn)

    task = telling.stopped(arn)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "Task stopped by user")
    assert "exitCode" not in task["containers"][0]
    assert "reason" not in task["containers"][0]
    eventually(lambda: "STOPPED" in telling.statuses(arn))
    assert "RUNNING" not in telling.statuses(arn)


def test_events_wait_for_a_queue_that_is_not_there_yet(emulator: Emulator, tmp_path: Path) -> None:
    """They are kept until SQS takes them, and come in their order."""
    name = f"late-{tmp_path.name}"[:80]
    with standing(tmp_path, endpoint_url=emulator.url, events_queue=name) as stand:
        stand.register("true")
        arn = stand.run()
        stand.stopped(arn)
        waiting = stand.http.get("/_localaws/health").json()["eventsWaiting"]

        queue = emulator.client("sqs").create_queue(QueueName=name)["QueueUrl"]

        late = Stand(stand.url, emulator=emulator, queue=queue)
        eventually(lambda: "STOPPED" in late.statuses(arn), within=10)
        versions = late.versions(arn)

    assert waiting == len(versions)
    assert versions == list(range(1, len(versions) + 1))


def test_a_hundred_tasks_live_and_end_at_once(telling: Stand) -> None:
    """Each with its own address, its own events in order, and nothing left behind."""
    telling.register("sh", "-c", "sleep 0.2")
    answers = [
        telling.ecs.run_task(taskDefinition="browser", networkConfiguration=NETWORK, count=10) for _ in range(10)
    ]
    arns = [task["taskArn"] for answer in answers for task in answer["tasks"]]

    eventually(lambda: telling.http.get("/_localaws/health").json()["tasks"] == 0, within=20)
    eventually(lambda: all("STOPPED" in telling.statuses(arn) for arn in arns), within=20)

    assert all(telling.versions(arn) == sorted(set(telling.versions(arn))) for arn in arns)
    described = telling.ecs.describe_tasks(tasks=arns)["tasks"]
    assert len({detail(task, "privateIPv4Address") for task in described}) == 100
