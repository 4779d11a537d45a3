"""The API's OpenAPI document, from its operations and from the models of what it takes and answers. Pure.

A route that has no operation here, or an operation that has no route, fails `make check` and the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from types import GenericAlias
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.api.openapi import sessions, shapes, stores
from services.api.openapi.operations import MEANINGS, Operation, Operations
from services.api.openapi.server import FETCH, NOT_SERVED, SERVER

#: The subjects, in the order in which the document has them.
SUBJECTS: Final[Mapping[str, Operations]] = {
    "Sessions": sessions.SESSIONS,
    "Downloads": sessions.DOWNLOADS,
    "Contexts": stores.CONTEXTS,
    "Extensions": stores.EXTENSIONS,
    "Certificates": stores.CERTIFICATES,
    "Projects": stores.PROJECTS,
    "Fetch": FETCH,
    "Server": SERVER,
    "Not served": NOT_SERVED,
}

#: The scheme of the API key.
KEY: Final = "ApiKey"

_REF: Final = "#/components/schemas/{model}"

_DESCRIPTION: Final = (
    "Browser sessions on your own machines, behind the Browserbase API: Browserbase's SDKs work when their base URL "
    "leads here. Operations and fields that are Wallcrawler's own say so."
)


def operations() -> Iterator[tuple[str, str, str, Operation]]:
    """Subject, method and path of each."""
    for subject, said in SUBJECTS.items():
        for name, operation in said.items():
            method, path = name.split()
            yield subject, method, path, operation


def document(url: str, *, closed: bool = False) -> dict[str, Any]:
    """The document of the API at `url`. Where it is `closed`, answers may hold no field that it does not name: what
    tests want, and what no client should count on."""
    schemas, refs = _schemas(closed)
    paths: dict[str, dict[str, Any]] = {}
    for subject, method, path, operation in operations():
        paths.setdefault(path, {})[method.lower()] = _operation(subject, path, operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Wallcrawler", "description": _DESCRIPTION, "version": version("wallcrawler")},
        "servers": [{"url": url.rstrip("/") or "/"}],
        "tags": [{"name": subject} for subject in SUBJECTS],
        "security": [{KEY: []}],
        "paths": paths,
        "components": {
            "securitySchemes": {KEY: {"type": "apiKey", "in": "header", "name": "X-BB-API-Key"}},
            "responses": {str(status): _error(status, refs[shapes.Error]) for status in MEANINGS},
            "schemas": schemas,
        },
    }


def _schemas(closed: bool) -> tuple[dict[str, Any], dict[Any, Any]]:
    """All models' schemas by name, and a reference to each by model."""
    taken = {operation.body for *_, operation in operations() if operation.body}
    answered = {model for *_, one in operations() for model in (_model(one.answer), one.error) if model}
    wanted = [(model, "validation") for model in sorted(taken, key=_name)]
    wanted += [(model, "serialization") for model in sorted(answered, key=_name)]
    refs, defined = models_json_schema(wanted, ref_template=_REF)  # type: ignore[arg-type]
    schemas = {name: _tidy(schema, closed) for name, schema in sorted(defined["$defs"].items())}
    return schemas, {model: ref for (model, _), ref in refs.items()}


def _model(answer: Any) -> type[BaseModel] | None:
    """The model of an answer, or of the items of one that is a list."""
    one = answer.__args__[0] if isinstance(answer, GenericAlias) and answer.__origin__ is list else answer
    return one if isinstance(one, type) and not isinstance(one, GenericAlias) and issubclass(one, BaseModel) else None


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _tidy(schema: Any, closed: bool) -> Any:
    """Without pydantic's titles, and with optional fields that are left out where Python has None."""
    if isinstance(schema, list):
        return [_tidy(one, closed) for one in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {
        name: _tidy(value, closed)
        for name, value in schema.items()
        if not (name == "title" and isinstance(value, str))
        and not (name == "additionalProperties" and value is False and not closed)
        # Whole objects, and nothing: both are what a field that is not there means anyway.
        and not (name == "default" and (value is None or isinstance(value, dict)))
    }
    options = [one for one in tidy.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) == 1 and len(tidy["anyOf"]) == 2:
        del tidy["anyOf"]
        tidy |= options[0]
    return tidy


def _operation(subject: str, path: str, operation: Operation, refs: Mapping[Any, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"tags": [subject], "operationId": operation.id, "summary": operation.summary}
    if operation.description:
        said["description"] = operation.description
    if not operation.key:
        said["security"] = []
    parameters = [*_path_parameters(path), *_query_parameters(operation)]
    if parameters:
        said["parameters"] = parameters
    if operation.body:
        schema = refs[operation.body]
        required = any(field.is_required() for field in operation.body.model_fields.values())
        said["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    if operation.file:
        form = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
        said["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    said["responses"] = dict(_responses(path, operation, refs))
    return said


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    for one in operation.query:
        said = {"name": one.name, "in": "query", "description": one.description, "schema": dict(one.schema)}
        yield said | ({"required": True} if one.required else {})


def _responses(path: str, operation: Operation, refs: Mapping[Any, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The answer first, then errors. One whose only answer is an error has that one."""
    if operation.status < 400:
        answer = _answer(operation, refs)
        yield str(operation.status), answer
        yield from ((str(status), {**answer, "description": MEANINGS[status]}) for status in operation.also)
    for status in sorted({*operation.statuses(path), *([operation.status] if operation.status >= 400 else ())}):
        shared = operation.error is shapes.Error
        said = {"$ref": f"#/components/responses/{status}"} if shared else _error(status, refs[operation.error])
        yield str(status), said


def _error(status: int, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": MEANINGS[status], "content": {"application/json": {"schema": schema}}}


def _media(media: str) -> dict[str, Any]:
    return {"type": "string"} if media.startswith("text/") else {"type": "string", "format": "binary"}


def _answer(operation: Operation, refs: Mapping[Any, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    content: dict[str, Any] = {media: {"schema": _media(media)} for media in operation.media}
    model = _model(operation.answer)
    if operation.answer is not None:
        schema = refs[model] if model else {"type": "object"}
        schema = {"type": "array", "items": schema} if operation.answer is not model and model else schema
        content = {"application/json": {"schema": schema}, **content}
    if content:
        said["content"] = content
    if operation.headers:
        said["headers"] = {
            name: {"description": description, "schema": {"type": "string"}}
            for name, description in operation.headers.items()
        }
    return said
