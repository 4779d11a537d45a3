"""What is not served is said, and never looks like something else that went wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from services.api.unserved import UNSERVED
from tests.unit.services.api.paper import PaperApi

#: Operations of Browserbase's own OpenAPI that this server leaves out, by the first word of their path.
LEFT_OUT = {"agents", "search", "secrets", "webhooks", "functions"}

#: Every operation of Browserbase's own OpenAPI, with what its answer must have.
BROWSERBASE = json.loads((Path(__file__).parent / "browserbase.json").read_text())

OPERATIONS = sorted(operation for operation in BROWSERBASE if operation.split("/")[2] in LEFT_OUT)


def test_the_list_is_browserbases() -> None:
    """Not one of its operations is forgotten, and none is made up."""
    ours = {
        f"{method} {re.sub(r'<[^>]+>', '{}', path)}"
        for subject in UNSERVED.values()
        for path, methods in subject.operations.items()
        for method in methods.split()
    }

    assert UNSERVED.keys() == LEFT_OUT
    assert ours == {re.sub(r"{[^}]+}", "{}", operation) for operation in OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_is_answered_501_once(api: PaperApi, operation: str) -> None:
    """The triple names the subject and says why; SDKs are told not to try again."""
    method, path = operation.split()

    answer = api.ask(method, re.sub(r"{[^}]+}", "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e", path), json={})

    body = answer.get_json()
    assert (answer.status_code, answer.headers["x-should-retry"]) == (501, "false")
    assert (body.keys(), body["statusCode"]) == ({"statusCode", "error", "message"}, 501)
    assert body["error"] == "Not Implemented"
    assert body["message"].split()[0].lower() == path.split("/")[2]
    assert "Wallcrawler" in body["message"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_stranger_is_not_even_told_that(api: PaperApi, operation: str) -> None:
    """Without an API key the answer is 401, as everywhere."""
    method, path = operation.split()

    answer = api.stranger.open(path, method=method, json={})

    assert (answer.status_code, answer.get_json()["statusCode"]) == (401, 401)


def test_other_methods_of_the_same_paths_are_405(api: PaperApi) -> None:
    """A 501 is for what Browserbase has."""
    answer = api.ask("DELETE", "/v1/search")

    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"OPTIONS", "POST"})
