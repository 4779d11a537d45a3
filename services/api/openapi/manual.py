"""The document as a page: one file of HTML, with its style in it, and no script. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment

#: How deep fields of fields are told.
DEPTH: Final = 3

_HERE: Final = resources.files(__package__)
_STYLE: Final = _HERE.joinpath("style.css").read_text(encoding="utf-8")

#: The page's own style by its hash, and nothing else at all: no script, no picture, nobody's frame.
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(document: Mapping[str, Any]) -> str:
    schemas = document["components"]["schemas"]
    responses = document["components"]["responses"]
    subjects: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            subjects[operation["tags"][0]].append(_told(method.upper(), path, operation, schemas, responses))
    return str(_template().render(document=document, subjects=subjects, style=_STYLE))


@lru_cache(maxsize=1)
def _template() -> Any:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_HERE.joinpath("page.html").read_text(encoding="utf-8"))


def _told(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any], shared: Mapping[str, Any]
) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "open": operation.get("security") == [],
        "parameters": [
            _row(one["name"], one["schema"], one.get("required", False), one.get("description", "")) | {"in": one["in"]}
            for one in operation.get("parameters", ())
        ],
        "body": [(media, list(_rows(one["schema"], schemas))) for media, one in body.items()],
        "responses": [
            {
                "status": status,
                "description": response["description"],
                "headers": response.get("headers", {}),
                "content": [
                    (media, kind_of(one["schema"]), list(_rows(one["schema"], schemas)) if status < "400" else [])
                    for media, one in response.get("content", {}).items()
                ],
            }
            for status, response in ((code, _resolved(one, shared)) for code, one in operation["responses"].items())
        ],
    }


def _rows(schema: Mapping[str, Any], schemas: Mapping[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    """The fields of an object, and of the objects in it, by their path."""
    schema = _resolved(schema, schemas)
    if schema.get("type") == "array":
        yield from _rows(schema["items"], schemas, f"{prefix}[]" if prefix else "")
        return
    for name, field in schema.get("properties", {}).items():
        where = f"{prefix}.{name}" if prefix else name
        resolved = _resolved(field, schemas)
        yield _row(where, field | resolved, name in schema.get("required", ()), field.get("description", ""))
        if where.count(".") < DEPTH:
            yield from _rows(field, schemas, where)


def _row(name: str, schema: Mapping[str, Any], required: bool, description: str) -> dict[str, Any]:
    limits = {"minimum": "from {}", "maximum": "to {}", "maxLength": "at most {} characters", "default": "default {}"}
    said = [
        text.format(json.dumps(schema[limit]))
        for limit, text in limits.items()
        if schema.get(limit) not in (None, {}, [])
    ]
    return {
        "name": name,
        "type": kind_of(schema),
        "required": required,
        "description": description,
        "limits": ", ".join(said),
    }


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    ref = schema.get("$ref")
    return dict(schemas[ref.rpartition("/")[2]]) if ref else dict(schema)


def kind_of(schema: Mapping[str, Any]) -> str:
    """A word or two for what a value is."""
    if "$ref" in schema and "type" not in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if words := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
        return " or ".join(str(word) for word in words)
    if options := schema.get("anyOf"):
        return " or ".join(kind_of(one) for one in options)
    if schema.get("type") == "array":
        return f"list of {kind_of(schema['items'])}"
    return str(schema.get("format") or schema.get("type") or "anything")
