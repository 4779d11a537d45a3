"""All of localaws put together: built from settings, started, and stopped without a trace."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import flask

from localaws import clients
from localaws.actions import Action
from localaws.actions.clusters import ClusterActions
from localaws.actions.definitions import DefinitionActions
from localaws.actions.tags import TagActions
from localaws.actions.tasks import TaskActions
from localaws.api import Api
from localaws.arns import Place
from localaws.conductor import Conductor
from localaws.definitions import Json
from localaws.drivers import Driver
from localaws.ec2 import Interfaces
from localaws.errors import invalid
from localaws.faults import FaultSwitches
from localaws.outbox import Outbox
from localaws.pipe.pipe import Pipe
from localaws.queue import Queue
from localaws.server import Server, create_app, listening
from localaws.settings import Settings
from localaws.shapes import ecs_model
from localaws.state import Cluster, State
from localaws.tasklogs import TaskLogs
from wallcrawler import log as logs

log = logs.get()

#: Seconds between two clearings of what nobody can ask for any more.
PURGE_EVERY = 60.0


class LocalAws:
    """The ECS API, and the pipe where one is configured. Raises StartupError.

    `ended` is set when it can't go on; `failure` then says why.
    """

    def __init__(self, settings: Settings, *, now: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._now = now
        self.ended = threading.Event()
        self.failure: BaseException | None = None
        self._listener = listening(settings.host, settings.port)
        self._place = Place(settings.account, settings.region)
        self._state = State(settings.home_dir / "localaws.db")
        self._logs = TaskLogs(settings.home_dir / "logs")
        self._faults = FaultSwitches()
        self._driver = _driver(settings, self._logs)
        queue = Queue(clients.sqs(settings), settings.events_queue) if settings.events_queue else None
        self._outbox = Outbox(
            self._state, queue, self._faults, self._place, now=self._now, new_id=lambda: str(uuid.uuid4())
        )
        self._conductor = Conductor(
            self._state, self._outbox, self._driver, self._faults, now=self._now, failed=self._fail
        )
        self._pipe = _pipe(settings)
        self._server = Server(self._app(), self._listener, threads=settings.threads)
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        host, port = self._listener.getsockname()[:2]
        return f"http://{host}:{port}"

    def _app(self) -> flask.Flask:
        clusters = ClusterActions(self._state, self._place)
        definitions = DefinitionActions(self._state, self._place, now=self._now)
        tasks = TaskActions(
            self._state,
            self._conductor,
            clusters,
            definitions,
            faults=self._faults,
            place=self._place,
            max_tasks=self.settings.max_tasks,
            now=self._now,
            new_hex=secrets.token_hex,
        )
        ecs: dict[str, Action] = {}
        for some in (clusters, definitions, tasks, TagActions(self._state, clusters, definitions)):
            ecs |= some.actions
        api = Api(ecs, Interfaces(self._state, self._place), self._faults)
        return create_app(api, self._faults, health=self.health, task_logs=self.task_logs)

    def start(self) -> None:
        """Serve. Returns when requests are answered, and what ran before is found again."""
        ecs_model()
        for name in self.settings.clusters:
            if self._state.cluster(name) is None:
                self._state.put_cluster(Cluster(name))
        self._conductor.resume()
        self._supervise("outbox", self._outbox.run)
        self._supervise("purge", self._purge)
        if self._pipe is not None:
            self._supervise("pipe", self._pipe.run)
        self._server.start()

    def _supervise(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except BaseException as broken:  # noqa: BLE001 - one of the side tasks is gone: the whole shall end
                self._fail(broken)

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _fail(self, broken: BaseException) -> None:
        log.error("localaws.failed", thread=threading.current_thread().name, exc_info=broken)
        self.failure = self.failure or broken
        self.ended.set()

    def _purge(self) -> None:
        while not self.ended.wait(PURGE_EVERY):
            self._logs.forget(self._state.purge(self._now()))

    def health(self) -> Json:
        pipe = self._pipe and {
            "following": self._pipe.following,
            "moved": self._pipe.moved,
            "trouble": self._pipe.trouble,
        }
        return {
            "status": "ok" if self.failure is None else "failed",
            "driver": self.settings.driver,
            "tasks": self._state.count_live(),
            "eventsWaiting": self._outbox.waiting(),
            "pipe": pipe,
        }

    def task_logs(self, task_id: str, container: str) -> bytes:
        task = self._state.task(task_id)
        if task is None or not any(one.name == container for one in task.containers):
            raise invalid("The referenced task was not found.")
        return self._logs.read(task_id, container) if task.over else self._driver.logs(task_id, container)

    def stop(self) -> None:
        """Answer no more, end the tasks unless they are kept, and send what events can be sent."""
        self._server.stop()
        self._conductor.close(keep=self.settings.keep, within=self.settings.close_within)
        self.ended.set()
        if self._pipe is not None:
            self._pipe.close()
        self._outbox.close()
        for thread in self._threads:
            thread.join(5)
        self._state.close()


def _driver(settings: Settings, logs: TaskLogs) -> Driver:
    instance = _instance(settings.home_dir / "instance")
    if settings.driver == "process":
        from localaws.drivers.process import ProcessDriver  # noqa: PLC0415 - each driver has libraries of its own

        return ProcessDriver(
            instance=instance,
            folder=settings.home_dir / "processes",
            logs=logs,
            images=settings.images,
            keep=settings.keep,
        )
    from localaws.drivers.docker import DockerDriver  # noqa: PLC0415

    return DockerDriver(
        instance=instance,
        network=settings.docker_network,
        prefix=settings.docker_prefix,
        logs=logs,
        seccomp=settings.seccomp.read_text() if settings.seccomp else None,
        pull=settings.docker_pull == "missing",
    )


def _instance(file: Path) -> str:
    """What tells this home's tasks from those of others, made at the first start."""
    if not file.is_file():
        file.write_text(secrets.token_hex(8))
    return file.read_text()


def _pipe(settings: Settings) -> Pipe | None:
    if settings.pipe_source is None or settings.pipe_queue is None:
        return None
    return Pipe(
        clients.streams(settings),
        clients.dynamodb(settings),
        Queue(clients.sqs(settings), settings.pipe_queue),
        source=settings.pipe_source,
        checkpoint=settings.home_dir / "pipe.json",
        poll=settings.pipe_poll,
        rest=settings.pipe_rest,
        start=settings.pipe_start,
    )
