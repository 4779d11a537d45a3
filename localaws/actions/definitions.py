"""RegisterTaskDefinition, DescribeTaskDefinition, DeregisterTaskDefinition, ListTaskDefinitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from localaws.actions import Action, page
from localaws.arns import Place, family_and_revision
from localaws.definitions import Definition, Json, complete
from localaws.errors import client_error
from localaws.state import State
from localaws.tags import read_tags, show_tags


class DefinitionActions:
    def __init__(self, state: State, place: Place, *, now: Callable[[], float]) -> None:
        self._state = state
        self._place = place
        self._now = now

    @property
    def actions(self) -> dict[str, Action]:
        return {
            "RegisterTaskDefinition": self.register,
            "DescribeTaskDefinition": self.describe,
            "DeregisterTaskDefinition": self.deregister,
            "ListTaskDefinitions": self.list,
        }

    def register(self, params: Json) -> Json:
        body, tags = complete(params), read_tags(params.get("tags"))
        with self._state.transaction():
            revision = max((one.revision for one in self._state.definitions(params["family"])), default=0) + 1
            definition = Definition(
                family=params["family"],
                revision=revision,
                arn=self._place.definition(params["family"], revision),
                body=body,
                registered_at=self._now(),
                registered_by=f"arn:aws:iam::{self._place.account}:root",
                tags=tags,
            )
            self._state.put_definition(definition)
        return _shown(definition, tags=True)

    def get(self, reference: str) -> Definition | None:
        return self._state.definition(*family_and_revision(reference))

    def describe(self, params: Json) -> Json:
        definition = self.get(params["taskDefinition"])
        if definition is None:
            raise client_error("Unable to describe task definition.")
        return _shown(definition, tags="TAGS" in params.get("include", ()))

    def deregister(self, params: Json) -> Json:
        """No new task of it can be run; those that run go on."""
        if family_and_revision(params["taskDefinition"])[1] is None:
            raise client_error("Task definition must be in the format of family:revision.")
        with self._state.transaction():
            definition = self.get(params["taskDefinition"])
            if definition is None:
                raise client_error("The specified task definition does not exist.")
            if definition.active:
                definition = replace(definition, deregistered_at=self._now())
                self._state.put_definition(definition)
        return {"taskDefinition": definition.describe()}

    def list(self, params: Json) -> Json:
        wanted = params.get("status", "ACTIVE")
        arns = [
            one.arn
            for one in self._state.definitions()
            if one.family.startswith(params.get("familyPrefix", "")) and one.active == (wanted == "ACTIVE")
        ]
        # Deregistered ones are never deleted here.
        arns = [] if wanted == "DELETE_IN_PROGRESS" else arns
        return page("taskDefinitionArns", arns[::-1] if params.get("sort") == "DESC" else arns, params)


def _shown(definition: Definition, *, tags: bool) -> Json:
    shown: Json = {"taskDefinition": definition.describe()}
    return shown | ({"tags": show_tags(definition.tags)} if tags else {})
