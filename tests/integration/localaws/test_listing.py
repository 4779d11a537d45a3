"""ListTasks, DescribeTasks and StopTask, through boto3."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.localaws.clocks import MovableClock
from tests.integration.localaws.stand import Stand, standing


def test_tasks_are_listed_by_pages(stand: Stand) -> None:
    """Pages follow each other in the order of starting, each task on one of them."""
    stand.register("true")
    arns = [arn for _ in range(3) for arn in stand.run_all(count=5, startedBy="batch")]
    for arn in arns:
        stand.stopped(arn)

    paginator = stand.ecs.get_paginator("list_tasks")
    pages = list(paginator.paginate(desiredStatus="STOPPED", PaginationConfig={"PageSize": 4}))

    assert [len(page["taskArns"]) for page in pages] == [4, 4, 4, 3]
    assert [arn for page in pages for arn in page["taskArns"]] == arns


def test_tasks_are_listed_by_what_is_known_of_them(stand: Stand) -> None:
    """By cluster, family, who started them, and what is wanted of them."""
    stand.ecs.create_cluster(clusterName="other")
    stand.register(family="browser")
    stand.register(family="sidekick")
    mine = stand.running(startedBy="session-1")
    sidekick = stand.running("sidekick")
    elsewhere = stand.run(cluster="other")
    ended = stand.running(startedBy="session-1")
    stand.ecs.stop_task(task=ended)

    def listed(**filters: str) -> list[str]:
        return list(stand.ecs.list_tasks(**filters)["taskArns"])

    assert listed() == [mine, sidekick]
    assert listed(cluster="other") == [elsewhere]
    assert listed(family="sidekick") == [sidekick]
    assert listed(startedBy="session-1") == [mine]
    assert listed(startedBy="session-1", desiredStatus="STOPPED") == [ended]
    assert listed(desiredStatus="PENDING") == []
    assert listed(launchType="EC2") == []


def test_filters_and_pages_that_ecs_would_refuse_are_refused(stand: Stand) -> None:
    """startedBy stands alone; a page holds 1 to 100; a token is one that was given out."""
    invalid = stand.ecs.exceptions.InvalidParameterException

    with pytest.raises(invalid, match="only filter"):
        stand.ecs.list_tasks(startedBy="a", family="b")
    with pytest.raises(invalid, match="maxResults"):
        stand.ecs.list_tasks(maxResults=101)
    with pytest.raises(invalid, match="Invalid token"):
        stand.ecs.list_tasks(nextToken="made up")


def test_a_hundred_tasks_are_described_at_once(stand: Stand) -> None:
    """What is not there is a failure of the answer, not of the request."""
    stand.register("true")
    arns = [arn for _ in range(2) for arn in stand.run_all(count=10)]
    missing = [f"{number:032x}" for number in range(80)]

    answer = stand.ecs.describe_tasks(tasks=arns + missing)

    assert [task["taskArn"] for task in answer["tasks"]] == arns
    assert [failure["reason"] for failure in answer["failures"]] == ["MISSING"] * 80
    assert answer["failures"][0]["arn"] == f"arn:aws:ecs:us-east-1:000000000000:task/default/{missing[0]}"


def test_tasks_are_described_by_id_or_arn_within_their_cluster(stand: Stand) -> None:
    """An ARN of another cluster is refused; an id of another cluster is not found."""
    stand.ecs.create_cluster(clusterName="other")
    stand.register("true")
    arn = stand.run()
    task_id = arn.rsplit("/", 1)[-1]
    invalid = stand.ecs.exceptions.InvalidParameterException

    assert stand.ecs.describe_tasks(tasks=[task_id])["tasks"][0]["taskArn"] == arn
    assert stand.ecs.describe_tasks(cluster="other", tasks=[task_id])["failures"][0]["reason"] == "MISSING"
    with pytest.raises(invalid, match=r"Identifier is for cluster default\. Your cluster is other"):
        stand.ecs.describe_tasks(cluster="other", tasks=[arn])
    with pytest.raises(invalid, match="taskId length"):
        stand.ecs.describe_tasks(tasks=["nonsense"])
    with pytest.raises(invalid, match="Tasks cannot be empty"):
        stand.ecs.describe_tasks(tasks=[])
    with pytest.raises(invalid, match="more than 100"):
        stand.ecs.describe_tasks(tasks=["a" * 32] * 101)


def test_a_stopped_task_is_described_for_an_hour(tmp_path: Path) -> None:
    """After that it is as if it had never been."""
    clock = MovableClock()
    with standing(tmp_path, now=clock) as stand:
        stand.register("true")
        arn = stand.run()
        stand.stopped(arn)

        clock.ahead = 3500
        within = stand.ecs.describe_tasks(tasks=[arn])
        listed = stand.ecs.list_tasks(desiredStatus="STOPPED")["taskArns"]
        clock.ahead = 3700
        after = stand.ecs.describe_tasks(tasks=[arn])
        listed_after = stand.ecs.list_tasks(desiredStatus="STOPPED")["taskArns"]

    assert (len(within["tasks"]), listed) == (1, [arn])
    assert (after["tasks"], after["failures"][0]["reason"], listed_after) == ([], "MISSING", [])


def test_stopping_says_who_wanted_it_and_why(stand: Stand) -> None:
    """The answer comes before the container has ended; asking again changes nothing."""
    stand.register()
    arn = stand.running()

    answer = stand.ecs.stop_task(task=arn, reason="the session was released")["task"]
    again = stand.ecs.stop_task(task=arn, reason="another reason")["task"]

    assert (answer["desiredStatus"], answer["lastStatus"], answer["version"]) == ("STOPPED", "RUNNING", 4)
    assert (again["stopCode"], again["stoppedReason"]) == ("UserInitiated", "the session was released")
    stopped = stand.stopped(arn)
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "the session was released")
    assert stopped["startedAt"] <= stopped["stoppingAt"] <= stopped["executionStoppedAt"] <= stopped["stoppedAt"]


def test_a_task_that_is_over_can_be_stopped_again(stand: Stand) -> None:
    """It is answered as it is; a task that never was is an InvalidParameterException."""
    stand.register("true")
    arn = stand.run()
    before = stand.stopped(arn)

    answer = stand.ecs.stop_task(task=arn)["task"]

    assert (answer["version"], answer["stopCode"]) == (before["version"], "EssentialContainerExited")
    with pytest.raises(stand.ecs.exceptions.InvalidParameterException, match="The referenced task was not found"):
        stand.ecs.stop_task(task="a" * 32)
