"""deploy/aws/deploy, as an operator runs it, against an emulator."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.deploy.conftest import Emulator
from wallcrawler.project import ApiKey, Project, key_hash
from wallcrawler.tokens import Signer

NAME = "second"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("deploy") / "settings"
    path.write_text(f"# a second deployment beside another\nDeployment={NAME}  # its name\nRedisUrlArn=arn\n")
    return str(path)


@pytest.fixture(scope="module")
def up(emulator: Emulator, settings: str) -> str:
    """Three stacks of the deployment, and what deploy said of them."""
    done = emulator.deploy("--settings", settings, "up", "execution", "data", "images")
    assert done.returncode == 0, done.stderr
    return done.stdout


def kids(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^(\S{8})  (signs and verifies|verifies)$", text, re.MULTILINE)


def test_stacks_are_made_in_their_order_under_the_deployments_name(emulator: Emulator, up: str) -> None:
    """Whatever order they were asked for in; the first signing key is made for the one that takes it."""
    tables = emulator.client("dynamodb").list_tables()["TableNames"]

    assert up.splitlines() == [
        f"{NAME}/signing-keys: create",
        f"{NAME}/verify-keys: create",
        f"{NAME}-images: create",
        f"{NAME}-data: create",
        f"{NAME}-execution: create",
    ]
    assert f"{NAME}-sessions" in tables


@pytest.mark.usefixtures("up")
def test_a_second_run_updates_and_makes_no_second_key(emulator: Emulator, settings: str) -> None:
    """What is there is found again."""
    again = emulator.deploy("--settings", settings, "up", "images")

    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[0] == f"{NAME}-images: update"


@pytest.mark.usefixtures("up")
def test_keys_are_rotated_in_three_steps_and_no_command_line_shows_one(
    emulator: Emulator, settings: str, recording_aws: Path
) -> None:
    """Add one that only verifies, let it sign, drop the old; at each step what guests know is what is used."""
    for service in ("api", "provisioner", "gateway"):
        make_service(emulator, service)

    added, promoted, dropped = (
        kids(emulator.deploy("--settings", settings, "keys", how, path=recording_aws).stdout)
        for how in ("add", "promote", "drop")
    )

    old, new = (kid for kid, _ in added)
    assert added == [(old, "signs and verifies"), (new, "verifies")]
    assert promoted == [(new, "signs and verifies"), (old, "verifies")]
    assert dropped == [(new, "signs and verifies")]
    held, public = (secret(emulator, name) for name in ("signing-keys", "verify-keys"))
    assert Signer.from_pem(held.encode()).kid == new
    assert json.loads(public) == Signer.from_pem(held.encode()).verify_keys
    calls = (recording_aws / "calls").read_text()
    assert "put-secret-value" in calls
    assert calls.count("--force-new-deployment") == 9
    assert "PRIVATE" not in calls
    assert not [line for line in held.splitlines() if line in calls]


def secret(emulator: Emulator, name: str) -> str:
    return str(emulator.client("secretsmanager").get_secret_value(SecretId=f"{NAME}/{name}")["SecretString"])


def make_service(emulator: Emulator, name: str) -> None:
    ecs = emulator.client("ecs")
    ecs.create_cluster(clusterName=f"{NAME}-services")
    ecs.register_task_definition(family=name, containerDefinitions=[{"name": name, "image": "none", "memory": 64}])
    ecs.create_service(cluster=f"{NAME}-services", serviceName=name, taskDefinition=name, desiredCount=1)


@pytest.mark.usefixtures("up")
def test_a_key_can_not_be_promoted_where_there_is_one(emulator: Emulator, settings: str) -> None:
    """The message says what helps; nothing is changed."""
    while len(kids(emulator.deploy("--settings", settings, "keys", "list").stdout)) > 1:
        emulator.deploy("--settings", settings, "keys", "drop")

    refused = emulator.deploy("--settings", settings, "keys", "promote")

    assert refused.returncode == 1
    assert "`keys add` makes another" in refused.stderr


@pytest.mark.usefixtures("up")
def test_a_project_and_its_key_are_records_that_the_product_reads(
    emulator: Emulator, settings: str, recording_aws: Path
) -> None:
    """The key is printed and stored nowhere; what is stored are its hash and the project."""
    done = emulator.deploy("--settings", settings, "project", "first", "--concurrency", "25", path=recording_aws)

    assert done.returncode == 0, done.stderr
    id, key = re.findall(r"^(?:project|API key)  (\S+)$", done.stdout, re.MULTILINE)
    project = Project.from_item(read(emulator, "projects", projectId=id))
    stored = ApiKey.from_item(read(emulator, "api-keys", apiKeyHash=key_hash(key)))
    assert (project.name, project.concurrency, project.active, project.version) == ("first", 25, 0, 1)
    assert stored.project_id == id
    assert key not in (recording_aws / "calls").read_text()


def read(emulator: Emulator, table: str, **key: str) -> dict[str, object]:
    typed = {name: {"S": value} for name, value in key.items()}
    item = emulator.client("dynamodb").get_item(TableName=f"{NAME}-{table}", Key=typed)["Item"]
    return {name: float(value["N"]) if "N" in value else value["S"] for name, value in item.items()}


def test_what_is_missing_is_named(emulator: Emulator, settings: str, tmp_path: Path) -> None:
    """A parameter, a stack that there is not, a line that is not a setting: one clear line each, and status 1."""
    bad = tmp_path / "settings"
    bad.write_text("Deployment=third\nthis is not a setting\n")

    parameter = emulator.deploy("--settings", settings, "up", "firewall")
    stack = emulator.deploy("--settings", settings, "up", "lambda")
    line = emulator.deploy("--settings", str(bad), "up")

    assert (parameter.returncode, stack.returncode, line.returncode) == (1, 1, 1)
    assert "VpcId" in parameter.stderr
    assert stack.stderr.startswith("deploy: there is no stack lambda; there are network, firewall, ")
    assert line.stderr == f"deploy: {bad}:2: not a Name=value line\n"


def test_the_last_stacks_go_first(emulator: Emulator, tmp_path: Path) -> None:
    """`down` deletes what `up` made, in the opposite order, and only with --yes."""
    path = tmp_path / "settings"
    path.write_text("Deployment=fleeting\nApiLogGroup=/a\nProvisionerLogGroup=/b\n")
    assert emulator.deploy("--settings", str(path), "up", "metrics", "images").returncode == 0

    refused = emulator.deploy("--settings", str(path), "down")
    done = emulator.deploy("--settings", str(path), "down", "--yes")

    assert refused.returncode == 2
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["fleeting-metrics: delete", "fleeting-images: delete"]
    assert done.stdout.splitlines()[2].startswith("kept: tables, bucket, ")
