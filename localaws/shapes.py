"""Requests held against botocore's own model of the API.

Members that the model does not know are dropped, as AWS does; a wrong type is a SerializationException; a missing
member, or a word that is not of an enumeration, is an InvalidParameterException.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel

from localaws.errors import AwsError, invalid

_PYTHON: dict[str, type | tuple[type, ...]] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}


@cache
def ecs_model() -> ServiceModel:
    """Read once: it takes 0.2 s."""
    return botocore.session.get_session().get_service_model("ecs")


def check_input(action: str, params: Any) -> dict[str, Any]:
    """The request's parameters, or AwsError."""
    shape = ecs_model().operation_model(action).input_shape
    if shape is None:
        return {}
    checked = _checked(params, shape, at="")
    return dict(checked)


def _checked(value: Any, shape: Any, *, at: str) -> Any:
    kind = shape.type_name
    fits = isinstance(value, _PYTHON[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not fits:
        raise AwsError("SerializationException", f"{at or 'The request'} must be of the type {kind}")
    if kind == "structure":
        return _checked_structure(value, shape, at=at)
    if kind == "list":
        return [_checked(one, shape.member, at=f"{at}[{index}]") for index, one in enumerate(value)]
    if kind == "map":
        return {name: _checked(one, shape.value, at=f"{at}.{name}") for name, one in value.items()}
    if kind == "string" and shape.enum and value not in shape.enum:
        raise invalid(f"Invalid value '{value}' for {at}. Valid values: {', '.join(shape.enum)}")
    return value


def _checked_structure(value: dict[str, Any], shape: Any, *, at: str) -> dict[str, Any]:
    # In the JSON protocol, null is the same as absent.
    given = {name: one for name, one in value.items() if name in shape.members and one is not None}
    for name in shape.required_members:
        if name not in given:
            raise invalid(f"{name[0].upper()}{name[1:]} can not be blank.")
    return {name: _checked(one, shape.members[name], at=f"{at}.{name}".lstrip(".")) for name, one in given.items()}
