"""The two wire formats: JSON 1.1 for ECS, and EC2's Query API with its XML.

Pure: from headers and bytes to a call, from values to bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from localaws.errors import AwsError

ECS_TARGET: Final = "AmazonEC2ContainerServiceV20141113"
EC2_NAMESPACE: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"


@dataclass(frozen=True, slots=True)
class Call:
    """One request: which API, which action, with what."""

    service: str
    action: str
    params: Any


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def read_call(headers: Mapping[str, str], body: bytes) -> Call:
    """Which action is asked for. Raises AwsError where none can be told."""
    if not headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 "):
        # Nothing is verified, but a web page can't send this header to another origin unasked.
        raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
    target = headers.get("X-Amz-Target")
    if target is None:
        return _read_query(body)
    prefix, _, action = target.partition(".")
    if prefix != ECS_TARGET or not action:
        raise AwsError("UnknownOperationException", f"Unknown target: {target}")
    try:
        return Call("ecs", action, json.loads(body or b"{}"))
    except ValueError:
        raise AwsError("SerializationException", "The request is not valid JSON") from None


def _read_query(body: bytes) -> Call:
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if "Action" not in form:
        raise AwsError("UnknownOperationException", "The request names no action")
    return Call("ec2", form.pop("Action"), form)


def numbered(form: Mapping[str, str], name: str) -> list[str]:
    """The values of `Name.1`, `Name.2`, ... in their order."""
    found = [
        (int(key[len(name) + 1 :]), value)
        for key, value in form.items()
        if key.startswith(f"{name}.") and key[len(name) + 1 :].isdecimal()
    ]
    return [value for _, value in sorted(found)]


def ecs_answer(body: Mapping[str, Any], request_id: str) -> Answer:
    return Answer(200, json.dumps(body).encode(), _json_headers(request_id))


def ecs_error(error: AwsError, request_id: str) -> Answer:
    body = {"__type": error.code, "message": error.message} | error.more
    return Answer(error.status, json.dumps(body).encode(), _json_headers(request_id))


def _json_headers(request_id: str) -> dict[str, str]:
    return {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": request_id}


def ec2_answer(action: str, body: Mapping[str, Any], request_id: str) -> Answer:
    """`body` as XML: mappings are elements, lists hold `item`s, None is left out."""
    root = ElementTree.Element(f"{action}Response", xmlns=EC2_NAMESPACE)
    _grow(root, {"requestId": request_id} | dict(body))
    return Answer(200, _xml(root), _xml_headers(request_id))


def ec2_error(error: AwsError, request_id: str) -> Answer:
    root = ElementTree.Element("Response")
    _grow(root, {"Errors": {"Error": {"Code": error.code, "Message": error.message}}, "RequestID": request_id})
    return Answer(error.status, _xml(root), _xml_headers(request_id))


def _grow(element: ElementTree.Element, value: Any) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if inner is not None:
                _grow(ElementTree.SubElement(element, name), inner)
    elif isinstance(value, list):
        for inner in value:
            _grow(ElementTree.SubElement(element, "item"), inner)
    else:
        element.text = str(value).lower() if isinstance(value, bool) else str(value)


def _xml(root: ElementTree.Element) -> bytes:
    return bytes(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True))


def _xml_headers(request_id: str) -> dict[str, str]:
    return {"Content-Type": "text/xml;charset=UTF-8", "x-amzn-RequestId": request_id}
