"""RunTask, StopTask, DescribeTasks, ListTasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from localaws.actions import Action, page_size, page_start, page_token
from localaws.actions.clusters import ClusterActions
from localaws.actions.definitions import DefinitionActions
from localaws.arns import Place, task_id
from localaws.conductor import Conductor
from localaws.definitions import Json
from localaws.errors import AwsError, client_error, invalid
from localaws.faults import FaultSwitches
from localaws.launch import Run, fingerprint, new_task, read_run
from localaws.state import State, Token, Wanted
from localaws.tasks import StopCode, Task
from localaws.views import describe

NO_CAPACITY: Final = "Capacity is unavailable at this time. Please try again later or in a different availability zone"


class TaskActions:
    def __init__(
        self,
        state: State,
        conductor: Conductor,
        clusters: ClusterActions,
        definitions: DefinitionActions,
        *,
        faults: FaultSwitches,
        place: Place,
        max_tasks: int | None,
        now: Callable[[], float],
        new_hex: Callable[[int], str],
    ) -> None:
        self._state = state
        self._conductor = conductor
        self._clusters = clusters
        self._definitions = definitions
        self._faults = faults
        self._place = place
        self._max_tasks = max_tasks
        self._now = now
        self._new_hex = new_hex

    @property
    def actions(self) -> dict[str, Action]:
        return {
            "RunTask": self.run,
            "StopTask": self.stop,
            "DescribeTasks": self.describe,
            "ListTasks": self.list,
        }

    def run(self, params: Json) -> Json:
        cluster = self._clusters.get(params.get("cluster")).name
        definition = self._definitions.get(params["taskDefinition"])
        if definition is None:
            raise client_error("TaskDefinition not found.")
        run = read_run(params, definition, cluster=cluster)
        # One transaction: of two requests with one token, the second finds what the first has done.
        with self._state.transaction():
            used = self._state.token(run.client_token, self._now()) if run.client_token else None
            if used is not None:
                return self._again(used, params, cluster)
            room = self._room(run)
            tasks = [
                new_task(run, definition, place=self._place, cluster=cluster, at=self._now(), new_hex=self._new_hex)
                for _ in range(room)
            ]
            for task in tasks:
                self._conductor.add(task)
            # A run that started nothing may be tried again with the same token.
            if run.client_token and tasks:
                self._state.put_token(run.client_token, fingerprint(params), [task.id for task in tasks], self._now())
        for task in tasks:
            self._conductor.begin(task)
        reason = self._faults.now.run_task_failure or NO_CAPACITY
        return {
            "tasks": [describe(task, tags=True) for task in tasks],
            "failures": [{"reason": reason} for _ in range(run.count - room)],
        }

    def _again(self, used: Token, params: Json, cluster: str) -> Json:
        if used.fingerprint != fingerprint(params):
            raise AwsError(
                "ConflictException",
                "The request was made with a client token that has been used with other parameters.",
                resourceIds=[self._place.task(cluster, id) for id in used.tasks],
            )
        known = [task for id in used.tasks if (task := self._state.task(id)) is not None]
        return {"tasks": [describe(task, tags=True) for task in known], "failures": []}

    def _room(self, run: Run) -> int:
        """How many of the tasks that are asked for there is capacity for."""
        if self._faults.now.run_task_failure:
            return 0
        if self._max_tasks is None:
            return run.count
        return min(run.count, max(0, self._max_tasks - self._state.count_live()))

    def stop(self, params: Json) -> Json:
        if len(params.get("reason", "")) > 1024:
            raise invalid("reason must have a length of at most 1024.")
        cluster = self._clusters.get(params.get("cluster")).name
        task = self._find(params["task"], cluster)
        if task is None:
            raise invalid("The referenced task was not found.")
        reason = params.get("reason") or "Task stopped by user"
        task = self._conductor.stop(task.id, code=StopCode.USER_INITIATED, reason=reason)
        return {"task": describe(task, tags=False)}

    def _find(self, reference: str, cluster: str) -> Task | None:
        """None for one that is not of this cluster, or stopped too long ago."""
        task = self._state.task(task_id(reference, cluster=cluster))
        return None if task is None or task.cluster != cluster or task.forgotten(self._now()) else task

    def describe(self, params: Json) -> Json:
        wanted = params["tasks"]
        if not wanted:
            raise invalid("Tasks cannot be empty.")
        if len(wanted) > 100:
            raise invalid("Tasks cannot have more than 100 elements.")
        cluster = self._clusters.get(params.get("cluster")).name
        found = {reference: self._find(reference, cluster) for reference in wanted}
        tags = "TAGS" in params.get("include", ())
        return {
            "tasks": [describe(task, tags=tags) for task in found.values() if task is not None],
            "failures": [
                {"arn": self._place.task(cluster, task_id(reference, cluster=cluster)), "reason": "MISSING"}
                for reference, task in found.items()
                if task is None
            ],
        }

    def list(self, params: Json) -> Json:
        cluster = self._clusters.get(params.get("cluster")).name
        for foreign in ("containerInstance", "serviceName", "daemonName"):
            if params.get(foreign):
                raise invalid(f"localaws has no {foreign} to filter by.")
        if "startedBy" in params and {"family", "launchType"} & params.keys():
            raise invalid("startedBy must be the only filter that is used.")
        size = page_size(params)
        found = self._state.task_page(
            cluster,
            after=page_start(params),
            limit=size + 1,
            now=self._now(),
            wanted=Wanted(
                # ECS never sets PENDING as a desired status: asking for it finds nothing.
                desired=params.get("desiredStatus", "RUNNING"),
                family=params.get("family"),
                started_by=params.get("startedBy"),
                launch_type=params.get("launchType"),
            ),
        )
        shown = {"taskArns": [self._place.task(cluster, id) for _, id in found[:size]]}
        return shown | ({"nextToken": page_token(found[size - 1][0])} if len(found) > size else {})
