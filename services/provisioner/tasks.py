"""What the provisioner does with a session. Every function may be repeated, late, or run by two workers at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wallcrawler import log as logs
from wallcrawler import trace
from wallcrawler.errors import LaunchFailed, NotFound
from wallcrawler.lifecycle import Event, Reason
from wallcrawler.links import Links
from wallcrawler.ports import Fleet, Launch, Task, TaskStatus
from wallcrawler.session import Session
from wallcrawler.sessions import Sessions

log = logs.get()


def provision(session_id: str, *, sessions: Sessions, fleet: Fleet, links: Links) -> None:
    """Give the session a browser, once.

    Safe to repeat: the fleet recognises the session and returns the task that it already runs. Raises TryLater.
    """
    session = sessions.get(session_id)
    if not session.starting:
        return
    try:
        with trace.span("fleet.run", parent=session.traceparent):
            task = fleet.run(Launch(session_id, guest_token=links.token(session, "guest")))
    except LaunchFailed as failed:
        reason = Reason.LAUNCH_FAILED.because(str(failed))
        sessions.advance(session_id, Event.LAUNCH_FAILED, reason=reason, detail=str(failed))
        return
    session = sessions.advance(session_id, Event.LAUNCHED, task=task.id)
    if session.leaving or session.over:
        fleet.stop(session_id, task=task.id, reason="the session ended before its browser began")


def release(session_id: str, *, sessions: Sessions, fleet: Fleet) -> None:
    """Have the session's browser stopped, and say so where there is none. Raises TryLater."""
    session = sessions.get(session_id)
    if not (session.leaving or session.over):
        return
    task = fleet.stop(session_id, task=session.task, reason=session.ended_reason or "released")
    if session.leaving and (task is None or task.status is TaskStatus.STOPPED):
        sessions.advance(session_id, Event.EXITED)


def task_changed(event: Mapping[str, Any], *, sessions: Sessions, fleet: Fleet) -> Session | None:
    """Bring what the fleet says of a task into the session's record; None where no record is.

    The order of events does not matter: a session that is over stays over, and what is known is not learnt twice.
    Raises TryLater.
    """
    task = fleet.read(event)
    if task is None:
        return None
    with logs.about(session_id=task.session_id):
        try:
            if task.status is TaskStatus.STOPPED:
                reason, detail = diagnosis(task)
                return sessions.advance(task.session_id, Event.EXITED, reason=reason, detail=detail)
            if task.address is not None:
                return sessions.advance(task.session_id, Event.LOCATED, task=task.id, address=task.address)
            return sessions.get(task.session_id)
        except NotFound:
            # Sweep stops a task without an owner, once it has made sure that none is about to appear.
            log.warning("task.unknown_session", task=task.id)
            return None


def diagnosis(task: Task) -> tuple[str, str | None]:
    """Why a stopped task stopped: an endedReason, and a sentence where the fleet has one."""
    if task.out_of_memory:
        return Reason.OUT_OF_MEMORY, task.stopped_reason
    code = task.stop_code or ("unknown" if task.exit_code is None else f"exit_{task.exit_code}")
    return Reason.TASK_STOPPED.because(code), task.stopped_reason
