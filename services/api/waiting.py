"""The wait of a create: bell, re-read, deadline.

A wake is a hint and the record is the truth: whatever wakes the caller, it reads, and it reads by itself every now and
then. Nothing here polls for readiness beyond that.
"""

from __future__ import annotations

from contextlib import suppress

from wallcrawler import log as logs
from wallcrawler import metrics, trace
from wallcrawler.errors import TryLater
from wallcrawler.lifecycle import Event, Reason, State
from wallcrawler.ports import Bell, Clock, Jobs
from wallcrawler.session import Session
from wallcrawler.sessions import Sessions

log = logs.get()


def provisioned(
    session: Session, *, sessions: Sessions, bell: Bell, jobs: Jobs, clock: Clock, reread_every: float
) -> Session:
    """Have a browser started for the session and wait until it is ready, over, or out of time; what is then true.

    The bell is listened to before the job is enqueued, so that no answer can be too fast to be heard. A queue that does
    not answer is asked again at every re-read.
    """
    with bell.listen(session.id) as ringing, trace.span("wait"):
        queued = _enqueued(session.id, jobs)
        while True:
            session = sessions.get(session.id)
            if not session.starting:
                _observe(session, clock)
                return session
            left = session.create_by - clock.now()
            if left <= 0:
                # A queue that never answered is not asked in the caller's time once more.
                return _given_up(session, sessions=sessions, jobs=jobs if queued else None)
            if not queued and session.state is State.CREATING:
                queued = _enqueued(session.id, jobs)
            ringing.wait(min(reread_every, left))


def released(
    session: Session, *, sessions: Sessions, bell: Bell, jobs: Jobs, clock: Clock, within: float, detail: str
) -> Session:
    """Ask for the session's end, and wait for it at most `within` seconds; what is then true. Safe to repeat."""
    until = clock.now() + within
    with bell.listen(session.id) as ringing:
        session = sessions.advance(session.id, Event.RELEASED, reason=Reason.RELEASED, detail=detail)
        if session.leaving:
            with suppress(TryLater):  # sweep asks again
                jobs.release(session.id)
        while not session.over and (left := until - clock.now()) > 0:
            ringing.wait(left)
            session = sessions.get(session.id)
    return session


def _enqueued(session_id: str, jobs: Jobs) -> bool:
    try:
        jobs.provision(session_id)
    except TryLater as away:
        log.warning("job.not_enqueued", why=str(away))
        return False
    return True


def _given_up(session: Session, *, sessions: Sessions, jobs: Jobs | None) -> Session:
    detail = f"it was {session.state} when the time was up"
    # The browser may have come up since the record was read; then it is the caller's.
    session = sessions.advance(
        session.id, Event.EXPIRED, reason=Reason.CREATE_DEADLINE, detail=detail, when=lambda seen: seen.starting
    )
    if session.leaving and jobs is not None:
        with suppress(TryLater):  # sweep asks again
            jobs.release(session.id)
    return session


def _observe(session: Session, clock: Clock) -> None:
    if session.ready_at is not None:
        metrics.WAKE_SECONDS.observe(max(0.0, clock.now() - session.ready_at))
