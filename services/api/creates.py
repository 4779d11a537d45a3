"""POST /v1/sessions, behind its route: from a wish to a session that a client may connect to."""

from __future__ import annotations

import hashlib
import threading
import uuid
from dataclasses import replace
from typing import Final

from services.api import bodies, plans, waiting
from services.api.answers import NO_RETRY, Refusal
from wallcrawler import log as logs
from wallcrawler import metrics, trace
from wallcrawler.errors import ConcurrencyReached
from wallcrawler.lifecycle import Reason, State
from wallcrawler.project import Project
from wallcrawler.session import Session
from wallcrawler.settings import Settings
from wallcrawler.wiring import Ports

#: Threads that are never given to creates that wait, so that releases and reports always get through.
RESERVED_THREADS: Final = 4

#: Seconds after which a full project, or a full API, may be asked again.
RETRY_AFTER: Final = 5

#: Ids of sessions that were created with an Idempotency-Key: the same key of the same project is the same session.
_IDEMPOTENT: Final = uuid.UUID("5d7c0c3e-5b0f-4f43-9b38-4a1f5cf0c7a5")

#: Settings that clients send and this server can't follow; the session works without.
_NOT_APPLIED: Final = (
    ("solve_captchas", "solveCaptchas"),
    ("captcha_image_selector", "captchaImageSelector"),
    ("captcha_input_selector", "captchaInputSelector"),
    ("advanced_stealth", "advancedStealth"),
    ("verified", "verified"),
    ("record_session", "recordSession"),
    ("os", "os"),
    # What clients from before `os` send.
    ("fingerprint", "fingerprint"),
)


class Creates:
    """Creates sessions, and bounds how many callers wait for one in this process."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._places = threading.BoundedSemaphore(ports.settings.api_threads - RESERVED_THREADS)

    def create(self, wish: bodies.CreateSession, project: Project, *, idempotency_key: str | None) -> Session:
        """A connectable session. Raises Refusal: 429 where the project or this process is full, what its planners
        refuse, 502 for a browser that did not start, 504 where it took too long."""
        if not self._places.acquire(blocking=False):
            metrics.CREATES.labels("too_many_waiting").inc()
            raise Refusal(429, "too many creates are waiting for their browsers; ask again in a moment", _later())
        try:
            with metrics.WAITING_CREATES.track_inprogress(), metrics.CREATE_SECONDS.time():
                return self._create(wish, project, idempotency_key)
        finally:
            self._places.release()

    def _create(self, wish: bodies.CreateSession, project: Project, key: str | None) -> Session:
        ports = self._ports
        ignored = not_applied(wish)
        note = f"not applied: {', '.join(ignored)}" if ignored else None
        plan = plans.planned(wish, project, ports)
        session_id = _session_id(project.id, key)
        session = new_session(wish, project, ports.settings, now=ports.clock.now(), id=session_id)
        session = replace(session, asked=_digest(wish) if key else None)
        with logs.about(session_id=session_id), trace.span("create", session_id=session_id, project_id=project.id):
            session = replace(session, traceparent=trace.traceparent())
            try:
                with trace.span("store"):
                    stored = ports.sessions.create(session, detail=note, plan=plan)
            except ConcurrencyReached as full:
                metrics.CREATES.labels("concurrency").inc()
                raise Refusal(429, _full(full.limit), _rate_limit(full.limit)) from None
            repeated, session = stored is not session, stored
            if key and session.asked not in {None, _digest(wish)}:
                raise Refusal(422, f"header/Idempotency-Key {key[:64]!r} came with another body before", NO_RETRY)
            session = waiting.provisioned(
                session,
                sessions=ports.sessions,
                bell=ports.bell,
                jobs=ports.jobs,
                clock=ports.clock,
                reread_every=ports.settings.reread_every,
            )
        metrics.CREATES.labels("created" if session.connectable else _word(session)).inc()
        if not session.connectable:
            raise _failed(session, repeated=repeated)
        return session


def new_session(wish: bodies.CreateSession, project: Project, settings: Settings, *, now: float, id: str) -> Session:
    """The record that a create starts from. A timeout beyond the server's is cut to it."""
    timeout = min(wish.timeout or project.default_timeout, settings.max_session_timeout)
    viewport, (width, height) = wish.browser_settings.viewport, settings.viewport_size
    return Session(
        id=id,
        project_id=project.id,
        state=State.CREATING,
        version=1,
        created_at=now,
        updated_at=now,
        ends_at=now + timeout,
        create_by=now + settings.create_deadline,
        connect_within=settings.connect_within,
        linger=settings.linger,
        retention=settings.retention,
        region=wish.region or settings.region,
        # A side of 0 is what generated clients send for "whatever you have".
        viewport=((viewport and viewport.width) or width, (viewport and viewport.height) or height),
        keep_alive=wish.keep_alive,
        user_metadata=wish.user_metadata,
        context_id=choice.id if (choice := wish.browser_settings.context) else None,
        browser_settings={"ignoreCertificateErrors": wish.browser_settings.ignore_certificate_errors},
    )


def not_applied(wish: bodies.CreateSession) -> list[str]:
    """The settings that were asked for and do nothing here."""
    settings = wish.browser_settings
    ignored = [name for attribute, name in _NOT_APPLIED if getattr(settings, attribute)]
    # Where the pool's proxies are is the operator's to know.
    placed = isinstance(wish.proxies, list) and any(item.get("geolocation") for item in wish.proxies)
    return [*ignored, "proxies.geolocation"] if placed else ignored


def _session_id(project_id: str, key: str | None) -> str:
    return str(uuid.uuid5(_IDEMPOTENT, f"{project_id}\n{key}") if key else uuid.uuid4())


def _digest(wish: bodies.CreateSession) -> str:
    """The same for the same wish, however it was spelled."""
    return hashlib.sha256(wish.model_dump_json(exclude_defaults=True).encode()).hexdigest()


def _word(session: Session) -> str:
    return str(Reason.of(session.ended_reason or Reason.CREATE_DEADLINE))


def _failed(session: Session, *, repeated: bool) -> Refusal:
    """The answer for a session that ended before its caller had it; its record tells the rest."""
    reason = session.ended_reason or ""
    if repeated and session.ready_at is not None:
        return Refusal(410, f"session {session.id} of this Idempotency-Key has ended: {reason}", NO_RETRY)
    status = {Reason.CREATE_DEADLINE: 504, Reason.RELEASED: 409}.get(Reason.of(reason), 502)
    how = "got no browser" if session.ready_at is None else "ended at once"
    return Refusal(status, f"session {session.id} {how}: {reason}", NO_RETRY)


def _later() -> dict[str, str]:
    return {"retry-after": str(RETRY_AFTER)}


def _full(limit: int) -> str:
    return (
        f"You've exceeded your max concurrent sessions limit (limit {limit}, currently {limit}). "
        "Release a session, or raise the limit with `wallcrawler projects set --concurrency N`."
    )


def _rate_limit(limit: int) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(RETRY_AFTER),
        **_later(),
    }
