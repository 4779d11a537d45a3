"""A session's record, new."""

from __future__ import annotations

from wallcrawler.lifecycle import State
from wallcrawler.session import Session


def a_session(id: str, project_id: str, *, now: float) -> Session:
    return Session(
        id=id,
        project_id=project_id,
        state=State.CREATING,
        version=1,
        created_at=now,
        updated_at=now,
        ends_at=now + 60,
        create_by=now + 45,
        connect_within=300,
        linger=1,
        retention=60,
        region="us-west-2",
        viewport=(1280, 720),
    )
