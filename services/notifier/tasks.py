"""What the notifier does with a change: wake who waits, then tell the outside.

Both only for sessions that became ready or ended; both may happen twice. The notice is made from the record as it now
is, so that a late one is not an old one.
"""

from __future__ import annotations

from typing import Any

from wallcrawler import lifecycle, trace
from wallcrawler.lifecycle import OVER, State
from wallcrawler.messages import SessionChanged
from wallcrawler.ports import Bell, Topic
from wallcrawler.session import Session
from wallcrawler.sessions import Sessions


def session_changed(change: SessionChanged, *, sessions: Sessions, bell: Bell, topic: Topic) -> None:
    """Raises TryLater where the bell's server is away, and NotFound where the record is gone."""
    if not change.moved:
        return
    became_ready = change.state is State.READY and change.before in lifecycle.STARTING
    if not (became_ready or change.state in OVER):
        return
    with trace.span("notify", parent=change.traceparent, state=change.after):
        _tell(change, became_ready, sessions=sessions, bell=bell, topic=topic)


def _tell(change: SessionChanged, became_ready: bool, *, sessions: Sessions, bell: Bell, topic: Topic) -> None:
    bell.ring(change.session_id)
    session = sessions.get(change.session_id)
    event_type = "ready" if became_ready else "ended"
    topic.publish(
        notice(session),
        attributes={"sessionId": session.id, "projectId": session.project_id, "eventType": event_type},
    )


def notice(session: Session) -> dict[str, Any]:
    """What subscribers of the topic get: no connect URL, no key."""
    facts = {
        "sessionId": session.id,
        "projectId": session.project_id,
        "status": lifecycle.sdk_status(session.state),
        "internalStatus": str(session.state),
        "endedReason": session.ended_reason,
        "publicIp": session.address.rpartition(":")[0] if session.address else None,
        "createdAt": session.created_at,
        "expiresAt": session.ends_at,
        "region": session.region,
        "keepAlive": session.keep_alive,
    }
    return {name: value for name, value in facts.items() if value is not None}
