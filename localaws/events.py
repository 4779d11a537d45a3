"""`ECS Task State Change` in the envelope that EventBridge puts on a queue. Pure.

The real EventBridge accepts no `aws.*` source from anybody but AWS, nor do emulators: the envelope is made here.
"""

from __future__ import annotations

from datetime import UTC, datetime

from localaws.arns import Place
from localaws.definitions import Json
from localaws.tasks import Task
from localaws.views import event_detail


def task_state_change(task: Task, *, place: Place, event_id: str) -> Json:
    """The event of the change that made the record what it is."""
    return {
        "version": "0",
        "id": event_id,
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": place.account,
        "time": datetime.fromtimestamp(task.updated_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": place.region,
        "resources": [task.arn],
        "detail": event_detail(task),
    }
