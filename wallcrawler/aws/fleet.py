"""A fleet of ECS tasks: each session's browser is a task of its own.

A task is started with the session's id as its client token and as its `startedBy`: the one makes a repeated start the
same start, for a day, and by the other a task is found whose ARN nobody wrote down. Lists of ECS lag behind by seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from botocore.exceptions import ClientError

from wallcrawler import log as logs
from wallcrawler.aws.addresses import Addresses
from wallcrawler.aws.errors import Refused, code_of, message_of, soon, translated
from wallcrawler.aws.tasks import GUEST_TOKEN, SESSION_ID, family_of, interface_of, task_of
from wallcrawler.errors import LaunchFailed, TryLater
from wallcrawler.messages import WIRE_VERSION, UnreadableMessage
from wallcrawler.ports import Launch, Source, Task, TaskStatus

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient

log = logs.get()

#: Tasks that ECS describes in one call.
BATCH: Final = 100
#: Characters of the longest reason that ECS keeps.
LONGEST_REASON: Final = 255
#: Characters of the longest text that a session's end is explained with.
LONGEST_TEXT: Final = 300
#: Seconds until there may be room for a task that there was none for.
ROOM_AFTER: Final = 3.0

#: How the reasons begin of failures that are over when somebody else's task ends, or when more machines are there.
NO_ROOM: Final = ("RESOURCE", "AGENT", "Capacity is unavailable", "EMPTY CAPACITY PROVIDER", "NO ACTIVE INSTANCES")
#: The account runs as many tasks as it may; how ECS says so, whatever the code.
LIMIT_REACHED: Final = "reached the limit"

#: How StopTask says that there is no such task, or that this is no task's name. Every other refusal leaves it running.
UNKNOWN: Final = re.compile(r"not found|task ?id", re.IGNORECASE)

#: What users are told of refusals that only an operator can do something about.
REMEDIES: Final[Mapping[str, str]] = {
    "AccessDeniedException": "the provisioner's role may not run this task; its log has what AWS says",
    "ClusterNotFoundException": "there is no such ECS cluster; see WALLCRAWLER_CLUSTER",
}


class EcsFleet:
    """The Fleet port on ECS. `source` has the cluster's task events, as `events.trimmed` makes them.

    `task_definition` is a family, one revision of it, or an ARN; `container` is the guest's in it. `environment` is
    what every guest is told besides its session. With `use_public_address` guests are reached at their public
    addresses, otherwise at their private ones.
    """

    def __init__(
        self,
        ecs: ECSClient,
        ec2: EC2Client,
        *,
        cluster: str,
        task_definition: str,
        container: str,
        subnets: Sequence[str],
        security_groups: Sequence[str],
        source: Source,
        environment: Mapping[str, str],
        assign_public_ip: bool = False,
        use_public_address: bool = False,
        guest_port: int = 9223,
        launch_type: Literal["FARGATE", "EC2"] = "FARGATE",
    ) -> None:
        self._ecs = ecs
        self._cluster = cluster
        self._task_definition = task_definition
        self._container = container
        self._environment = dict(environment)
        self._source = source
        self._addresses = Addresses(ec2, public=use_public_address, port=guest_port)
        self._common: dict[str, Any] = {
            "cluster": cluster,
            "taskDefinition": task_definition,
            "count": 1,
            "launchType": launch_type,
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": list(subnets),
                    "securityGroups": list(security_groups),
                    "assignPublicIp": "ENABLED" if assign_public_ip else "DISABLED",
                }
            },
            "propagateTags": "TASK_DEFINITION",
            "enableECSManagedTags": True,
        }

    # -- Starting

    def run(self, launch: Launch) -> Task:
        try:
            with translated("ECS"):
                answer = self._run(launch)
        except Refused as refused:
            raise LaunchFailed(_told_to_users(refused)) from None
        for failure in answer.get("failures", ()):
            raise _not_started(failure)
        for started in answer["tasks"]:
            if task := self._task(started, self._addresses.of(started)):
                return task
        raise LaunchFailed("the task of this session has ended, and ECS has forgotten it")

    def _run(self, launch: Launch) -> Any:
        """RunTask's answer, also where an earlier call with other parameters has started the session's task."""
        try:
            return self._ecs.run_task(
                **self._common,
                clientToken=launch.session_id,
                startedBy=launch.session_id,
                tags=[{"key": "wallcrawler:session", "value": launch.session_id}],
                overrides={"containerOverrides": [self._told(launch)]},
            )
        except ClientError as failed:
            _forget(failed, launch.guest_token)
            if code_of(failed) == "ConflictException":
                # The settings have changed since, as in the middle of a deployment.
                answer: Any = failed.response
                return {"tasks": self._described(answer.get("resourceIds") or self._find(launch.session_id))}
            if LIMIT_REACHED in message_of(failed):
                raise TryLater("the account runs as many tasks as it may", after=soon(ROOM_AFTER)) from None
            raise

    def _told(self, launch: Launch) -> Any:
        told = self._environment | {SESSION_ID: launch.session_id, GUEST_TOKEN: launch.guest_token}
        return {
            "name": self._container,
            "environment": [{"name": name, "value": value} for name, value in told.items()],
        }

    # -- Stopping

    def stop(self, session_id: str, *, task: str | None, reason: str) -> Task | None:
        with translated("ECS"):
            for arn in [task] if task else self._find(session_id):
                if stopped := self._stop(arn, reason):
                    return self._task(stopped, None)
        return None

    def _stop(self, arn: str, reason: str) -> Any:
        """The task; None where ECS does not know it, does not any more, or takes the name for none of a task."""
        try:
            return self._ecs.stop_task(cluster=self._cluster, task=arn, reason=reason[:LONGEST_REASON])["task"]
        except ClientError as failed:
            if code_of(failed) == "InvalidParameterException" and UNKNOWN.search(message_of(failed)):
                return None
            raise

    def _find(self, session_id: str) -> list[str]:
        """The ARN of the session's task, whether it is to run or to stop."""
        for desired in ("RUNNING", "STOPPED"):
            listed = self._ecs.list_tasks(cluster=self._cluster, startedBy=session_id, desiredStatus=desired)
            if listed["taskArns"]:
                return listed["taskArns"]
        return []

    # -- Looking

    def tasks(self) -> list[Task]:
        """All that are to run. One that was told to stop is not in it any more, though it may take its time."""
        with translated("ECS"):
            listed = self._ecs.get_paginator("list_tasks").paginate(
                cluster=self._cluster, family=family_of(self._task_definition), desiredStatus="RUNNING"
            )
            told = self._described([arn for page in listed for arn in page["taskArns"]])
        found = (self._task(one, address) for one, address in zip(told, self._addresses.of_all(told), strict=True))
        return [task for task in found if task is not None and task.status is not TaskStatus.STOPPED]

    def _described(self, arns: Sequence[str]) -> list[Any]:
        """What ECS says of these tasks; nothing of those that it does not know."""
        told: list[Any] = []
        for start in range(0, len(arns), BATCH):
            told += self._ecs.describe_tasks(cluster=self._cluster, tasks=list(arns[start : start + BATCH]))["tasks"]
        return told

    def events(self) -> Source:
        return self._source

    def read(self, body: Mapping[str, Any]) -> Task | None:
        if body.get("v") != WIRE_VERSION:
            raise UnreadableMessage(f"a task event of version {body.get('v')!r}, this process reads {WIRE_VERSION}")
        try:
            task = self._task(body, None)
            interface_of(body)
        except (AttributeError, KeyError, TypeError) as strange:
            raise ValueError(f"no task event: {type(strange).__name__}") from None
        if task is None or task.status is TaskStatus.STOPPED:
            return task
        return replace(task, address=self._addresses.of(body) or self._address_described(task))

    def _address_described(self, task: Task) -> str | None:
        """From ECS itself, of a task that runs and whose event did not say."""
        if task.status is not TaskStatus.RUNNING:
            return None
        with translated("ECS"):
            told = self._described([task.id])
        address = next(iter(self._addresses.of_all(told)), None)
        if address is None:
            log.warning("fleet.without_address", task=task.id)
        return address

    def _task(self, told: Mapping[str, Any], address: str | None) -> Task | None:
        return task_of(told, container=self._container, address=address)

    def close(self) -> None:
        """Nothing to do: browsers outlive the process that started them, and another one looks after them."""


def _forget(failed: ClientError, token: str) -> None:
    """What ECS says of a request may quote its environment: from here on the token is not in it."""
    failed.response["Error"]["Message"] = message_of(failed).replace(token, "***")


def _told_to_users(refused: Refused) -> str:
    if remedy := REMEDIES.get(refused.code):
        return remedy
    return f"ECS refused the task: {refused.code}: {logs.mask(refused.why)}"[:LONGEST_TEXT].removesuffix(": ")


def _not_started(failure: Mapping[str, Any]) -> TryLater | LaunchFailed:
    """What a failure in RunTask's answer means. A reason is a word or a sentence of ECS and quotes nothing of ours."""
    reason = failure.get("reason") or "no reason given"
    if reason.startswith(NO_ROOM) or LIMIT_REACHED in reason:
        return TryLater(f"ECS has no room: {reason}", after=soon(ROOM_AFTER))
    return LaunchFailed(f"ECS did not start the task: {reason}")
