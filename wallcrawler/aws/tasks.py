"""What ECS says of a task, as ours. Pure.

DescribeTasks and events tell the same in nearly the same words; so do the bodies that `events.trimmed` makes.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping
from typing import Any, Final

from wallcrawler.ports import Task, TaskStatus

#: The variables that a guest's container is told its session by.
SESSION_ID: Final = "WALLCRAWLER_SESSION_ID"
GUEST_TOKEN: Final = "WALLCRAWLER_GUEST_TOKEN"  # noqa: S105 - a name

#: States in which the containers have not begun.
STARTING: Final = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})
#: States in which nothing of the task is left.
GONE: Final = frozenset({"STOPPED", "DELETED"})

#: How the type of a task's interface is written: by events, and by DescribeTasks.
INTERFACES: Final = frozenset({"eni", "ElasticNetworkInterface"})

#: `OutOfMemoryError: Container killed due to memory usage`: ECS begins many of its reasons with such a word.
_WORD: Final = re.compile(r"([A-Z][A-Za-z]+Error)\b")

_SIGNALS: Final = frozenset(signal.Signals)


def task_of(told: Mapping[str, Any], *, container: str, address: str | None) -> Task | None:
    """None for a task of no session. `container` is the guest's. Raises KeyError for what is no task."""
    session_id = session_of(told)
    if session_id is None:
        return None
    status = status_of(told)
    stopped = status is TaskStatus.STOPPED
    return Task(
        id=told["taskArn"],
        session_id=session_id,
        status=status,
        version=int(told.get("version", 0)),
        address=address,
        exit_code=_exit_code(told, container),
        stop_code=_stop_code(told, container) if stopped else None,
        stopped_reason=_sentence(told) if stopped else None,
        out_of_memory=any("OutOfMemory" in reason for reason in _reasons(told)),
    )


def session_of(told: Mapping[str, Any]) -> str | None:
    """The session that a task was started for; None for one that somebody else has started."""
    started_by = told.get("startedBy")
    # With a slash it names what started the task: a service's deployment, a rule.
    if started_by and "/" not in started_by:
        return str(started_by)
    for override in told.get("overrides", {}).get("containerOverrides", ()):
        for variable in override.get("environment", ()):
            if variable.get("name") == SESSION_ID:
                return str(variable["value"])
    return None


def status_of(told: Mapping[str, Any]) -> TaskStatus:
    """Stopped as soon as all containers have ended: what follows takes ECS many seconds, and concerns nobody."""
    containers = told.get("containers", ())
    if told["lastStatus"] in GONE or (containers and all(one.get("lastStatus") == "STOPPED" for one in containers)):
        return TaskStatus.STOPPED
    return TaskStatus.PENDING if told["lastStatus"] in STARTING else TaskStatus.RUNNING


def interface_of(told: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The id of a task's network interface and its private address, each where it is known."""
    for attachment in told.get("attachments", ()):
        if attachment.get("type") in INTERFACES:
            details = {one["name"]: one["value"] for one in attachment.get("details", ())}
            return details.get("networkInterfaceId"), details.get("privateIPv4Address")
    return None, None


def family_of(definition: str) -> str:
    """The family of a task definition, from that, `family:revision` or an ARN."""
    return name_of(definition).partition(":")[0]


def name_of(arn: str) -> str:
    """The last part of an ARN, or a name as it is."""
    return arn.rpartition("/")[2]


def _exit_code(told: Mapping[str, Any], container: str) -> int | None:
    """The guest's status, or that of another container where it has none; below zero the signal that ended it."""
    codes = {one.get("name"): one["exitCode"] for one in told.get("containers", ()) if one.get("exitCode") is not None}
    code = codes.get(container, next(iter(codes.values()), None))
    if code is None:
        return None
    # As shells have it, 137 is 128 and the number of SIGKILL.
    return 128 - int(code) if int(code) - 128 in _SIGNALS else int(code)


def _stop_code(told: Mapping[str, Any], container: str) -> str | None:
    """A short word for the end: `exit_1` or `SIGKILL` where the container tells why, ECS's word where ECS does."""
    code: str | None = told.get("stopCode")
    status = _exit_code(told, container)
    if code == "TaskFailedToStart":
        return next((word[1] for reason in _reasons(told) if (word := _WORD.match(reason))), code)
    if status is not None and status < 0 and code in {"EssentialContainerExited", "UserInitiated", None}:
        return signal.Signals(-status).name
    if status is not None and code in {"EssentialContainerExited", None}:
        return f"exit_{status}"
    return code


def _reasons(told: Mapping[str, Any]) -> Iterator[str]:
    for said in (told.get("stoppedReason"), *(one.get("reason") for one in told.get("containers", ()))):
        if said:
            yield str(said)


def _sentence(told: Mapping[str, Any]) -> str | None:
    """All that ECS says of the end, each thing once."""
    return "; ".join(dict.fromkeys(_reasons(told))) or None
