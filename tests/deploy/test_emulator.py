"""The stacks in an emulator, one after another, each with what those before it have said.

moto makes no resource of the types in UNKNOWN, and passes over TTL, recovery, a bucket's blocks and a task's roles: of
these the other modules look at the templates alone. The stack `redis` consists of nothing else, and is left out.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from typing import Any

import pytest

from tests.deploy.conftest import Emulator
from tests.deploy.templates import AWS, Template
from wallcrawler.ports import Table
from wallcrawler.schema import TABLES

SCRIPT = runpy.run_path(str(AWS / "deploy"), run_name="deploy")
STACKS = [name for name in SCRIPT["STACKS"] if name != "redis"]

#: What moto 5.2 passes over.
UNKNOWN = {
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::NetworkAclEntry",
    "AWS::EC2::PrefixList",
    "AWS::EC2::SubnetNetworkAclAssociation",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Logs::MetricFilter",
    "AWS::Pipes::Pipe",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
}


@pytest.fixture(scope="module")
def stacks(emulator: Emulator) -> Mapping[str, Any]:
    """All stacks, deployed in the script's order with the script's way of finding parameters."""
    certificate = emulator.client("acm").request_certificate(DomainName="*.example.com")["CertificateArn"]
    known = {
        "ApiHost": "api.example.com",
        "GatewayHost": "connect.example.com",
        "CertificateArn": certificate,
        "Version": "1",
        "SigningKeysArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:wallcrawler/signing-keys-AbCdEf",
        "VerifyKeysArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:wallcrawler/verify-keys-AbCdEf",
        "RedisUrlArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:wallcrawler/redis-url-AbCdEf",
        "RedisGroup": "wallcrawler",
    }
    made = {}
    for name in STACKS:
        path = AWS / f"{name}.yaml"
        parameters = {key: known[key] for key in SCRIPT["parameters"](path) if key in known}
        made[name] = emulator.create(f"wallcrawler-{name}", path.read_text(), parameters)
        known |= SCRIPT["outputs"](made[name])
    return made


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_comes_to_be_with_every_resource_that_the_emulator_knows(
    emulator: Emulator, stacks: Mapping[str, Any], name: str
) -> None:
    """Complete, and nothing missing but what moto has no idea of."""
    template = Template(name)

    resources = emulator.client("cloudformation").describe_stack_resources(StackName=f"wallcrawler-{name}")

    there = {one.get("LogicalResourceId") for one in resources["StackResources"]}
    absent = {template.kind(one) for one in template.resources().keys() - there}
    assert stacks[name]["StackStatus"] == "CREATE_COMPLETE"
    assert absent <= UNKNOWN


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.usefixtures("stacks")
def test_a_table_is_what_the_schema_says(emulator: Emulator, table: Table) -> None:
    """Keys and indexes, as DynamoDB describes them, and no deletion by accident."""
    described = emulator.client("dynamodb").describe_table(TableName=f"wallcrawler-{table.name}")["Table"]

    indexes = {one["IndexName"]: one["KeySchema"] for one in described.get("GlobalSecondaryIndexes", [])}
    assert names(described["KeySchema"]) == [table.partition, *([table.sort] if table.sort else [])]
    assert {one: names(keys) for one, keys in indexes.items()} == {
        index.name: [index.partition, index.sort] for index in table.indexes
    }
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["DeletionProtectionEnabled"] is True


def names(schema: list[dict[str, str]]) -> list[str]:
    return [key["AttributeName"] for key in sorted(schema, key=lambda key: key["KeyType"])]


@pytest.mark.usefixtures("stacks")
def test_a_change_of_a_session_comes_out_of_the_stream_with_both_images(emulator: Emulator) -> None:
    """What the pipe will read."""
    dynamo, streams = emulator.client("dynamodb"), emulator.client("dynamodbstreams")
    key = {"sessionId": {"S": "s-1"}}

    dynamo.put_item(TableName="wallcrawler-sessions", Item=key | {"status": {"S": "CREATING"}})
    dynamo.put_item(TableName="wallcrawler-sessions", Item=key | {"status": {"S": "PROVISIONING"}})

    arn = dynamo.describe_table(TableName="wallcrawler-sessions")["Table"]["LatestStreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    at = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=at["ShardIterator"])["Records"]
    changed = records[-1]["dynamodb"]
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY"]
    assert changed["OldImage"]["status"] == {"S": "CREATING"}
    assert changed["NewImage"]["status"] == {"S": "PROVISIONING"}


def test_the_rule_leads_to_the_queue_and_dead_letters_behind_it(emulator: Emulator, stacks: Mapping[str, Any]) -> None:
    """The rule is on and aims at the queue whose URL the provisioner is told."""
    url = SCRIPT["outputs"](stacks["events"])["TaskEventsQueueUrl"]

    queue = emulator.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    rule = emulator.client("events").describe_rule(Name="wallcrawler-task-events")
    (target,) = emulator.client("events").list_targets_by_rule(Rule="wallcrawler-task-events")["Targets"]

    assert rule["State"] == "ENABLED"
    assert target["Arn"] == queue["QueueArn"]
    assert json.loads(queue["RedrivePolicy"])["deadLetterTargetArn"].endswith(":wallcrawler-task-events-dlq")


@pytest.mark.usefixtures("stacks")
def test_the_bucket_is_encrypted(emulator: Emulator) -> None:
    """As S3 describes it."""
    s3, name = emulator.client("s3"), "wallcrawler-123456789012-us-east-1"

    (rule,) = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]

    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


@pytest.mark.usefixtures("stacks")
def test_the_browsers_role_is_empty(emulator: Emulator) -> None:
    """No policy in it and none attached, as IAM describes it."""
    iam = emulator.client("iam")

    assert iam.list_role_policies(RoleName="wallcrawler-browser-task")["PolicyNames"] == []
    assert iam.list_attached_role_policies(RoleName="wallcrawler-browser-task")["AttachedPolicies"] == []


def told(emulator: Emulator, task: str) -> dict[str, str]:
    """The environment of a task's container, as ECS describes it."""
    described = emulator.client("ecs").describe_task_definition(taskDefinition=task)["taskDefinition"]
    (container,) = described["containerDefinitions"]
    return {one["name"]: one["value"] for one in container["environment"]}


@pytest.mark.usefixtures("stacks")
def test_the_provisioner_is_told_of_the_browsers_that_there_are(emulator: Emulator) -> None:
    """A revision and a cluster that ECS knows, an image of our repository, and the inner door for their guests."""
    ecs, provisioner = emulator.client("ecs"), told(emulator, "wallcrawler-provisioner")

    browser = ecs.describe_task_definition(taskDefinition=provisioner["WALLCRAWLER_TASK_DEFINITION"])["taskDefinition"]
    (cluster,) = ecs.describe_clusters(clusters=[provisioner["WALLCRAWLER_CLUSTER"]])["clusters"]

    assert browser["family"] == "wallcrawler-browser"
    assert cluster["clusterName"] == "wallcrawler-browsers"
    assert provisioner["WALLCRAWLER_GUEST_API_URL"].startswith("http://wallcrawler-guests")
    repositories = {one["repositoryUri"] for one in emulator.client("ecr").describe_repositories()["repositories"]}
    assert browser["containerDefinitions"][0]["image"].removesuffix(":1") in repositories


@pytest.mark.usefixtures("stacks")
def test_browsers_are_put_where_only_the_gateway_comes(emulator: Emulator) -> None:
    """The subnets and the group that the provisioner is told: theirs alone, and open to one group on one port."""
    ec2, provisioner = emulator.client("ec2"), told(emulator, "wallcrawler-provisioner")

    subnets = ec2.describe_subnets(SubnetIds=provisioner["WALLCRAWLER_SUBNETS"].split(","))["Subnets"]
    (group,) = ec2.describe_security_groups(GroupIds=[provisioner["WALLCRAWLER_SECURITY_GROUPS"]])["SecurityGroups"]

    assert {subnet["CidrBlock"] for subnet in subnets} == {"10.0.128.0/18", "10.0.192.0/18"}
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2
    (rule,) = group["IpPermissions"]
    (peer,) = rule["UserIdGroupPairs"]
    (gateway,) = ec2.describe_security_groups(GroupIds=[peer["GroupId"]])["SecurityGroups"]
    assert (rule["FromPort"], rule["ToPort"], rule["IpRanges"]) == (9223, 9223, [])
    assert gateway["Description"] == "The gateway"
    assert provisioner["WALLCRAWLER_ASSIGN_PUBLIC_IP"] == "false"


@pytest.mark.usefixtures("stacks")
def test_the_services_run_behind_their_doors(emulator: Emulator) -> None:
    """Two of each, in a cluster of their own."""
    ecs = emulator.client("ecs")
    services = ["api", "gateway", "provisioner", "notifier"]

    described = ecs.describe_services(cluster="wallcrawler-services", services=services)["services"]

    assert {one["serviceName"]: one["desiredCount"] for one in described} == dict.fromkeys(services, 2)
