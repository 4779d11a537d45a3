"""All of Wallcrawler in one process, on one machine: API, worker, notifier, and a Valkey beside them.

The only file that may import siblings. What starts here starts in the order in which one part needs another, and
stops in the opposite one, so that sessions end with a reason that is true and nothing is left behind.
"""

from __future__ import annotations

import hashlib
import shutil
from contextlib import ExitStack
from dataclasses import dataclass

from services.api.server import Server
from services.notifier import app as notifier
from services.provisioner import app as provisioner
from wallcrawler import log as logs
from wallcrawler.errors import Conflict, SettingsError
from wallcrawler.lifecycle import LIVE, Event, Reason
from wallcrawler.listening import listening
from wallcrawler.local.expiry import Expiry
from wallcrawler.local.home import Home, clear_leftovers
from wallcrawler.local.valkey import Valkey
from wallcrawler.ports import Fleet
from wallcrawler.project import Project, key_hash
from wallcrawler.settings import Settings
from wallcrawler.wiring import Ports
from wallcrawler.wiring.embedded import embedded
from wallcrawler.worker import start_all, stop_all

log = logs.get()

SHUTDOWN = Reason.TASK_STOPPED.because("platform_shutdown")
RESTART = Reason.TASK_STOPPED.because("platform_restarted")


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach what was started: the first project, and a key of it."""

    url: str
    project: Project
    api_key: str


class Embedded:
    """A running instance, from `start` to `stop`; also a context manager.

    `fleet` takes the place of child processes.
    """

    #: The slices whose tasks the worker takes.
    slices = (provisioner, notifier)

    def __init__(self, settings: Settings, *, fleet: Fleet | None = None) -> None:
        self.settings = settings
        self._fleet = fleet
        self._undo = ExitStack()
        self.ports: Ports
        self.access: Access

    def start(self) -> Access:
        """Raises SettingsError, and then nothing runs."""
        with ExitStack() as undo:
            self.access = self._start(undo)
            self._undo = undo.pop_all()
        return self.access

    def _start(self, undo: ExitStack) -> Access:
        settings = self.settings
        home = Home(settings.home_dir)
        home.lock()
        undo.callback(home.unlock)
        run_dir = home.run_dir(settings.run_dir)
        if ended := clear_leftovers(run_dir):
            log.warning("leftovers.ended", processes=ended)
        undo.callback(shutil.rmtree, run_dir, ignore_errors=True)
        listener = undo.enter_context(listening(settings.host, settings.port))
        url = f"http://{settings.reachable_host}:{listener.getsockname()[1]}"

        redis_url, namespace = self._redis(undo, home)
        ports = self.ports = embedded(
            settings, home, redis_url=redis_url, namespace=namespace, api_url=url, fleet=self._fleet
        )
        undo.callback(ports.close)
        self._settle(RESTART)
        ports.contexts.tidy()
        project, api_key = first_project(ports, home)

        workers = [worker for slice in self.slices for worker in slice.workers(ports)]
        undo.callback(stop_all, workers)
        server = Server(ports, listener)
        server.start()
        undo.callback(server.stop)
        start_all(workers)
        expiry = Expiry(ports.sessions, ports.blobs)
        expiry.start()
        undo.callback(expiry.stop)
        # First of all at the end: guests report to the API, and the worker hears of their exits.
        undo.callback(self._end_sessions)
        return Access(url, project, api_key)

    def _redis(self, undo: ExitStack, home: Home) -> tuple[str, str]:
        """The server for queue and wake, and a prefix that keeps instances apart on one that is shared."""
        if self.settings.redis_url is not None:
            return self.settings.redis_url.get_secret_value(), hashlib.sha256(str(home.path).encode()).hexdigest()[:8]
        valkey = Valkey()
        undo.callback(valkey.close)
        return valkey.url, ""

    def _settle(self, reason: str) -> None:
        """End the records of sessions whose browsers went with the process that ran them."""
        for state in LIVE:
            for session in list(self.ports.sessions.in_state(state)):
                self.ports.sessions.advance(session.id, Event.EXITED, reason=reason)

    def _end_sessions(self) -> None:
        """Tell every session why it ends, have the browsers ended, and settle what did not settle by itself."""
        for state in LIVE:
            for session in list(self.ports.sessions.in_state(state)):
                self.ports.sessions.advance(session.id, Event.RELEASED, reason=SHUTDOWN)
        self.ports.fleet.close()
        self._settle(SHUTDOWN)

    def stop(self) -> None:
        """Returns when no process, no temporary directory and no lock of this instance is left."""
        self._undo.close()

    def __enter__(self) -> Embedded:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def first_project(ports: Ports, home: Home) -> tuple[Project, str]:
    """The project of whoever runs this machine and a key of it, made at the first start and found at all others.

    The key is WALLCRAWLER_API_KEY, or the one in the home's `api-key` file. Raises SettingsError for a given key that
    another project has, or that was revoked.
    """
    settings, catalog = ports.settings, ports.catalog
    project = next(iter(sorted(catalog.projects(), key=lambda project: project.created_at)), None)
    if project is None:
        project = catalog.add_project(
            "default", concurrency=settings.concurrency, default_timeout=settings.default_timeout
        )
        log.info("project.created", project_id=project.id)
    given = settings.api_key.get_secret_value() if settings.api_key else None
    key = given or home.stored_key()
    try:
        secret, record = catalog.add_key(project.id, name="first", key=key)
    except Conflict:
        if given:
            raise SettingsError("WALLCRAWLER_API_KEY: this key was revoked, or is another project's") from None
        # The stored key was revoked on purpose; what is printed should work all the same.
        secret, record = catalog.add_key(project.id, name="first")
    if not given and secret != home.stored_key():
        home.store_key(secret)
    log.info("key.ready", hint=record.hint, hash=key_hash(secret)[:8])
    return project, secret
