"""What a create asks of the guest's parts: checked here, and kept beside the session's record.

A plan is JSON by the name of the part that follows it (controller/parts). What is wrong is refused before anything is
stored, and names the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from services.api import bodies, certificates, contexts, egress, extensions, logs
from wallcrawler.project import Project
from wallcrawler.wiring import Ports

#: Each says what its part has to do for this wish, by the part's name; nothing where the wish asks nothing of it.
#: Raises Refusal.
Planner = Callable[[bodies.CreateSession, Project, Ports], Mapping[str, Any]]

PLANNERS: Final[tuple[Planner, ...]] = (contexts.plan, extensions.plan, certificates.plan, egress.plan, logs.plan)


def planned(wish: bodies.CreateSession, project: Project, ports: Ports) -> dict[str, Any]:
    """Raises Refusal for the first thing that can't be done."""
    plan: dict[str, Any] = {}
    for planner in PLANNERS:
        plan |= planner(wish, project, ports)
    return plan
