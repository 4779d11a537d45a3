"""Queues, the rule, the pipe and the alarms: who hears of what, and what becomes of a message that nobody can take."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.records import a_session
from tests.deploy.templates import Template, every
from wallcrawler import log as logs
from wallcrawler.catalog import Catalog
from wallcrawler.clock import SystemClock
from wallcrawler.lifecycle import Event, Reason
from wallcrawler.local.tables import SqliteTables
from wallcrawler.sessions import Sessions

EVENTS = Template("events")
QUEUES = EVENTS.resources("AWS::SQS::Queue")
DEAD_LETTERS = {name for name in QUEUES if name.endswith("Dlq")}


def matches(pattern: Any, event: Any) -> bool:
    """EventBridge's rule for the patterns that are used here: every field is there, with one of the values."""
    if isinstance(pattern, dict):
        return all(name in event and matches(inner, event[name]) for name, inner in pattern.items())
    return event in pattern


def task_event(**changed: Any) -> dict[str, Any]:
    """As much of a task's event as a rule may look at, in EventBridge's envelope."""
    cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/wallcrawler-browsers"
    detail = {"clusterArn": cluster, "group": "family:wallcrawler-browser", "lastStatus": "RUNNING"} | changed
    return {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail}


def test_every_queue_has_a_dead_letter_queue() -> None:
    """And every dead-letter queue keeps for two weeks what the other gave up."""
    for name in QUEUES.keys() - DEAD_LETTERS:
        redrive = QUEUES[name]["RedrivePolicy"]

        assert redrive["deadLetterTargetArn"] == f"${{{name}Dlq.Arn}}"
        assert redrive["maxReceiveCount"] * QUEUES[name]["VisibilityTimeout"] >= 300
    for name in DEAD_LETTERS:
        assert QUEUES[name]["MessageRetentionPeriod"] == 14 * 86_400
    assert len(DEAD_LETTERS) == 3


def test_every_queue_and_topic_is_encrypted() -> None:
    """Also the dead letters: a task's event holds the environment that the task was started with."""
    assert all(queue["SqsManagedSseEnabled"] is True for queue in QUEUES.values())
    assert EVENTS.resources("AWS::SNS::Topic")["ReadyTopic"]["KmsMasterKeyId"] == "alias/aws/sns"


def test_names_are_those_of_the_design() -> None:
    """Other parts, and people, look for these."""
    topics = {properties["TopicName"] for properties in EVENTS.resources("AWS::SNS::Topic").values()}
    queues = {properties["QueueName"] for name, properties in QUEUES.items() if name not in DEAD_LETTERS}

    assert topics == {"wallcrawler-session-ready"}
    assert queues == {"wallcrawler-task-events", "wallcrawler-session-changes"}


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        (task_event(), True),
        (task_event(lastStatus="STOPPED"), True),
        (task_event(group="service:api"), False),
        (task_event(clusterArn="arn:aws:ecs:us-east-1:123456789012:cluster/other"), False),
        (task_event() | {"source": "my.app"}, False),
        (task_event() | {"detail-type": "ECS Deployment State Change"}, False),
    ],
)
def test_the_rule_hears_browsers_and_nobody_else(event: dict[str, Any], heard: bool) -> None:
    """Every state of a browser's task, and no event of a service."""
    (rule,) = EVENTS.resources("AWS::Events::Rule").values()

    assert matches(rule["EventPattern"], event) is heard


def test_the_rule_puts_events_on_the_queue_and_lost_ones_aside() -> None:
    """EventBridge tries again, and gives up where the alarm sees it."""
    (rule,) = EVENTS.resources("AWS::Events::Rule").values()
    (policy,) = EVENTS.resources("AWS::SQS::QueuePolicy").values()

    (target,) = rule["Targets"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert target["Arn"] == "${TaskEvents.Arn}"
    assert target["DeadLetterConfig"] == {"Arn": "${TaskEventsDlq.Arn}"}
    assert "InputTransformer" not in target, "the worker reads EventBridge's own envelope"
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": "${TaskEventsRule.Arn}"}}
    assert set(policy["Queues"]) == {"${TaskEvents}", "${TaskEventsDlq}"}


def test_the_pipe_leads_from_the_stream_to_the_queue_at_once() -> None:
    """A caller waits for what comes out of it."""
    (pipe,) = EVENTS.resources("AWS::Pipes::Pipe").values()

    stream = pipe["SourceParameters"]["DynamoDBStreamParameters"]
    (kept,) = pipe["SourceParameters"]["FilterCriteria"]["Filters"]
    assert (pipe["Source"], pipe["Target"]) == ("${SessionsStream}", "${SessionChanges.Arn}")
    assert Template("data").outputs["SessionsStream"] == "${Sessions.StreamArn}"
    assert pipe["RoleArn"] == "${PipeRole.Arn}"
    assert stream["MaximumBatchingWindowInSeconds"] == 0
    assert stream["DeadLetterConfig"] == {"Arn": "${PipeDlq.Arn}"}
    assert stream["OnPartialBatchItemFailure"] == "AUTOMATIC_BISECT"
    assert stream["BatchSize"] <= 10, "SQS takes ten messages in a call"
    assert json.loads(kept["Pattern"]) == {"eventName": ["INSERT", "MODIFY"]}


# -- Numbers and alarms -----------------------------------------------------------------------------------------------


def alarms() -> dict[str, dict[str, Any]]:
    return Template("alarms").resources("AWS::CloudWatch::Alarm")


def test_every_dead_letter_wakes_somebody() -> None:
    """One message is enough."""
    watched = {
        alarm["Dimensions"][0]["Value"]: alarm["Threshold"]
        for alarm in alarms().values()
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
    }

    assert watched == {"${TaskEventsDlqName}": 0, "${SessionChangesDlqName}": 0, "${PipeDlqName}": 0}


def test_every_alarm_tells_the_topic() -> None:
    """An alarm that tells nobody is a picture."""
    assert len(alarms()) >= 12
    for name, alarm in alarms().items():
        assert alarm["AlarmActions"] == ["${Alarms}"], name


def test_the_alarm_on_ready_comes_before_the_deadline() -> None:
    """p95 of seconds to READY, in the namespace that the filters write to, below the 45 s at which creates fail."""
    filters = Template("metrics").resources("AWS::Logs::MetricFilter").values()
    written = {(one["MetricNamespace"], one["MetricName"]) for f in filters for one in f["MetricTransformations"]}

    slow = alarms()["SlowReady"]

    assert slow["ExtendedStatistic"] == "p95"
    assert int(slow["Threshold"]) < 45
    own = [alarm for alarm in alarms().values() if alarm.get("Namespace") == "wallcrawler"]
    assert {(alarm["Namespace"], alarm["MetricName"]) for alarm in own} == written


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_the_filters_match_the_lines_that_are_really_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A session that becomes ready, and one that gets no browser, as the product logs them."""
    logs.configure(service="api", fmt="json")
    tables, clock = SqliteTables(tmp_path / "db"), SystemClock()
    sessions = Sessions(tables, clock)
    project = Catalog(tables, clock).add_project("p", concurrency=2, default_timeout=60)
    for id in ("ready", "failed"):
        sessions.create(a_session(id, project.id, now=clock.now()))
    lines_of(capsys)

    sessions.advance("ready", Event.LOCATED, address="10.0.128.9:9223")
    sessions.advance("ready", Event.BROWSER_UP, browser_up_at=clock.now())
    sessions.advance("failed", Event.LAUNCH_FAILED, reason=Reason.LAUNCH_FAILED.because("RESOURCE:CPU"))

    ready, failed = (line for line in lines_of(capsys) if line["event"] in {"session.ready", "session.ended"})
    tables.close()
    counted = {one["FilterPattern"]: one for one in Template("metrics").resources("AWS::Logs::MetricFilter").values()}
    on_ready, on_failure = sorted(counted, key=len)
    assert on_ready == '{ $.event = "session.ready" }'
    assert ready["event"] == "session.ready"
    assert counted[on_ready]["MetricTransformations"][0]["MetricValue"] == "$.seconds"
    assert isinstance(ready["seconds"], float)
    event, prefix, word = re.findall(r'"([^"]+)"', on_failure)
    assert failed["event"] == event
    assert failed["reason"].startswith(prefix.removesuffix("*"))
    assert word == Reason.CREATE_DEADLINE


def test_numbers_are_taken_from_both_logs_that_have_them() -> None:
    """READY is written by the API or by the provisioner, whichever half comes last."""
    filters = Template("metrics").resources("AWS::Logs::MetricFilter").values()

    by_metric: dict[str, set[str]] = {}
    for one in filters:
        by_metric.setdefault(one["MetricTransformations"][0]["MetricName"], set()).add(one["LogGroupName"])

    both = {"${ApiLogGroup}", "${ProvisionerLogGroup}"}
    assert by_metric == {"ReadySeconds": both, "LaunchFailures": both}


def test_no_queue_is_made_elsewhere() -> None:
    """A queue outside of events.yaml would escape the promises above."""
    assert {template.name for template, _, _ in every("AWS::SQS::Queue")} == {"events"}
