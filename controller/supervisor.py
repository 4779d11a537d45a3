"""The life of a guest: boot, be assigned, serve, end.

Boot listens and answers /health. To be assigned is a step of its own, so that a guest can wait for its session. Then
Chrome starts, the gate opens, and one ending decides all the rest: whoever is first to call `end` names the reason.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from controller import cdp, chrome
from controller.api import Api, Final, Outbox
from controller.cdp import Connection, Refused
from controller.chrome import Chrome, ChromeDied, Endpoint
from controller.company import Company
from controller.introductions import Introductions
from controller.parts import Browser, Handler, Launch, PartFailed
from controller.parts import Guest as Surroundings
from controller.proxy import Proxy
from controller.settings import GuestSettings
from wallcrawler import log as logs
from wallcrawler.assignment import Assignment, Report, Standing
from wallcrawler.lifecycle import CONNECTABLE, STARTING, Event, Reason

if TYPE_CHECKING:
    from wallcrawler.tokens import Verifier

log = logs.get()

#: Seconds to learn from the API why the task is being stopped, and between questions.
REASON_WITHIN = 2.0
REASON_EVERY = 0.05
#: Seconds at the end for reports to be heard.
REPORTED_WITHIN = 5.0

#: Seconds that Chrome gets to put its profile away, where that is kept.
CLOSED_WITHIN = 5.0

#: The reason where the task is stopped and nobody can say why.
STOPPED = Reason.TASK_STOPPED.because("terminated")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the guest ends: what to report first (or nothing), and the reason, if it is known already."""

    reason: str | None
    event: Event | None = None
    detail: str | None = None
    failed: bool = False


class Guest:
    """One session's guest. `run` is its whole life."""

    def __init__(self, settings: GuestSettings) -> None:
        self._settings = settings
        self._api = Api(settings.api_url, settings.session_id, settings.token)
        self._proxy = Proxy(settings.session_id, self._clients_changed)
        self._proxy.introduce = Introductions(self._api, settings.session_id).introduce
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._outbox = Outbox(self._api, self._heard, self._proxy_bytes)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._assignment: Assignment | None = None
        self._chrome: Chrome | None = None
        self._browser: Browser | None = None
        self._company: Company | None = None
        self._port = 0
        self._had_clients = False

    def stop(self) -> None:
        """The task is being stopped, as by SIGTERM; the API knows why."""
        self.end(Ending(reason=None))

    def end(self, ending: Ending) -> None:
        """The first ending counts."""
        if not self._ending.done():
            self._ending.set_result(ending)

    async def run(self, listener: socket.socket) -> int:
        """Returns the exit status: 0 where the session ended, 1 where its browser failed."""
        self._port = listener.getsockname()[1]
        await self._proxy.listen(listener)
        if self._settings.loopback_port:
            await self._listen_inside(self._settings.loopback_port)
        log.info("guest.booted", port=self._port)
        serving = asyncio.create_task(self._serve())
        try:
            ending = await self._ending
        finally:
            serving.cancel()
            await asyncio.wait({serving})
        await self._finish(ending)
        return 1 if ending.failed else 0

    async def _listen_inside(self, port: int) -> None:
        try:
            await self._proxy.listen(socket.create_server(("127.0.0.1", port)))
        except OSError as taken:
            # Only what runs inside the browser misses it.
            log.warning("guest.no_loopback", port=port, why=taken.strerror)

    async def _serve(self) -> None:
        try:
            self._proxy.phase = "starting"
            self._assignment = assignment = await self._api.assignment()
            await self._start_chrome(assignment)
            await asyncio.shield(self._watched().exited)
            await self._chrome_exited()
        except Final as final:
            log.info("guest.unassigned", status=final.status, why=str(final))
            self.end(Ending(STOPPED))
        except PartFailed as failed:
            self.end(Ending(failed.reason, Event.CRASHED, str(failed), failed=True))
        except ChromeDied as died:
            self.end(Ending(died.reason, Event.CRASHED, str(died), failed=True))
        except asyncio.CancelledError:
            raise
        except Exception as broken:
            log.exception("guest.failed")
            self.end(Ending(Reason.BROWSER_CRASHED, Event.CRASHED, f"the guest failed: {broken!r}", failed=True))

    async def _start_chrome(self, assignment: Assignment) -> None:
        began = time.monotonic()
        self._company = company = Company(self._surroundings(assignment))
        launch = self._launch(assignment)
        await company.prepare(launch)
        if launch.extensions:
            launch.arguments.append(f"--load-extension={','.join(map(str, launch.extensions))}")
        self._chrome = await Chrome.start(self._settings.chrome, launch.arguments, launch.directory, launch.environment)
        # Imported while Chrome starts: the libraries behind it take a fifth of all that a guest imports.
        from wallcrawler.tokens import Verifier  # noqa: PLC0415

        verifier = Verifier(assignment.verify_keys)
        endpoint = await self._chrome.endpoint()
        try:
            observer = await Connection.open(endpoint)
            version = await cdp.version(observer)
            self._browser = browser = Browser(endpoint, observer)
            await company.begin(browser)
            self._open_gate(verifier, endpoint, company.handlers)
            self._outbox.put(Report(Event.BROWSER_UP, detail=version))
            self._arm("timeout", assignment.expires_at - time.time(), Ending(Reason.TIMED_OUT, Event.EXPIRED))
            self._arm("connect", assignment.connect_within, Ending(Reason.NEVER_CONNECTED, Event.ABANDONED))
            # The report is on its way meanwhile; who is faster waits at the gate.
            await cdp.fit(observer, endpoint, assignment.viewport)
        except OSError as lost:
            log.warning("chrome.lost", why=type(lost).__name__)
            raise await self._chrome.death() from None
        except Refused as refused:
            raise ChromeDied(Reason.BROWSER_CRASHED, f"Chrome refused at its start: {refused}") from None
        self._proxy.present()
        milliseconds = round((time.monotonic() - began) * 1000)
        log.info("chrome.up", version=version, milliseconds=milliseconds, sandbox=not chrome.unsandboxed())

    def _launch(self, assignment: Assignment) -> Launch:
        directory = self._settings.directory
        (directory / "profile").mkdir(parents=True, exist_ok=True, mode=0o700)
        arguments = chrome.switches(
            directory=directory,
            viewport=assignment.viewport,
            sandbox=not chrome.unsandboxed(),
            shm=chrome.shm_size(),
            ignore_certificate_errors=assignment.ignore_certificate_errors,
        )
        return Launch(directory, arguments, chrome.environment(directory))

    def _surroundings(self, assignment: Assignment) -> Surroundings:
        return Surroundings(
            assignment,
            self._settings.directory,
            self._port,
            self._api,
            self._outbox.put,
            self._settings.uploads,
            internal=self._settings.internal,
            watched=self._was_watched,
            attend=self._proxy.attend,
        )

    def _open_gate(self, verifier: Verifier, endpoint: Endpoint, handlers: Mapping[str, Handler]) -> None:
        self._proxy.handlers |= handlers
        policy = replace(
            self._proxy.policy,
            verifier=verifier,
            port=endpoint.port,
            browser_path=endpoint.browser_path,
        )
        self._proxy.admit(policy)
        self._proxy.phase = "serving"

    def _watched(self) -> Chrome:
        assert self._chrome is not None  # noqa: S101 - it was started just before
        return self._chrome

    async def _chrome_exited(self) -> None:
        """Chrome ended by itself: closed by a client, or crashed."""
        if await self._watched().exited == 0:
            self.end(Ending(Reason.DISCONNECTED, detail="a client closed the browser"))
        else:
            raise await self._watched().death()

    def _clients_changed(self, clients: int) -> None:
        assignment = self._assignment
        if assignment is None or self._ending.done():
            return
        if clients and not self._had_clients:
            self._disarm("connect")
            self._disarm("linger")
            self._outbox.put(Report(Event.ATTACHED))
        elif self._had_clients and not clients:
            self._outbox.put(Report(Event.DETACHED))
            if not assignment.keep_alive:
                self._arm("linger", assignment.linger, Ending(Reason.DISCONNECTED, Event.ABANDONED))
        self._had_clients = clients > 0

    def _was_watched(self) -> None:
        """Somebody looks at the session: a first client may take as long again to come."""
        if self._assignment is not None and "connect" in self._timers and not self._ending.done():
            self._outbox.put(Report(Event.WATCHED))
            self._arm("connect", self._assignment.connect_within, Ending(Reason.NEVER_CONNECTED, Event.ABANDONED))

    def _arm(self, name: str, seconds: float, ending: Ending) -> None:
        self._disarm(name)
        self._timers[name] = asyncio.get_running_loop().call_later(max(0.0, seconds), self.end, ending)

    def _disarm(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

    def _proxy_bytes(self) -> int:
        return self._company.proxy_bytes if self._company else 0

    def _heard(self, standing: Standing) -> None:
        """The API's record of the session: where it is ending there, it ends here."""
        if standing.state not in CONNECTABLE | STARTING:
            self.end(Ending(standing.ended_reason or STOPPED))

    async def _finish(self, ending: Ending) -> None:
        """Nobody passes any more, Chrome goes, clients and the API are told why, and nothing is left."""
        self._proxy.phase = "ending"
        self._proxy.refuse(ending.reason or STOPPED)
        for name in list(self._timers):
            self._disarm(name)
        if ending.event is not None and ending.event is not Event.CRASHED:
            self._outbox.put(Report(ending.event, ending.reason, ending.detail))
        if self._company and ending.failed:
            self._company.crashed()
        putting_away = asyncio.create_task(self._put_away())
        reason = ending.reason or await self._stopped_because()
        self._proxy.end(reason)
        await putting_away
        last = Event.CRASHED if ending.event is Event.CRASHED else Event.DRAINED
        self._outbox.put(Report(last, reason, ending.detail))
        log.info("guest.ended", reason=reason, detail=ending.detail)
        cleaning = asyncio.to_thread(shutil.rmtree, self._settings.directory, ignore_errors=True)
        await asyncio.gather(cleaning, self._outbox.flush(REPORTED_WITHIN))

    async def _put_away(self) -> None:
        """Have the parts keep what is to be kept, before and after Chrome goes."""
        company, browser = self._company, self._browser
        if company and browser:
            await company.drain(browser)
        if self._chrome is not None:
            if company and browser and company.keeps_profile:
                await self._close_politely(self._chrome, browser)
            # What is left of it has nothing that is kept, and need not be asked.
            await self._chrome.kill()
        if browser:
            await browser.observer.close()
        if company:
            await company.close()

    async def _close_politely(self, chrome: Chrome, browser: Browser) -> None:
        with suppress(OSError, LookupError):
            async with asyncio.timeout(CLOSED_WITHIN):
                await browser.observer.call("Browser.close")
        if not await chrome.left(CLOSED_WITHIN):
            log.warning("chrome.lingers", seconds=CLOSED_WITHIN)

    async def _stopped_because(self) -> str:
        with suppress(Final, OSError, TimeoutError):
            async with asyncio.timeout(REASON_WITHIN):
                while True:
                    if reason := (await self._api.standing()).ended_reason:
                        return reason
                    # Whoever saw to it may still be about to say why.
                    await asyncio.sleep(REASON_EVERY)
        return STOPPED
