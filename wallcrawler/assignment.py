"""What the API and the guest say to each other.

    GET  /guest/v1/sessions/{id}/assignment  -> Assignment   404 unknown, 410 over; both are final
    POST /guest/v1/sessions/{id}/reports     Report -> Standing
    POST /guest/v1/sessions/{id}/notes       Note -> Standing         a line for the session's history
    GET  /guest/v1/sessions/{id}             -> Standing

Every call carries `Authorization: Bearer <guest token>`. JSON in camel case; unknown fields are ignored, so that an old
guest and a new API understand each other. Only the standard library is imported: a guest starts in the caller's wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wallcrawler.lifecycle import Event, State

#: What a guest may report.
REPORTABLE = frozenset(
    {
        Event.BROWSER_UP,
        Event.ATTACHED,
        Event.DETACHED,
        Event.WATCHED,
        Event.ABANDONED,
        Event.EXPIRED,
        Event.CRASHED,
        Event.DRAINED,
    }
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One session, as its guest needs to know it. Holds public keys only."""

    session_id: str
    project_id: str
    #: Width and height of the page, CSS pixels.
    viewport: tuple[int, int]
    keep_alive: bool
    #: Epoch seconds at which the session times out.
    expires_at: float
    #: Seconds after BROWSER_UP within which a client must connect.
    connect_within: float
    #: Seconds without a client after which a session that is not kept alive ends.
    linger: float
    #: Ed25519 public keys by key id, base64url.
    verify_keys: Mapping[str, str] = field(default_factory=dict)
    ignore_certificate_errors: bool = False
    #: What the guest's parts have to do, by their names; each part knows its own. It may hold secrets.
    plan: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def as_wire(self) -> dict[str, Any]:
        return {
            "sessionId": self.session_id,
            "projectId": self.project_id,
            "viewport": {"width": self.viewport[0], "height": self.viewport[1]},
            "keepAlive": self.keep_alive,
            "expiresAt": self.expires_at,
            "connectWithin": self.connect_within,
            "linger": self.linger,
            "verifyKeys": dict(self.verify_keys),
            "ignoreCertificateErrors": self.ignore_certificate_errors,
            "plan": dict(self.plan),
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Assignment:
        """Raises KeyError for a field that is missing."""
        return cls(
            session_id=wire["sessionId"],
            project_id=wire["projectId"],
            viewport=(wire["viewport"]["width"], wire["viewport"]["height"]),
            keep_alive=wire["keepAlive"],
            expires_at=wire["expiresAt"],
            connect_within=wire["connectWithin"],
            linger=wire["linger"],
            verify_keys=wire["verifyKeys"],
            ignore_certificate_errors=wire.get("ignoreCertificateErrors", False),
            plan=wire.get("plan", {}),
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What a guest saw. `reason` is an `endedReason`; `detail` is for the history, at most DETAIL characters of it."""

    event: Event
    reason: str | None = None
    detail: str | None = None
    #: All that went through proxies until now, both ways.
    proxy_bytes: int = 0

    def as_wire(self) -> dict[str, Any]:
        counted = self.proxy_bytes or None
        wire = {"event": str(self.event), "reason": self.reason, "detail": self.detail, "proxyBytes": counted}
        return {name: value for name, value in wire.items() if value is not None}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Report:
        """Raises ValueError that names the field."""
        event = wire.get("event")
        if not isinstance(event, str) or event not in REPORTABLE:
            raise ValueError(f"event must be one of {', '.join(sorted(REPORTABLE))}")
        reason, detail = wire.get("reason"), wire.get("detail")
        for name, value in (("reason", reason), ("detail", detail)):
            if value is not None and not isinstance(value, str):
                raise ValueError(f"{name} must be a string")
        proxy_bytes = wire.get("proxyBytes", 0)
        if not isinstance(proxy_bytes, int) or not 0 <= proxy_bytes < 1 << 63:
            raise ValueError("proxyBytes must be an integer >= 0")
        return cls(Event(event), reason, detail[:DETAIL] if detail else None, proxy_bytes)


#: What a guest may put into the history that is no event of the lifecycle.
NOTEWORTHY = frozenset(
    {"CONTEXT_PERSISTED", "CONTEXT_CONFLICT", "CONTEXT_NOT_PERSISTED", "EGRESS_REFUSED", "FILE_LOST"}
)

#: Characters of a line's detail that are kept.
DETAIL = 500


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the history. `happened` is one of NOTEWORTHY."""

    happened: str
    detail: str | None = None

    def as_wire(self) -> dict[str, Any]:
        return {"happened": self.happened, "detail": self.detail}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Note:
        """Raises ValueError that names the field."""
        happened, detail = wire.get("happened"), wire.get("detail")
        if not isinstance(happened, str) or happened not in NOTEWORTHY:
            raise ValueError(f"happened must be one of {', '.join(sorted(NOTEWORTHY))}")
        if detail is not None and not isinstance(detail, str):
            raise ValueError("detail must be a string")
        return cls(happened, detail[:DETAIL] if detail else None)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the session stands for the API; a guest whose session is leaving or over ends."""

    state: State
    ended_reason: str | None = None

    def as_wire(self) -> dict[str, Any]:
        return {"state": str(self.state), "endedReason": self.ended_reason}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Standing:
        return cls(State(wire["state"]), wire.get("endedReason"))
