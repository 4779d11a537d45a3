"""The AWS path from end to end without Docker: DynamoDB, its stream, ECS's events, SQS, SNS, and real browsers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.sync.client import connect

from tests.eventually import eventually
from tests.integration.aws.deployment import Deployment

pytestmark = pytest.mark.browser


def test_a_session_from_create_to_release(deployment: Deployment) -> None:
    """Every hop is real, the gateway leads to the browser, and the history has each event once."""
    session = deployment.create(keepAlive=True)
    with connect(session["connectUrl"]) as client:
        client.send('{"id": 1, "method": "Browser.getVersion"}')
        assert "Chrome" in str(client.recv(timeout=10))
    debug = deployment.http.get(f"/v1/sessions/{session['id']}/debug").json()
    deployment.release(session["id"])

    eventually(lambda: deployment.retrieve(session["id"])["status"] == "COMPLETED", within=15)
    assert debug["pages"][0]["url"] == "about:blank"
    history = [entry["event"] for entry in deployment.http.get(f"/v1/sessions/{session['id']}/events").json()]
    assert {"CREATED", "LOCATED", "BROWSER_UP", "RELEASED"} <= set(history)
    starting = [event for event in history if event in {"LAUNCHED", "LOCATED", "BROWSER_UP"}]
    assert len(starting) == len(set(starting))


def test_no_service_writes_a_secret(deployment: Deployment) -> None:
    """Neither key nor token is in any output, nor in what ECS tells of a task to the queue."""
    session = deployment.create()

    for name in ("api", "provisioner", "notifier", "gateway", "localaws"):
        written = deployment.output(name)
        assert session["signingKey"] not in written
        assert "eyJ" not in written


def test_a_dozen_at_once(deployment: Deployment) -> None:
    """Each gets a browser of its own, over one table, one stream and one queue."""
    with ThreadPoolExecutor(12) as pool:
        sessions = list(pool.map(lambda _: deployment.create(keepAlive=True), range(12)))

    assert len({session["id"] for session in sessions}) == 12
    assert len(deployment.tasks()) == 12


def test_a_long_poller_is_killed(deployment: Deployment) -> None:
    """kill -9 of the notifier: what it had taken comes again, the next one answers, and no create is lost meanwhile."""
    deployment.kill("notifier")
    answered_without = deployment.create(keepAlive=True)
    deployment.start("notifier", "services.notifier")
    answered_with = deployment.create(keepAlive=True)

    assert answered_without["status"] == answered_with["status"] == "RUNNING"


def test_a_provisioner_is_killed_at_work(deployment: Deployment) -> None:
    """kill -9 while it launches: its jobs are done by the next one, with one browser each."""
    with ThreadPoolExecutor(3) as pool:
        creates = [pool.submit(deployment.create, keepAlive=True) for _ in range(3)]
        eventually(deployment.tasks, within=10)
        deployment.kill("provisioner")
        deployment.start("provisioner", "services.provisioner")
        sessions = [create.result(50) for create in creates]

    assert len(sessions) == len(deployment.tasks()) == 3


def test_a_thousand_stale_events_are_queued(deployment: Deployment) -> None:
    """A create behind them still becomes READY long before its deadline."""
    over = deployment.create()
    deployment.release(over["id"])
    eventually(deployment.settled, within=30)
    stale = json.dumps(_event_of(over["id"]))
    url = deployment.sqs.get_queue_url(QueueName="wallcrawler-task-events")["QueueUrl"]
    for batch in range(100):
        entries = [{"Id": f"{batch}-{number}", "MessageBody": stale} for number in range(10)]
        deployment.sqs.send_message_batch(QueueUrl=url, Entries=entries)

    session = deployment.create()

    assert session["status"] == "RUNNING"
    assert deployment.retrieve(over["id"])["status"] == "COMPLETED"


def _event_of(session_id: str) -> dict[str, object]:
    """What ECS says of a task that has begun to run, in EventBridge's envelope."""
    cluster = "arn:aws:ecs:us-east-1:000000000000:cluster/wallcrawler-browsers"
    arn = f"arn:aws:ecs:us-east-1:000000000000:task/wallcrawler-browsers/{'0' * 32}"
    return {
        "version": "0",
        "id": "00000000-0000-4000-8000-000000000000",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "000000000000",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [arn],
        "detail": {
            "taskArn": arn,
            "clusterArn": cluster,
            "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/wallcrawler-browser:1",
            "group": "family:wallcrawler-browser",
            "startedBy": session_id,
            "lastStatus": "RUNNING",
            "desiredStatus": "RUNNING",
            "version": 3,
            "containers": [],
            "attachments": [
                {
                    "type": "eni",
                    "status": "ATTACHED",
                    "details": [{"name": "privateIPv4Address", "value": "127.0.0.1"}],
                }
            ],
        },
    }
