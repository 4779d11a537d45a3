"""The templates as a whole: they are valid, they fit together, and nothing that is kept goes with a stack."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.templates import AWS, TEMPLATES, Template, all_templates, every

SCRIPT = runpy.run_path(str(AWS / "deploy"), run_name="deploy")

#: What an operator has to say, because nobody else knows it.
ASKED = {"ApiHost", "CertificateArn", "GatewayHost", "Version"}

#: What deploy itself makes.
MADE = {"SigningKeysArn", "VerifyKeysArn"}


def settings_example() -> dict[str, str]:
    lines = (AWS / "settings.example").read_text().splitlines()
    # Settings that have a default are shown commented out.
    shown = [line.lstrip("# ") for line in lines if "=" in line and " " not in line.lstrip("# ").partition("=")[0]]
    return dict(line.split("=", 1) for line in shown)


def test_cfn_lint_finds_nothing() -> None:
    """Every template is valid for CloudFormation's own schemas, and free of warnings."""
    files = [str(AWS / f"{name}.yaml") for name in TEMPLATES]

    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *files], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_template_is_deployed_once() -> None:
    """A file that nobody deploys is decoration."""
    stacks = SCRIPT["STACKS"]

    assert sorted(stacks) == TEMPLATES


def test_every_parameter_comes_from_somewhere() -> None:
    """From its default, from a stack before, from deploy, or from the operator, who is told of it."""
    known = ASKED | MADE
    orphans = {}

    for name in SCRIPT["STACKS"]:
        template = Template(name)
        needed = {key for key, spec in template.parameters.items() if "Default" not in spec}
        if missing := needed - known:
            orphans[name] = missing
        known |= template.outputs.keys()

    assert orphans == {}


def test_deploy_reads_the_parameters_that_cloudformation_reads() -> None:
    """The script has no YAML parser, and must see the same names."""
    for template in all_templates():
        assert SCRIPT["parameters"](AWS / f"{template.name}.yaml") == list(template.parameters)


def test_a_parameter_has_the_same_default_wherever_it_stands() -> None:
    """Two files that are given nothing must not think differently of one network."""
    defaults: dict[str, set[str]] = {}

    for template in all_templates():
        for name, spec in template.parameters.items():
            defaults.setdefault(name, set()).add(str(spec.get("Default")))

    assert {name: values for name, values in defaults.items() if len(values) > 1} == {}


def test_the_example_names_settings_that_there_are() -> None:
    """Each line of settings.example is a parameter, and all that has to be set is there."""
    parameters = {name for template in all_templates() for name in template.parameters}

    example = settings_example()

    assert ASKED <= example.keys() <= parameters


@pytest.mark.parametrize("kind", ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::ECR::Repository"])
def test_what_is_kept_outlives_its_stack(kind: str) -> None:
    """Deleting a stack, or a change that replaces a resource, deletes no record, file or image."""
    found = list(every(kind))

    assert found
    for template, name, _ in found:
        assert template.attribute(name, "DeletionPolicy") == "RetainExceptOnCreate", name
        assert template.attribute(name, "UpdateReplacePolicy") == "Retain", name


def test_no_template_holds_a_secret() -> None:
    """Keys and passwords are made by deploy and by AWS; a template only says where they are."""
    for name in TEMPLATES:
        text = (AWS / f"{name}.yaml").read_text()

        assert "PRIVATE KEY" not in text
        assert "NoEcho" not in text, "a secret parameter is shown to whoever may read the process list"
    (secrets,) = [template for template in all_templates() if template.resources("AWS::SecretsManager::Secret")]
    assert secrets.name == "redis"
    assert "GenerateSecretString" in secrets.resources("AWS::SecretsManager::Secret")["Password"]
