"""What deploy/aws makes with CloudFormation, made on stand-ins: tables, queues, topic, bucket, cluster.

Everything may be made again; what is there is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wallcrawler.aws.clients import Clients
from wallcrawler.aws.tables import create_tables

#: Seconds for which a message that was received and not acknowledged stays with its receiver. Short, because a poller
#: that is killed keeps what it had received; consumers are idempotent.
VISIBILITY = 10
#: How often a message is received until it is given up.
RECEIVES = 20


@dataclass(frozen=True, slots=True)
class Browser:
    """The container that a task runs. Memory in MiB, `shm` (of /dev/shm) as well; `cpu` in 1/1024 of a core."""

    image: str
    cpu: int = 1024
    memory: int = 2048
    shm: int = 512
    #: Seconds from SIGTERM to SIGKILL.
    stop_timeout: int = 30


@dataclass(frozen=True, slots=True)
class Stack:
    """Where what was made is."""

    task_events_queue_url: str
    session_changes_queue_url: str
    topic_arn: str
    bucket: str


def create(aws: Clients, *, table_prefix: str, cluster: str, family: str, container: str, browser: Browser) -> Stack:
    """Raises botocore's errors: whoever sets up has to see them as they are."""
    create_tables(aws.dynamodb, table_prefix)
    stack = Stack(
        task_events_queue_url=_queue(aws, "wallcrawler-task-events"),
        session_changes_queue_url=_queue(aws, "wallcrawler-session-changes"),
        topic_arn=aws.sns.create_topic(Name="wallcrawler-session-ready")["TopicArn"],
        bucket="wallcrawler-blobs",
    )
    if stack.bucket not in {bucket["Name"] for bucket in aws.s3.list_buckets()["Buckets"]}:
        aws.s3.create_bucket(Bucket=stack.bucket)
    aws.ecs.create_cluster(clusterName=cluster)
    aws.ecs.register_task_definition(**_task_definition(family, container, browser))
    return stack


def _queue(aws: Clients, name: str) -> str:
    """The queue's URL; what it can not deliver goes to `<name>-dlq`."""
    dead = aws.sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    attributes: Mapping[Any, str] = {
        "VisibilityTimeout": str(VISIBILITY),
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES}),
    }
    return aws.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def _task_definition(family: str, container: str, browser: Browser) -> dict[str, Any]:
    return {
        "family": family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": str(browser.cpu),
        "memory": str(browser.memory),
        "containerDefinitions": [
            {
                "name": container,
                "image": browser.image,
                "essential": True,
                "stopTimeout": browser.stop_timeout,
                "portMappings": [{"containerPort": 9223, "protocol": "tcp"}],
                "linuxParameters": {"sharedMemorySize": browser.shm, "capabilities": {"drop": ["ALL"]}},
                "dockerSecurityOptions": ["no-new-privileges"],
                # As on Fargate: only /tmp can be written to, which the image declares to be a volume.
                "readonlyRootFilesystem": True,
            }
        ],
    }
