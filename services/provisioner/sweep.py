"""The guarantee behind every event: lists what is, lists what should be, and repairs both ways.

Guests' timers, task events and jobs are faster and normally do all the work; each of them can be lost. This is the only
place where polling is allowed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from services.provisioner import tasks
from wallcrawler import log as logs
from wallcrawler import metrics
from wallcrawler.catalog import Catalog
from wallcrawler.errors import NotFound
from wallcrawler.lifecycle import LIVE, Event, Reason, State
from wallcrawler.ports import Clock, Fleet, Jobs, Task, TaskStatus
from wallcrawler.project import Project
from wallcrawler.session import Session
from wallcrawler.sessions import Sessions

log = logs.get()

#: Seconds after which a session whose job left no trace gets another one.
JOB_LOST_AFTER = 4.0
#: Seconds after which the fleet's word on a task's address is taken without its event.
EVENT_LOST_AFTER = 2.0
#: Seconds after which a task that no list of the fleet names is looked for. ECS's lists lag by seconds.
VANISHED_AFTER = 6.0
#: Seconds that a task may outlive its session: a guest needs some of them to put things away.
LAST_RITES = 5.0


@dataclass(slots=True)
class Sweep:
    """One instance sweeps again and again; it remembers which counts looked wrong the last time."""

    sessions: Sessions
    catalog: Catalog
    fleet: Fleet
    jobs: Jobs
    clock: Clock
    _suspects: dict[str, tuple[int, int]] = field(default_factory=dict)

    def run(self) -> Counter[str]:
        """One sweep; returns what it repaired, by kind. Raises TryLater, and then the next one goes on."""
        repaired: Counter[str] = Counter()
        # Rows first, tasks second: a task that is listed and has no row here may just be younger than the rows.
        # In the order in which sessions move, so that one that moves meanwhile is rather met twice than missed.
        rows = {session.id: session for state in State if state in LIVE for session in self.sessions.in_state(state)}
        running = {task.session_id: task for task in self.fleet.tasks()}
        for session in rows.values():
            with logs.about(session_id=session.id, project_id=session.project_id):
                repaired[self._row(session, running.get(session.id))] += 1
        for task in running.values():
            if task.session_id not in rows:
                repaired[self._stray(task)] += 1
        live = Counter(session.project_id for session in rows.values())
        for project in self.catalog.projects():
            repaired[self._count(project, live[project.id])] += 1
        del repaired[""]
        for kind, count in repaired.items():
            metrics.SWEEP_REPAIRS.labels(kind).inc(count)
        metrics.ACTIVE_SESSIONS.set(len(rows))
        return repaired

    def _row(self, session: Session, task: Task | None) -> str:
        """Bring one session forward; returns the kind of repair, or nothing."""
        now = self.clock.now()
        if session.overdue(now):
            return self._overdue(session, now)
        if session.leaving:
            if now < session.updated_at + LAST_RITES:
                return ""
            self.jobs.release(session.id)
            return "unreleased"
        if task is None:
            return self._without_task(session, now)
        if session.address is None and task.address is not None and now > session.created_at + EVENT_LOST_AFTER:
            self.sessions.advance(session.id, Event.LOCATED, task=task.id, address=task.address)
            log.warning("sweep.located")
            return "unlocated"
        return ""

    def _overdue(self, session: Session, now: float) -> str:
        due = session.overdue(now)
        assert due is not None  # noqa: S101 - just looked at
        event, reason = due
        # Rows are read before any of them is looked at: this one may have been met in time since.
        still = self.sessions.advance(
            session.id, event, reason=reason, detail="found by sweep", when=lambda seen: seen.overdue(now) == due
        )
        if not still.leaving:
            return ""
        self.jobs.release(session.id)
        log.info("sweep.overdue", reason=reason)
        return "overdue"

    def _without_task(self, session: Session, now: float) -> str:
        if session.task is not None:
            # The row named the task before the fleet was asked; but a fleet's list may lag behind what it has started.
            return self._exited(session) if now > session.updated_at + VANISHED_AFTER else ""
        if session.state is State.CREATING and now > session.created_at + JOB_LOST_AFTER:
            self.jobs.provision(session.id)
            log.warning("sweep.enqueued_again")
            return "job_lost"
        return ""

    def _exited(self, session: Session) -> str:
        """The session's task does not run any more. Why not, the fleet may know better than we."""
        reason, detail = Reason.TASK_STOPPED.because("vanished"), "the fleet no longer knows the task"
        if task := self.fleet.stop(session.id, task=session.task, reason="its task vanished"):
            if task.status is not TaskStatus.STOPPED:
                return ""
            diagnosed, sentence = tasks.diagnosis(task)
            reason, detail = diagnosed, sentence or "found by sweep"
        self.sessions.advance(session.id, Event.EXITED, reason=reason, detail=detail)
        log.warning("sweep.vanished", task=session.task, reason=reason)
        return "vanished"

    def _stray(self, task: Task) -> str:
        """A task that no live session owned when the rows were read."""
        try:
            session = self.sessions.get(task.session_id)
        except NotFound:
            session = None
        if session is not None:
            if not session.over:
                return ""
            if self.clock.now() < (session.ended_at or 0) + LAST_RITES:
                return ""
        self.fleet.stop(task.session_id, task=task.id, reason="no session owns this task")
        log.warning("sweep.stray", session_id=task.session_id, task=task.id)
        return "stray"

    def _count(self, project: Project, live: int) -> str:
        """Correct a count that was wrong twice in a row, with no create or ending in between.

        Indexes may lag behind, and a count may be read while it moves: once is no proof.
        """
        if live == project.active:
            self._suspects.pop(project.id, None)
            return ""
        suspect = (project.version, live)
        if self._suspects.get(project.id) != suspect:
            self._suspects[project.id] = suspect
            return ""
        del self._suspects[project.id]
        if not self.catalog.recount(project, live):
            return ""
        log.warning("sweep.recounted", project_id=project.id, was=project.active, active=live)
        return "miscounted"
