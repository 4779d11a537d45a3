"""Names of things: ARNs made, and references taken apart. Nothing here knows what exists."""

from __future__ import annotations

import re
from dataclasses import dataclass

from localaws.errors import invalid

_TASK_ID = re.compile(r"^[0-9a-f]{32}$|^[0-9a-f-]{36}$")


@dataclass(frozen=True, slots=True)
class Place:
    """The account and region that ARNs name."""

    account: str
    region: str

    @property
    def zone(self) -> str:
        return f"{self.region}a"

    def _ecs(self, resource: str) -> str:
        return f"arn:aws:ecs:{self.region}:{self.account}:{resource}"

    def cluster(self, name: str) -> str:
        return self._ecs(f"cluster/{name}")

    def task(self, cluster: str, task_id: str) -> str:
        return self._ecs(f"task/{cluster}/{task_id}")

    def container(self, cluster: str, task_id: str, container_id: str) -> str:
        return self._ecs(f"container/{cluster}/{task_id}/{container_id}")

    def definition(self, family: str, revision: int) -> str:
        return self._ecs(f"task-definition/{family}:{revision}")

    def attachment(self, attachment_id: str) -> str:
        return self._ecs(f"attachment/{attachment_id}")


def cluster_name(reference: str | None) -> str:
    """The cluster's name, from its name or ARN."""
    return (reference or "default").rsplit("/", 1)[-1]


def task_id(reference: str, *, cluster: str) -> str:
    """The task's id, from its id or ARN. Raises InvalidParameterException for anything else."""
    if reference.startswith("arn:"):
        parts = reference.split("/")
        if len(parts) == 3 and parts[1] != cluster:
            raise invalid(f"Identifier is for cluster {parts[1]}. Your cluster is {cluster}")
        reference = parts[-1]
    if not _TASK_ID.match(reference):
        raise invalid("taskId length should be one of [32,36]")
    return reference


def family_and_revision(reference: str) -> tuple[str, int | None]:
    """From `family`, `family:revision` or an ARN. The revision is None where none is named."""
    family, _, revision = reference.rsplit("/", 1)[-1].partition(":")
    if revision and not revision.isdecimal():
        raise invalid(f"Invalid revision number. Number: {revision}")
    return family, int(revision) if revision else None
