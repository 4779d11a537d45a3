"""What Browserbase serves and this server does not: agents, search, secrets, webhooks and functions.

Their clients are told so in the shape of every other error. It is no 404, which would read as a wrong id, and no answer
that looks like success. Nothing here repeats for a client that tries again, and it is told that as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from flask import Blueprint

from services.api.answers import NO_RETRY, Refusal
from wallcrawler.wiring import Ports


@dataclass(frozen=True, slots=True)
class Subject:
    """Operations that are missing for one reason; `operations` has a path's methods, with blanks between."""

    why: str
    operations: Mapping[str, str]


UNSERVED: Final[Mapping[str, Subject]] = {
    "agents": Subject(
        "Agents need a language model, and Wallcrawler has none. Let an agent of yours drive a session: POST "
        "/v1/sessions answers with the connectUrl that Stagehand, Playwright and browser-use connect to",
        {
            "/v1/agents": "GET POST",
            "/v1/agents/<agent_id>": "GET PATCH DELETE",
            "/v1/agents/runs": "GET POST",
            "/v1/agents/runs/<run_id>": "GET",
            "/v1/agents/runs/<run_id>/messages": "GET",
            "/v1/agents/runs/<run_id>/stop": "POST",
        },
    ),
    "search": Subject(
        "Search needs an index of the web, and Wallcrawler has none. Sessions and POST /v1/fetch reach any engine",
        {"/v1/search": "POST"},
    ),
    "secrets": Subject(
        "Secrets are kept for agents and functions, which Wallcrawler does not run",
        {
            "/v1/secrets": "GET POST",
            "/v1/secrets/keypair": "GET",
            "/v1/secrets/<secret_id>": "GET PATCH DELETE",
        },
    ),
    "webhooks": Subject(
        "Webhooks tell of functions, which Wallcrawler does not run. What happens to a session is in GET "
        "/v1/sessions/{id}/events, and in a deployment on the topic of ready and ended sessions",
        {
            "/v1/webhooks": "GET POST",
            "/v1/webhooks/<webhook_id>": "GET PATCH DELETE",
            "/v1/webhooks/<webhook_id>/secret": "POST",
        },
    ),
    "functions": Subject(
        "Functions need a place where callers' code runs, and Wallcrawler has none. Run yours where you like, against "
        "a session's connectUrl",
        {
            "/v1/functions": "GET",
            "/v1/functions/<function_id>": "GET",
            "/v1/functions/<function_id>/invoke": "POST",
            "/v1/functions/<function_id>/versions": "GET",
            "/v1/functions/<function_id>/secrets": "GET POST",
            "/v1/functions/<function_id>/secrets/<secret_id>": "DELETE",
            "/v1/functions/builds": "GET",
            "/v1/functions/builds/<build_id>": "GET",
            "/v1/functions/builds/<build_id>/logs": "GET",
            "/v1/functions/invocations/<invocation_id>": "GET",
            "/v1/functions/invocations/<invocation_id>/logs": "GET",
            "/v1/functions/versions/<version_id>": "GET",
            "/v1/functions/versions/<version_id>/invocations": "GET",
        },
    ),
}


def blueprint(_ports: Ports) -> Blueprint:
    routes = Blueprint("unserved", __name__)
    for name, subject in UNSERVED.items():
        for path, methods in subject.operations.items():
            routes.add_url_rule(path, f"{name}:{path}", _refusing(subject), methods=methods.split())
    return routes


def _refusing(subject: Subject) -> Callable[..., NoReturn]:
    def refuse(**_ids: str) -> NoReturn:
        raise Refusal(501, subject.why, NO_RETRY)

    return refuse
