"""A CloudFormation template as tests look at it: its parameters filled in, its conditions decided, its functions worked
out as far as that goes without AWS. What only AWS knows stays as `${Name}` or `${Name.Attribute}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cfnlint.decode import decode  # type: ignore[import-untyped]

AWS = Path(__file__).parents[2] / "deploy" / "aws"

TEMPLATES = sorted(path.stem for path in AWS.glob("*.yaml"))

#: What AWS fills in by itself.
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::AccountId": "123456789012",
    "AWS::NoValue": None,
}


@cache
def parsed(name: str) -> dict[str, Any]:
    """The template's own words, with short forms of functions written out."""
    body, problems = decode(str(AWS / f"{name}.yaml"))
    assert not problems, problems
    assert body is not None
    return dict(body)


class Template:
    """The template of this name, with these parameters and the defaults of all others."""

    def __init__(self, name: str, **given: str) -> None:
        self.name = name
        self._body = body = parsed(name)
        self.parameters: dict[str, dict[str, Any]] = body.get("Parameters", {})
        defaults = {key: spec.get("Default", f"${{{key}}}") for key, spec in self.parameters.items()}
        self._values = PSEUDO | defaults | given
        conditions = body.get("Conditions", {})
        self._conditions = {key: self._decided(rule) for key, rule in conditions.items()}
        self.outputs: dict[str, Any] = {
            key: self._resolved(output["Value"]) for key, output in body.get("Outputs", {}).items()
        }

    def resources(self, kind: str = "") -> dict[str, dict[str, Any]]:
        """Properties by logical name, of the resources of this type that the conditions let be."""
        return {
            name: self._resolved(resource.get("Properties", {}))
            for name, resource in self._body["Resources"].items()
            if kind in ("", resource["Type"]) and self._conditions.get(resource.get("Condition"), True)
        }

    def kind(self, name: str) -> str:
        return str(self._body["Resources"][name]["Type"])

    def attribute(self, name: str, attribute: str) -> Any:
        """An attribute of the resource itself, such as DeletionPolicy."""
        return self._body["Resources"][name].get(attribute)

    def _decided(self, rule: Any) -> bool:
        ((function, arguments),) = rule.items()
        if function == "Fn::Not":
            return not self._decided(arguments[0])
        if function == "Condition":
            return self._decided(self._body["Conditions"][arguments])
        assert function == "Fn::Equals", function
        one, other = (self._resolved(argument) for argument in arguments)
        return bool(one == other)

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [one for one in map(self._resolved, value) if one is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, arguments),) = value.items()
            if function == "Ref":
                return self._values.get(arguments, f"${{{arguments}}}")
            if function.startswith("Fn::"):
                return self._function(function, arguments)
        resolved = {key: self._resolved(inner) for key, inner in value.items()}
        return {key: inner for key, inner in resolved.items() if inner is not None}

    def _function(self, function: str, arguments: Any) -> Any:
        if function == "Fn::If":
            condition, then, otherwise = arguments
            return self._resolved(then if self._conditions[condition] else otherwise)
        if function == "Fn::GetAtt":
            name = arguments if isinstance(arguments, str) else ".".join(arguments)
            return f"${{{name}}}"
        if function == "Fn::Sub":
            text, names = (arguments, {}) if isinstance(arguments, str) else arguments
            values = self._values | {key: self._resolved(inner) for key, inner in names.items()}
            return re.sub(r"\$\{([\w:.]+)\}", lambda found: str(values.get(found[1], found[0])), text)
        return {function: self._resolved(arguments)}


def all_templates(**given: str) -> Iterator[Template]:
    return (Template(name, **given) for name in TEMPLATES)


def every(kind: str) -> Iterator[tuple[Template, str, dict[str, Any]]]:
    """Every resource of this type in all templates."""
    for template in all_templates():
        for name, properties in template.resources(kind).items():
            yield template, name, properties
