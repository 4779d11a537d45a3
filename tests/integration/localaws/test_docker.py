"""The Docker driver, against a real engine."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from tests.eventually import eventually
from tests.integration.localaws.proxy import CuttableSocket
from tests.integration.localaws.stand import Stand, detail, standing

pytestmark = pytest.mark.docker

IMAGE = "debian:bookworm-slim"

#: Ends with status 0 when it is told to.
WAITS = ["sh", "-c", "trap 'exit 0' TERM; echo up; sleep 1000 & wait"]

#: A profile that allows everything but `mkdir`.
NO_MKDIR = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
}


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A client of the engine. Without one the tests are skipped, loudly; in CI they fail."""
    try:
        client = docker.from_env()
        client.images.get(IMAGE)
    except docker.errors.DockerException as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI has no Docker engine with {IMAGE}: these tests must run there ({missing})")
        pytest.skip(f"NO DOCKER ENGINE WITH {IMAGE} ON THIS MACHINE: {missing}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def network(engine: Any) -> Iterator[str]:
    name = f"localaws-{uuid.uuid4().hex[:8]}"
    made = engine.networks.create(name)
    yield name
    made.remove()


@pytest.fixture
def docked(network: str, tmp_path: Path) -> Iterator[Stand]:
    """A localaws whose tasks are containers."""
    with standing(tmp_path, driver="docker", docker_network=network) as stand:
        yield stand


def register(stand: Stand, *command: str, **container: Any) -> None:
    stand.register(container={"image": IMAGE, "command": list(command or WAITS), "stopTimeout": 2} | container)


def container_of(engine: Any, stand: Stand, arn: str) -> Any:
    return engine.containers.get(stand.task(arn)["containers"][0]["runtimeId"])


def up(stand: Stand, arn: str) -> bool:
    return "up" in stand.output(arn)


def test_a_task_is_a_container_on_the_network(docked: Stand, engine: Any, network: str) -> None:
    """With the limits, the environment and the labels that it was asked for, and the address that ECS tells."""
    register(
        docked,
        environment=[{"name": "A", "value": "1"}],
        linuxParameters={"sharedMemorySize": 128, "initProcessEnabled": True, "capabilities": {"drop": ["NET_RAW"]}},
        dockerSecurityOptions=["no-new-privileges"],
        user="1000:1000",
        ulimits=[{"name": "nofile", "softLimit": 512, "hardLimit": 1024}],
    )

    arn = docked.running()

    seen = container_of(engine, docked, arn).attrs
    host = seen["HostConfig"]
    assert seen["NetworkSettings"]["Networks"][network]["IPAddress"] == docked.address(arn)
    assert seen["NetworkSettings"]["Networks"][network]["MacAddress"] == detail(docked.task(arn), "macAddress")
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (250_000_000, 512 << 20, 512 << 20)
    assert (host["ShmSize"], host["Init"], host["CapDrop"]) == (128 << 20, True, ["NET_RAW"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 512, "Hard": 1024}]
    assert (seen["Config"]["User"], "A=1" in seen["Config"]["Env"]) == ("1000:1000", True)
    assert seen["Config"]["Labels"]["com.amazonaws.ecs.task-arn"] == arn
    assert docked.task(arn)["containers"][0]["imageDigest"] == engine.images.get(IMAGE).id


def test_names_of_containers_begin_as_is_said(engine: Any, network: str, tmp_path: Path) -> None:
    """With the prefix of this localaws, or else with the family of their task."""
    names = []
    for prefix in ("mine", None):
        home = tmp_path / str(prefix)
        with standing(home, driver="docker", docker_network=network, docker_prefix=prefix) as stand:
            register(stand)
            arn = stand.running()
            names.append((container_of(engine, stand, arn).name, stand.task(arn), arn.rpartition("/")[2]))

    (mine, task, task_id), (plain, other, other_id) = names
    container = task["containers"][0]["name"]
    family = other["group"].removeprefix("family:")
    assert mine == f"mine-1-{container}-{task_id}"
    assert plain == f"{family}-1-{container}-{other_id}"


def test_a_container_that_is_stopped_leaves_nothing_but_its_logs(docked: Stand, engine: Any) -> None:
    """It is told to end, its status is kept, and it is removed."""
    register(docked)
    arn = docked.running()
    container = container_of(engine, docked, arn)
    eventually(lambda: up(docked, arn))

    docked.ecs.stop_task(task=arn)

    task = docked.stopped(arn)
    assert (task["containers"][0]["exitCode"], task["stopCode"]) == (0, "UserInitiated")
    assert docked.output(arn) == "up\n"
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(container.id)


def test_the_exit_code_of_a_container_is_the_tasks(docked: Stand) -> None:
    """Of those that end as soon as they start as well. A task that was RUNNING had an address, however short it was."""
    register(docked, "sh", "-c", "exit 7")

    arns = docked.run_all(count=6)

    for task in [docked.stopped(arn, within=30) for arn in arns]:
        assert (task["containers"][0]["exitCode"], task["stopCode"]) == (7, "EssentialContainerExited")
        details = {one["name"] for one in task["attachments"][0]["details"]}
        assert "startedAt" not in task or "privateIPv4Address" in details


def test_a_container_that_does_not_end_is_killed(docked: Stand) -> None:
    """stopTimeout seconds after SIGTERM."""
    register(docked, "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done", stopTimeout=1)
    arn = docked.running()
    eventually(lambda: up(docked, arn))

    docked.ecs.stop_task(task=arn)

    assert docked.stopped(arn, within=10)["containers"][0]["exitCode"] == 137


def test_a_container_that_needs_too_much_memory_is_told_of_in_ecs_words(docked: Stand) -> None:
    """The kernel kills it for its limit; ECS says OutOfMemoryError and 137."""
    register(docked, "sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done", memory=16)

    arn = docked.run()

    (container,) = docked.stopped(arn, within=20)["containers"]
    assert container["exitCode"] == 137
    assert container["reason"] == "OutOfMemoryError: Container killed due to memory usage"


def test_the_containers_of_a_task_share_one_address(docked: Stand) -> None:
    """As with awsvpc: each sees the address that ECS tells as its own."""
    docked.register(
        containerDefinitions=[
            {"name": "main", "image": IMAGE, "command": ["sh", "-c", "hostname -I; sleep 1000"], "stopTimeout": 1},
            {"name": "beside", "image": IMAGE, "command": ["hostname", "-I"], "essential": False},
        ]
    )

    arn = docked.running()

    address, task_id = docked.address(arn), arn.rsplit("/", 1)[-1]
    eventually(lambda: docked.task(arn)["containers"][1]["lastStatus"] == "STOPPED")
    docked.ecs.stop_task(task=arn)
    docked.stopped(arn, within=10)
    said = {docked.http.get(f"/_localaws/tasks/{task_id}/logs/{name}").text.strip() for name in ("main", "beside")}
    assert said == {address}


def test_a_seccomp_profile_applies_to_every_container(network: str, tmp_path: Path) -> None:
    """LOCALAWS_SECCOMP is a file; the engine is given what is in it."""
    profile = tmp_path / "seccomp.json"
    profile.write_text(json.dumps(NO_MKDIR))
    with standing(tmp_path / "home", driver="docker", docker_network=network, seccomp=profile) as stand:
        register(stand, "sh", "-c", "mkdir /tmp/x || exit 5")
        task = stand.stopped(stand.run())

    assert task["containers"][0]["exitCode"] == 5


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"command": ["/nosuch"]}, "CannotStartContainerError: "),
        ({"image": "localaws.invalid/nosuch:1"}, "CannotPullContainerError: "),
        ({"linuxParameters": {"capabilities": {"add": ["NOSUCH"]}}}, "CannotCreateContainerError: "),
    ],
)
def test_a_task_that_can_not_start_is_stopped_with_the_reason(
    network: str, engine: Any, tmp_path: Path, container: dict[str, Any], reason: str
) -> None:
    """In ECS's words for it; no container is left behind."""
    with standing(tmp_path, driver="docker", docker_network=network, docker_pull="never") as stand:
        register(stand, **container)
        arn = stand.run()
        task = stand.stopped(arn, within=10)

    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith(reason)
    assert engine.containers.list(all=True, filters={"label": f"localaws.task={arn.rsplit('/', 1)[-1]}"}) == []


def test_a_container_that_somebody_removes_is_missed(docked: Stand, engine: Any) -> None:
    """Its task ends, as one whose container was killed."""
    register(docked)
    arn = docked.running()

    container_of(engine, docked, arn).remove(force=True)

    assert docked.stopped(arn)["containers"][0]["exitCode"] == 137


def test_what_ended_while_the_engine_was_away_is_told_when_it_is_back(
    network: str, engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One container exited, another was removed, a third is to be stopped: none of it is missed."""
    path = Path("/tmp") / f"localaws-{uuid.uuid4().hex[:8]}.sock"
    way = CuttableSocket(path, "/var/run/docker.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with standing(tmp_path, driver="docker", docker_network=network) as stand:
        register(stand)
        exits, vanishes, stops = (stand.running() for _ in range(3))
        exiting, vanishing = (container_of(engine, stand, arn) for arn in (exits, vanishes))
        eventually(lambda: up(stand, exits))

        way.cut()
        exiting.stop()
        vanishing.remove(force=True)
        stand.ecs.stop_task(task=stops)
        way.mend()

        tasks = [stand.stopped(arn, within=15) for arn in (exits, vanishes, stops)]
    way.cut()

    exited, vanished, stopped = tasks
    assert exited["containers"][0]["exitCode"] == 0
    assert vanished["containers"][0]["reason"] == "ContainerRuntimeError: the container was removed"
    assert stopped["stopCode"] == "UserInitiated"


def test_kept_containers_are_found_again_by_their_labels(network: str, engine: Any, tmp_path: Path) -> None:
    """One that runs goes on and can be stopped; one that ended meanwhile is told of with its status."""
    settings = {"driver": "docker", "docker_network": network, "keep": True}
    with standing(tmp_path, **settings) as stand:
        register(stand)
        runs, ends = stand.running(), stand.running()
        before = stand.task(runs)
        container = container_of(engine, stand, ends)
        eventually(lambda: up(stand, ends))
    container.stop()

    with standing(tmp_path, **settings) as stand:
        again = stand.task(runs)
        ended = stand.stopped(ends)
        stand.ecs.stop_task(task=runs)
        stopped = stand.stopped(runs)

    assert again == before
    assert (ended["containers"][0]["exitCode"], ended["stopCode"]) == (0, "EssentialContainerExited")
    assert stopped["containers"][0]["exitCode"] == 0


def test_containers_that_are_not_kept_end_with_localaws(network: str, engine: Any, tmp_path: Path) -> None:
    """And those of another localaws do not."""
    with standing(tmp_path / "other", driver="docker", docker_network=network) as other:
        register(other)
        others = container_of(engine, other, other.running())
        with standing(tmp_path / "mine", driver="docker", docker_network=network) as stand:
            register(stand)
            mine = container_of(engine, stand, stand.running())

        with pytest.raises(docker.errors.NotFound):
            engine.containers.get(mine.id)
        others.reload()
        assert others.status == "running"


def test_a_container_without_a_record_is_removed(network: str, engine: Any, tmp_path: Path) -> None:
    """Nobody could ask for it, nor stop it."""
    settings = {"driver": "docker", "docker_network": network, "keep": True}
    with standing(tmp_path, **settings) as stand:
        register(stand)
        orphan = container_of(engine, stand, stand.running())
    (tmp_path / "localaws.db").unlink()

    with standing(tmp_path, **settings), pytest.raises(docker.errors.NotFound):
        engine.containers.get(orphan.id)
