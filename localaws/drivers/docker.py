"""Runs the containers of tasks in a Docker engine, on one network of it.

The first container of a task owns its address; the others share its network, as containers of a task do. Containers
carry labels that say whose they are; by these, what runs is found again after a restart. What a container wrote is
saved before it is removed.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import docker
import docker.errors
import requests

from localaws.containers import ContainerSpec, Exit, Launch, ending
from localaws.drivers import CannotStart, DriverDown, Ended
from localaws.drivers.options import options, repository_and_tag
from localaws.errors import StartupError
from localaws.tasklogs import TaskLogs
from localaws.tasks import Address, Started
from wallcrawler import log as logs

log = logs.get()

INSTANCE: Final = "localaws.instance"
TASK: Final = "localaws.task"
CONTAINER: Final = "localaws.container"

#: Lines of a container's output that are saved.
LOG_LINES: Final = 10_000

#: Seconds in which a container that has lost its address has ended.
ENDS_WITHIN: Final = 10

#: Seconds until the engine's events are asked for again, where the engine hung up.
RECONNECT_AFTER: Final = 1.0


@contextmanager
def _engine() -> Iterator[None]:
    """An engine that does not answer, or can't do what it is told, is DriverDown."""
    try:
        yield
    except (requests.exceptions.RequestException, docker.errors.DockerException) as failed:
        raise DriverDown(f"the Docker engine: {failed}") from failed


class DockerDriver:
    """The Driver port for a Docker engine. Raises StartupError where the engine or the network is not there."""

    def __init__(
        self, *, instance: str, network: str, prefix: str | None, logs: TaskLogs, seccomp: str | None, pull: bool
    ) -> None:
        self._instance = instance
        self._network = network
        self._prefix = prefix
        self._logs = logs
        self._seccomp = seccomp
        self._pull = pull
        #: Containers whose end has not been told: (task, name) by the engine's id.
        self._known: dict[str, tuple[str, str]] = {}
        self._closing = threading.Event()
        self._stream: Any = None
        try:
            self._docker: Any = docker.from_env()
            self._docker.networks.get(network)
        except docker.errors.NotFound:
            raise StartupError(f"LOCALAWS_DOCKER_NETWORK: the engine has no network {network!r}") from None
        except docker.errors.DockerException as wrong:
            raise StartupError(f"LOCALAWS_DRIVER: the Docker engine can't be used: {wrong}") from None

    def watch(self, ended: Ended) -> None:
        self._ended = ended
        threading.Thread(target=self._listen, name="docker", daemon=True).start()

    def reserve(self, task_id: str) -> Address | None:
        """The engine chooses an address when a container starts."""
        return None

    def start(self, launch: Launch) -> Started:
        created: list[Any] = []
        try:
            for spec in launch.containers:
                self._ensure_image(spec.image)
                created.append(self._create(launch, spec, beside=created[0] if created else None))
                self._known[created[-1].id] = (launch.task_id, spec.name)
                created[-1].start()
            return self._started(created)
        except (CannotStart, docker.errors.DockerException, requests.exceptions.RequestException) as refused:
            self._undo(created)
            raise CannotStart(_reason("CannotStartContainerError", refused)) from None

    def _undo(self, created: list[Any]) -> None:
        """Remove what was created of a task that can't start, and tell nobody of its end."""
        for container in created:
            self._known.pop(container.id, None)
        try:
            with _engine():
                self._discard(created)
        except DriverDown as down:
            # The next start finds it by its labels, and removes it as an orphan.
            log.warning("container.left_behind", why=str(down))

    def _ensure_image(self, image: str) -> None:
        """An image that is there is not pulled again: what was built on this machine is what is meant."""
        try:
            self._docker.images.get(image)
        except docker.errors.ImageNotFound:
            if not self._pull:
                raise CannotStart(f"CannotPullContainerError: {image} is not there, and nothing is pulled") from None
            try:
                self._docker.images.pull(*repository_and_tag(image))
            except docker.errors.DockerException as refused:
                raise CannotStart(_reason("CannotPullContainerError", refused)) from None

    def _create(self, launch: Launch, spec: ContainerSpec, *, beside: Any) -> Any:
        network = {"network": self._network} if beside is None else {"network_mode": f"container:{beside.id}"}
        labels = {
            **spec.definition.get("dockerLabels", {}),
            INSTANCE: self._instance,
            TASK: launch.task_id,
            CONTAINER: spec.name,
            "com.amazonaws.ecs.cluster": launch.cluster_arn,
            "com.amazonaws.ecs.container-name": spec.name,
            "com.amazonaws.ecs.task-arn": launch.task_arn,
            "com.amazonaws.ecs.task-definition-family": launch.family,
            "com.amazonaws.ecs.task-definition-version": str(launch.revision),
        }
        try:
            return self._docker.containers.create(
                spec.image,
                list(spec.command) if spec.command else None,
                name=f"{self._prefix or launch.family}-{launch.revision}-{spec.name}-{launch.task_id}",
                labels=labels,
                **network,
                **options(spec, seccomp=self._seccomp),
            )
        except docker.errors.DockerException as refused:
            raise CannotStart(_reason("CannotCreateContainerError", refused)) from None

    def _started(self, containers: list[Any]) -> Started:
        for container in containers:
            container.reload()
        if _address(containers[0], self._network) is None:
            # It is over, or just about to be: its task must not be taken for running.
            containers[0].wait(timeout=ENDS_WITHIN)
            containers[0].reload()
        for container in containers:
            self._look(container)
        return self._seen(containers)

    def _seen(self, containers: list[Any]) -> Started:
        return Started(
            address=next((at for one in containers if (at := _address(one, self._network))), None),
            runtime_ids={one.labels[CONTAINER]: one.id for one in containers},
            image_digests={one.labels[CONTAINER]: one.attrs["Image"] for one in containers},
        )

    def _containers(self, **labels: str) -> list[Any]:
        """This instance's containers, those that ended among them."""
        wanted = [f"{INSTANCE}={self._instance}", *(f"{name}={value}" for name, value in labels.items())]
        # Without `ignore_removed`, one that is removed meanwhile would be an error.
        found: list[Any] = self._docker.containers.list(all=True, filters={"label": wanted}, ignore_removed=True)
        return found

    def stop(self, task_id: str, *, grace: Mapping[str, float]) -> None:
        def stop(container: Any) -> None:
            try:
                container.stop(timeout=math.ceil(grace.get(container.labels[CONTAINER], 0)))
            except docker.errors.NotFound:
                log.info("container.already_gone", task=task_id)

        with _engine():
            running = [one for one in self._containers(**{TASK: task_id}) if one.status not in {"exited", "created"}]
            with ThreadPoolExecutor(max(1, len(running))) as pool:
                list(pool.map(stop, running))

    def remove(self, task_id: str) -> None:
        with _engine():
            containers = self._containers(**{TASK: task_id})
            for container in containers:
                self._save_logs(task_id, container)
            self._discard(containers)

    def _save_logs(self, task_id: str, container: Any) -> None:
        try:
            self._logs.write(task_id, container.labels[CONTAINER], container.logs(tail=LOG_LINES))
        except docker.errors.APIError as refused:
            log.warning("container.logs_lost", task=task_id, why=str(refused))

    def _discard(self, containers: list[Any]) -> None:
        # Those that share a network go before the one that owns it.
        for container in reversed(containers):
            try:
                container.remove(force=True, v=True)
            except docker.errors.NotFound:
                log.info("container.already_gone", container=container.name)
            except docker.errors.APIError as refused:
                # Somebody else is removing it just now.
                if refused.status_code != 409:
                    raise

    def find(self) -> Mapping[str, Started]:
        with _engine():
            tasks: dict[str, list[Any]] = {}
            for container in self._containers():
                if container.status == "created":
                    self._discard([container])
                else:
                    tasks.setdefault(container.labels[TASK], []).append(container)
            for task_id, containers in tasks.items():
                for container in containers:
                    self._known[container.id] = (task_id, container.labels[CONTAINER])
                    self._look(container)
            return {task_id: self._seen(containers) for task_id, containers in tasks.items()}

    def _look(self, container: Any) -> None:
        """Tell of the container if it has ended."""
        state = container.attrs["State"]
        if state["Status"] in {"exited", "dead"}:
            self._tell(container.id, ending(state["ExitCode"], out_of_memory=state["OOMKilled"]))

    def _tell(self, container_id: str, ended: Exit) -> None:
        if whose := self._known.pop(container_id, None):
            self._ended(*whose, ended)

    def _listen(self) -> None:
        """Hear of ends from the engine, for as long as the driver is open."""
        since = time.time()
        while not self._closing.is_set():
            try:
                self._stream = self._docker.events(
                    since=int(since),
                    decode=True,
                    filters={"type": "container", "event": "die", "label": f"{INSTANCE}={self._instance}"},
                )
                self._catch_up()
                for event in self._stream:
                    since = event["time"]
                    self._heard(event)
            except (requests.exceptions.RequestException, docker.errors.DockerException, OSError) as cut:
                if not self._closing.wait(RECONNECT_AFTER):
                    log.warning("docker.reconnected", why=str(cut))

    def _catch_up(self) -> None:
        """What ended while nobody listened."""
        # Noted before it is looked: what is created meanwhile is not missing.
        known = set(self._known)
        there = {container.id: container for container in self._containers()}
        for container in there.values():
            self._look(container)
        for gone in known - there.keys():
            self._tell(gone, Exit(None, "ContainerRuntimeError: the container was removed"))

    def _heard(self, event: Mapping[str, Any]) -> None:
        """A container died. The engine may still be at it: only what the event leaves out is asked for."""
        container_id = event["Actor"]["ID"]
        try:
            out_of_memory = self._docker.containers.get(container_id).attrs["State"]["OOMKilled"]
        except docker.errors.NotFound:
            out_of_memory = False
        code = int(event["Actor"]["Attributes"]["exitCode"])
        self._tell(container_id, ending(code, out_of_memory=out_of_memory))

    def logs(self, task_id: str, container: str) -> bytes:
        with _engine():
            for one in self._containers(**{TASK: task_id, CONTAINER: container}):
                return bytes(one.logs(tail=LOG_LINES))
        return self._logs.read(task_id, container)

    def close(self, *, keep: bool) -> None:
        self._closing.set()
        if not keep:
            try:
                with _engine():
                    self._discard(self._containers())
            except DriverDown as down:
                log.warning("container.left_behind", why=str(down))
        if self._stream is not None:
            self._stream.close()
        self._docker.close()


def _address(container: Any, network: str) -> Address | None:
    """Where a container is on the network; None for one that is not running, or shares another's."""
    place = container.attrs["NetworkSettings"]["Networks"].get(network, {})
    return Address(place["IPAddress"], place["MacAddress"]) if place.get("IPAddress") else None


def _reason(kind: str, refused: BaseException) -> str:
    """Worded as ECS words it: a kind, a colon, the engine's own words."""
    if isinstance(refused, CannotStart):
        return str(refused)
    return f"{kind}: {getattr(refused, 'explanation', None) or refused}"
