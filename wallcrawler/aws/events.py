"""What EventBridge and Pipes put on queues, as bodies of ours. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wallcrawler.aws.tasks import family_of, name_of, session_of
from wallcrawler.aws.values import loaded_item
from wallcrawler.messages import WIRE_VERSION, SessionChanged

#: What is kept of a task. Never its overrides: their environment holds the guest's token.
KEPT: Final = ("lastStatus", "desiredStatus", "version", "stopCode", "stoppedReason")
#: What is kept of each of its containers.
KEPT_OF_CONTAINERS: Final = ("name", "lastStatus", "exitCode", "reason")
#: What is kept of its interface.
KEPT_OF_INTERFACES: Final = ("networkInterfaceId", "privateIPv4Address")


def trimmed(envelope: Mapping[str, Any], *, cluster: str, family: str) -> dict[str, Any] | None:
    """A body for `EcsFleet.read`, from EventBridge's envelope; None where it tells of no task of ours.

    `cluster` and `family` may be names or ARNs. The body looks as ECS describes tasks, with `startedBy` the session's
    id. Raises ValueError for what is no such event.
    """
    if envelope.get("detail-type") != "ECS Task State Change":
        return None
    try:
        detail: Mapping[str, Any] = envelope["detail"]
        session_id = session_of(detail)
        ours = name_of(detail["clusterArn"]) == name_of(cluster)
        if not ours or family_of(detail["taskDefinitionArn"]) != family_of(family) or session_id is None:
            return None
        return {
            "v": WIRE_VERSION,
            "startedBy": session_id,
            "taskArn": detail["taskArn"],
            **{name: detail[name] for name in KEPT if name in detail},
            "containers": [
                {name: one[name] for name in KEPT_OF_CONTAINERS if name in one} for one in detail.get("containers", ())
            ],
            "attachments": [_interface(one) for one in detail.get("attachments", ()) if one.get("type") == "eni"],
        }
    except (AttributeError, KeyError, TypeError) as strange:
        raise ValueError(f"no task event: {type(strange).__name__}") from None


def _interface(attachment: Mapping[str, Any]) -> dict[str, Any]:
    details = [one for one in attachment.get("details", ()) if one["name"] in KEPT_OF_INTERFACES]
    return {"type": "eni", "details": details}


def order_of(body: Mapping[str, Any]) -> tuple[str, int]:
    """What a trimmed event tells of, and how new it is: `detail.version` grows with every change of a task."""
    return str(body["taskArn"]), int(body.get("version", 0))


def session_changed(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """A SessionChanged body, from a record of the sessions table's stream as a Pipe delivers it.

    None where the item was deleted. Raises ValueError for what is no such record.
    """
    try:
        if record["eventName"] == "REMOVE":
            return None
        images = record["dynamodb"]
        old = loaded_item(images["OldImage"]) if "OldImage" in images else None
        return SessionChanged.of_images(old, loaded_item(images["NewImage"])).as_wire()
    except (AttributeError, KeyError, TypeError) as strange:
        raise ValueError(f"no record of a session: {type(strange).__name__}") from None
