"""What a guest may still say after its session's end: the last of what it had begun to say."""

from __future__ import annotations

from typing import Final

from services.api.answers import NO_RETRY, Refusal
from wallcrawler.session import Session

#: Seconds after the end; a guest that was told to go is killed sooner.
LAST_WORDS: Final = 60.0


def in_time(session: Session, *, now: float) -> Session:
    """Raises Refusal 410."""
    if session.ended_at is not None and now > session.ended_at + LAST_WORDS:
        raise Refusal(410, f"session {session.id} has ended: {session.ended_reason}", NO_RETRY)
    return session
