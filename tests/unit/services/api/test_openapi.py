"""The document of the API: whole, true to the routes, and in agreement with Browserbase's where both serve the same."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from services.api.app import OPEN_BLUEPRINTS
from services.api.openapi.operations import Operation
from services.api.openapi.specification import document, operations
from services.api.unserved import UNSERVED
from tests.unit.services.api.paper import PaperApi

BROWSERBASE: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "browserbase.json").read_text())

SOURCES = Path(__file__).parents[4] / "services/api"

DOCUMENT = document("http://127.0.0.1:8080")

#: Statuses that are answered everywhere: by the app itself, or for what is no proper request.
EVERYWHERE = {401, 404, 413, 500, 503}


def resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in part:
        found: Any = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def blank(operation: str) -> str:
    """Its name, whatever its parameters are called."""
    return re.sub(r"{[^}]+}", "{}", operation)


def template(rule: str) -> str:
    """A rule of Flask's as OpenAPI writes it."""
    return re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule)


def routes(api: PaperApi) -> dict[str, set[str]]:
    """Each operation of the app that clients have a use for, with its parameters."""
    return {
        f"{method} {template(rule.rule)}": set(rule.arguments)
        for rule in api.app.url_map.iter_rules()
        if rule.endpoint.split(".")[0] not in OPEN_BLUEPRINTS
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def said() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": one
        for path, methods in DOCUMENT["paths"].items()
        for method, one in methods.items()
    }


def test_every_route_is_in_the_document_and_nothing_else(api: PaperApi) -> None:
    """Whoever adds a route describes it in services/api/openapi; what guests speak, and signed URLs, are not in it."""
    assert set(routes(api)) == set(said())


def test_the_parameters_of_paths_are_those_of_the_routes(api: PaperApi) -> None:
    """By name."""
    for operation, arguments in routes(api).items():
        parameters = [one for one in said()[operation].get("parameters", ()) if one["in"] == "path"]

        assert {one["name"] for one in parameters} == arguments, operation


def test_no_two_operations_have_one_id() -> None:
    """Generators of clients name functions for them."""
    ids = [one["operationId"] for one in said().values()]

    assert len(ids) == len(set(ids))


def test_whoever_needs_a_key_is_said(api: PaperApi) -> None:
    """A stranger gets 401 exactly where the document does not say that none is needed."""
    for operation, one in said().items():
        method, path = operation.split()
        answer = api.stranger.open(re.sub(r"{[^}]+}", "some", path), method=method, json={})

        assert (answer.status_code == 401) is (one.get("security") != []), operation


def refused_in(module: Path, seen: set[Path]) -> Iterator[int]:
    """Statuses of the refusals in a module, and in those of services.api that it imports."""
    # What describes the others refuses nothing.
    if module in seen or not module.exists() or module.parent.name == "openapi":
        return
    seen.add(module)
    tree = ast.parse(module.read_text())
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "Refusal"
            and isinstance(node.args[0], ast.Constant)
        ):
            yield int(node.args[0].value)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("services.api"):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                place = SOURCES.joinpath(*name.split(".")[2:])
                yield from refused_in(place.with_suffix(".py"), seen)
                if place != SOURCES:
                    yield from refused_in(place / "__init__.py", seen)


def test_every_refusal_is_documented(api: PaperApi) -> None:
    """A status that a module, or what it imports, refuses with is said of one of the module's operations."""
    answered: dict[Path, set[int]] = {}
    for rule in api.app.url_map.iter_rules():
        if rule.endpoint.split(".")[0] in OPEN_BLUEPRINTS:
            continue
        module = Path(api.app.view_functions[rule.endpoint].__code__.co_filename)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answered.setdefault(module, set()).update(map(int, said()[f"{method} {template(rule.rule)}"]["responses"]))

    for module, statuses in answered.items():
        missing = set(refused_in(module, set())) - statuses - EVERYWHERE

        # Bodies are read by one module for all, JSON and files.
        assert missing <= {400}, f"{module.relative_to(SOURCES)} refuses with {sorted(missing)}"


def test_every_status_that_is_said_has_a_meaning_and_a_body() -> None:
    """An error is the triple, but for fetches, which add an id, and Stagehand's, which has its own shape."""
    for operation, one in said().items():
        for status, response in ((status, resolved(told)) for status, told in one["responses"].items()):
            assert response["description"], (operation, status)
            if status >= "400" and operation != "GET /readyz":
                schema = resolved(response["content"]["application/json"]["schema"])
                required = {"success", "message"} if "start" in operation else {"statusCode", "error", "message"}
                assert set(schema["required"]) == required, (operation, status)


SERVED = sorted(
    operation
    for operation in BROWSERBASE
    if operation.split("/")[2] not in UNSERVED and not operation.endswith(("/recording/downloads", "/replays/{pageId}"))
)


@pytest.mark.parametrize("operation", SERVED)
def test_it_agrees_with_browserbases(operation: str) -> None:
    """Status, media types, parameters, fields of the body, and required fields of the answer with their types: whatever
    Browserbase's clients may send or count on is there."""
    theirs = BROWSERBASE[operation]
    ours = next(one for name, one in said().items() if blank(name) == blank(operation))

    assert str(theirs["status"]) in ours["responses"]
    content = ours["responses"][str(theirs["status"])].get("content", {})
    assert set(theirs.get("content", ())) <= set(content)
    assert set(theirs.get("query", ())) <= {one["name"] for one in ours.get("parameters", ()) if one["in"] == "query"}
    body = ours.get("requestBody", {}).get("content", {})
    taken = {name for one in body.values() for name in resolved(one["schema"]).get("properties", {})}
    assert set(theirs.get("body", ())) <= taken
    if "application/json" in content:
        fields = dict(required(content["application/json"]["schema"]))
        assert {name: fields.get(name) for name in theirs["requires"]} == {
            # A number of theirs may be a whole number of ours, and what may be anything is anything.
            name: fields[name] if (kind, fields.get(name)) in LOOSER else kind
            for name, kind in theirs["requires"].items()
        }


#: Types that are said in another way and are no less.
LOOSER = {("number", "integer"), ("object|string", "any")}


def required(schema: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, str]]:
    """Required fields of an answer by their path, with their types."""
    schema = resolved(schema)
    if schema.get("type") == "array":
        yield from required(schema["items"], f"{where}[]")
        return
    for name in schema.get("required", ()):
        field = resolved(schema["properties"][name])
        path = f"{where}.{name}" if where else name
        kinds = {str: "string", bool: "boolean", int: "integer"}
        yield path, field.get("type") or (kinds[type(field["const"])] if "const" in field else "any")
        yield from required(field, path)


def test_everything_of_browserbases_is_there_or_said_not_to_be() -> None:
    """Each of its operations has a place in the document, if only to say 501."""
    assert {blank(operation) for operation in BROWSERBASE} <= {blank(operation) for operation in said()}


def test_it_is_served_to_anybody_and_says_where(api: PaperApi) -> None:
    """Its server is where it was asked for, or where the operator says that clients are."""
    answer = api.stranger.get("/openapi.json", base_url="https://browsers.example:8443/")

    assert answer.content_type == "application/json"
    assert answer.get_json() == document("https://browsers.example:8443")


def test_where_clients_are_is_the_operators_word(start: Any) -> None:
    """Behind a proxy the host of a request may be another one."""
    api = start(api_url="https://public.example")

    assert api.stranger.get("/openapi.json").get_json()["servers"] == [{"url": "https://public.example"}]


def test_no_key_of_the_document_is_lost_in_json() -> None:
    """It is JSON and nothing else: a default that is no JSON would break every reader."""
    assert json.loads(json.dumps(DOCUMENT, allow_nan=False)) == DOCUMENT


class Loaded(HTMLParser):
    """What a page loads, and the ids that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"script", "link", "img", "iframe", "object", "embed"}:
            self.loads.append(tag)
        self.ids |= {given["id"] or ""} if "id" in given else set()
        self.links += [given["href"] or ""] if tag == "a" else []


def test_the_page_for_people_needs_no_other_server(api: PaperApi) -> None:
    """It loads nothing at all, its policy allows its own style alone, and it has every operation."""
    answer = api.stranger.get("/docs")
    page = Loaded()
    page.feed(answer.text)

    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    assert page.loads == []
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert {operation.id for *_, operation in operations()} <= page.ids
    assert all(link.removeprefix("#") in page.ids for link in page.links if link != "openapi.json")


def test_the_page_escapes_what_it_is_given(api: PaperApi) -> None:
    """The host is the client's word."""
    page = api.stranger.get("/docs", headers={"Host": "a.test"}, base_url="http://a.test/<script>").text

    assert "<script>" not in page


def test_what_an_operation_always_answers_follows_from_what_it_is() -> None:
    """A key brings 401, a path with parameters 404, a body 400 and 413."""
    plain = Operation("id", "summary", key=False)

    assert plain.statuses("/a") == []
    assert Operation("id", "summary").statuses("/a/{id}") == [401, 404, 503]
    assert Operation("id", "summary", file=True, key=False).statuses("/a") == [400, 413]
