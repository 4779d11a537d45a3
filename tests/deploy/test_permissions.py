"""What each role may do: exact actions on exact resources, and for browsers nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.templates import Template, all_templates, every

#: Actions that AWS lets nobody narrow to a resource.
WITHOUT_RESOURCES = {
    "dynamodb:ListStreams",
    "ec2:DescribeNetworkInterfaces",
    "ecr:GetAuthorizationToken",
    # Narrowed by the condition on ecs:cluster: its resource would be a container instance, which Fargate has none of.
    "ecs:ListTasks",
}

ARN = "arn:aws:{}:us-east-1:123456789012:{}".format


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def roles() -> dict[str, dict[str, Any]]:
    return {
        properties["RoleName"].removeprefix("wallcrawler-"): properties for _, _, properties in every("AWS::IAM::Role")
    }


def statements(role: str) -> list[dict[str, Any]]:
    policies = roles()[role].get("Policies", [])
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def granted(role: str) -> set[tuple[str, str]]:
    """Every pair of action and resource that the role has."""
    return {
        (action, resource)
        for statement in statements(role)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def actions(role: str, service: str = "") -> set[str]:
    return {action for action, _ in granted(role) if action.startswith(service)}


def documents(value: Any) -> Iterator[dict[str, Any]]:
    """Every policy statement anywhere inside."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for inner in value.values():
            yield from documents(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from documents(inner)


def test_nothing_is_allowed_with_a_wildcard_action() -> None:
    """In no policy of any kind: of a role, a queue, a bucket or an endpoint."""
    allowed = [
        (template.name, name, action)
        for template in all_templates()
        for name, properties in template.resources().items()
        for statement in documents(properties)
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    ]

    assert len(allowed) > 50
    assert not [one for one in allowed if "*" in one[2]]


def test_a_wildcard_resource_stands_only_where_aws_knows_no_other() -> None:
    """And in a statement of its own, so that nothing else slips in beside it."""
    for role in roles():
        for statement in statements(role):
            if "*" in listed(statement["Resource"]):
                assert set(listed(statement["Action"])) <= WITHOUT_RESOURCES, (role, statement)


def test_a_role_is_for_one_service_of_this_account() -> None:
    """Nobody's else task, pipe or account can be made to use it."""
    for role, properties in roles().items():
        (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
        service = "pipes.amazonaws.com" if role == "pipe" else "ecs-tasks.amazonaws.com"

        assert statement["Principal"] == {"Service": service}
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}


def test_a_browser_may_do_nothing() -> None:
    """Pages can take its credentials, so that there is no policy in it, and none is attached from elsewhere."""
    elsewhere = [
        kind
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy")
        if list(every(kind))
    ]

    role = roles()["browser-task"]

    assert role.keys() & {"Policies", "ManagedPolicyArns", "PermissionsBoundary"} == set()
    assert elsewhere == []
    assert not [role for role, properties in roles().items() if "ManagedPolicyArns" in properties]


def test_a_browser_is_the_task_with_that_role() -> None:
    """Its task definition names the empty role, and an execution role that reads no secret."""
    (task,) = Template("browsers").resources("AWS::ECS::TaskDefinition").values()

    assert task["TaskRoleArn"] == "${BrowserTaskRoleArn}"
    assert Template("roles").outputs["BrowserTaskRoleArn"] == "${BrowserTaskRole.Arn}"
    assert "Secrets" not in task["ContainerDefinitions"][0]
    assert actions("browser-execution") == {
        "ecr:GetAuthorizationToken",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


def test_only_the_provisioner_speaks_to_ecs() -> None:
    """It starts tasks of one family, in one cluster, and sees and stops those alone."""
    cluster = {"ArnEquals": {"ecs:cluster": ARN("ecs", "cluster/wallcrawler-browsers")}}
    mine = [one for one in statements("provisioner-task") if str(listed(one["Action"])[0]).startswith("ecs:")]

    assert [role for role in roles() if actions(role, "ecs:")] == ["provisioner-task"]
    assert {tuple(listed(one["Action"])): (one["Resource"], one["Condition"]) for one in mine} == {
        ("ecs:RunTask",): (ARN("ecs", "task-definition/wallcrawler-browser:*"), cluster),
        ("ecs:DescribeTasks", "ecs:StopTask"): (ARN("ecs", "task/wallcrawler-browsers/*"), cluster),
        ("ecs:ListTasks",): ("*", cluster),
        ("ecs:TagResource",): (
            ARN("ecs", "task/wallcrawler-browsers/*"),
            {"StringEquals": {"ecs:CreateAction": "RunTask"}},
        ),
    }


def test_the_provisioner_passes_the_browsers_two_roles_and_no_other() -> None:
    """Whoever may start a task with any role has the permissions of all of them."""
    passing = [(role, one) for role in roles() for one in statements(role) if one["Action"] == "iam:PassRole"]

    ((role, statement),) = passing

    assert role == "provisioner-task"
    assert statement["Resource"] == ["${BrowserTaskRole.Arn}", "${BrowserExecutionRoleArn}"]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}


def test_interfaces_are_asked_for_where_addresses_are_public_and_nowhere_else() -> None:
    """A private address is in the task's own event."""
    direct = Template("roles", DirectMode="true").resources("AWS::IAM::Role")["ProvisionerTaskRole"]

    asked = {action for one in documents(direct["Policies"]) for action in listed(one["Action"])}
    assert {role for role in roles() if actions(role, "ec2:")} == set()
    assert {action for action in asked if action.startswith("ec2:")} == {"ec2:DescribeNetworkInterfaces"}


def test_history_is_only_added_to() -> None:
    """No process can change or delete what happened, whatever becomes of it."""
    table = ARN("dynamodb", "table/wallcrawler-session-events")

    may = {action for role in roles() for action, resource in granted(role) if resource == table}

    assert may == {"dynamodb:PutItem", "dynamodb:Query"}


def test_plans_are_read_by_the_api_alone() -> None:
    """They may hold passwords of proxies. Whoever ends sessions deletes them in the same transaction, unread."""
    table = ARN("dynamodb", "table/wallcrawler-session-plans")

    may = {(role, action) for role in roles() for action, resource in granted(role) if resource == table}

    assert may == {
        ("api-task", "dynamodb:DeleteItem"),
        ("api-task", "dynamodb:GetItem"),
        ("api-task", "dynamodb:PutItem"),
        ("provisioner-task", "dynamodb:DeleteItem"),
    }


def test_what_projects_keep_is_the_apis_alone() -> None:
    """Contexts are logins, and extensions run in browsers: no worker reads or changes one."""
    kept = ("contexts", "context-versions", "extensions", "certificates", "downloads")
    tables = {ARN("dynamodb", f"table/wallcrawler-{name}") for name in kept}

    may = {role for role in roles() for _, resource in granted(role) if resource.removesuffix("/index/*") in tables}

    assert may == {"api-task"}


def test_no_process_deletes_a_session_a_project_or_a_key() -> None:
    """Sessions go by TTL, projects and keys by their operator."""
    tables = {ARN("dynamodb", f"table/wallcrawler-{name}") for name in ("sessions", "projects", "api-keys")}

    assert not [role for role in roles() if granted(role) & {("dynamodb:DeleteItem", table) for table in tables}]


def test_only_the_api_reads_keys_and_nobody_writes_them() -> None:
    """A process that could write API keys could let anybody in."""
    table = ARN("dynamodb", "table/wallcrawler-api-keys")

    may = {(role, action) for role in roles() for action, resource in granted(role) if resource == table}

    assert may == {("api-task", "dynamodb:GetItem")}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("gateway-task", {("dynamodb:GetItem", ARN("dynamodb", "table/wallcrawler-sessions"))}),
        (
            "notifier-task",
            {
                ("dynamodb:GetItem", ARN("dynamodb", "table/wallcrawler-sessions")),
                ("sns:Publish", "${TopicArn}"),
                ("sqs:ChangeMessageVisibility", "${SessionChangesQueueArn}"),
                ("sqs:DeleteMessage", "${SessionChangesQueueArn}"),
                ("sqs:ReceiveMessage", "${SessionChangesQueueArn}"),
            },
        ),
        (
            "pipe",
            {
                ("dynamodb:DescribeStream", "${SessionsStream}"),
                ("dynamodb:GetRecords", "${SessionsStream}"),
                ("dynamodb:GetShardIterator", "${SessionsStream}"),
                ("dynamodb:ListStreams", "*"),
                ("sqs:SendMessage", "${PipeDlq.Arn}"),
                ("sqs:SendMessage", "${SessionChanges.Arn}"),
            },
        ),
    ],
)
def test_small_roles_have_exactly_this(role: str, allowed: set[tuple[str, str]]) -> None:
    """The whole of what these three may do."""
    assert granted(role) == allowed


def test_secrets_go_to_those_who_need_them() -> None:
    """The API and the provisioner sign tokens, the gateway verifies them, the notifier rings; browsers have none."""
    secrets = {
        role: {resource for action, resource in granted(role) if action == "secretsmanager:GetSecretValue"}
        for role in roles()
    }

    assert {role: held for role, held in secrets.items() if held} == {
        "api-execution": {"${SigningKeysArn}", "${RedisUrlArn}"},
        "provisioner-execution": {"${SigningKeysArn}", "${RedisUrlArn}"},
        "notifier-execution": {"${RedisUrlArn}"},
        "gateway-execution": {"${VerifyKeysArn}", "${RedisUrlArn}"},
    }


def test_presigned_urls_reach_four_prefixes_of_one_bucket() -> None:
    """What a presigned URL may do is what its signer may, which is the API and nobody else."""
    bucket = "arn:aws:s3:::${BucketName}"

    assert {role for role in roles() if actions(role, "s3:")} == {"api-task"}
    assert {resource for action, resource in granted("api-task") if action.startswith("s3:")} == {
        bucket,
        f"{bucket}/contexts/*",
        f"{bucket}/downloads/*",
        f"{bucket}/extensions/*",
        f"{bucket}/logs/*",
    }
    assert actions("api-task", "s3:") == {
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    }


def test_execution_roles_pull_one_repository_and_write_one_log() -> None:
    """Each its own log; browsers their own image."""
    for name in ("api", "browser", "gateway", "notifier", "provisioner"):
        log = "/aws/ecs/wallcrawler-controller" if name == "browser" else f"/wallcrawler/{name}"
        role = f"{name}-execution"

        resources = {resource for action, resource in granted(role) if action.startswith(("ecr:", "logs:"))}

        assert resources - {"*"} == {
            ARN("ecr", f"repository/wallcrawler/{name}"),
            ARN("logs", f"log-group:{log}:*"),
        }
