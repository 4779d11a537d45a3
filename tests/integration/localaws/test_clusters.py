"""Clusters and tags, through boto3."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.integration.localaws.stand import Stand, standing


def test_a_cluster_is_made_once(stand: Stand) -> None:
    """Making it again answers with the one that is there."""
    first = stand.ecs.create_cluster(clusterName="browsers", tags=[{"key": "a", "value": "1"}])["cluster"]

    second = stand.ecs.create_cluster(clusterName="browsers")["cluster"]

    assert second == first
    assert first["clusterArn"] == "arn:aws:ecs:us-east-1:000000000000:cluster/browsers"
    assert (first["status"], first["tags"]) == ("ACTIVE", [{"key": "a", "value": "1"}])
    assert stand.ecs.list_clusters()["clusterArns"] == [
        first["clusterArn"],
        "arn:aws:ecs:us-east-1:000000000000:cluster/default",
    ]


def test_a_cluster_counts_its_tasks(stand: Stand) -> None:
    """Running ones and pending ones; those of other clusters are not its own."""
    stand.ecs.create_cluster(clusterName="other")
    stand.register()
    stand.running()
    stand.switch(slow_start=30)
    pending = stand.run()
    eventually(lambda: stand.status(pending) == "PENDING")

    described = stand.ecs.describe_clusters(clusters=["default", "other", "missing"])

    default, other = described["clusters"]
    assert (default["runningTasksCount"], default["pendingTasksCount"]) == (1, 1)
    assert (other["runningTasksCount"], other["pendingTasksCount"]) == (0, 0)
    assert described["failures"] == [{"arn": "arn:aws:ecs:us-east-1:000000000000:cluster/missing", "reason": "MISSING"}]


def test_clusters_of_the_settings_are_there_from_the_start(tmp_path: Path) -> None:
    """LOCALAWS_CLUSTERS names them, separated by commas."""
    with standing(tmp_path, clusters="wallcrawler-browsers, spare") as stand:
        names = [arn.rsplit("/", 1)[-1] for arn in stand.ecs.list_clusters()["clusterArns"]]

    assert names == ["spare", "wallcrawler-browsers"]


def test_every_action_on_tasks_needs_a_cluster_that_exists(stand: Stand) -> None:
    """ClusterNotFoundException, not an empty answer."""
    stand.register()
    missing = stand.ecs.exceptions.ClusterNotFoundException

    with pytest.raises(missing):
        stand.run(cluster="nosuch")
    with pytest.raises(missing):
        stand.ecs.list_tasks(cluster="nosuch")
    with pytest.raises(missing):
        stand.ecs.describe_tasks(cluster="nosuch", tasks=["a" * 32])
    with pytest.raises(missing):
        stand.ecs.stop_task(cluster="nosuch", task="a" * 32)


@pytest.mark.parametrize("kind", ["cluster", "definition", "task"])
def test_resources_are_tagged_and_untagged(stand: Stand, kind: str) -> None:
    """Clusters, task definitions and tasks alike."""
    definition = stand.register()
    arn = {
        "cluster": "arn:aws:ecs:us-east-1:000000000000:cluster/default",
        "definition": definition,
        "task": stand.run() if kind == "task" else "",
    }[kind]

    stand.ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    stand.ecs.untag_resource(resourceArn=arn, tagKeys=["a", "nosuch"])

    assert stand.ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]


def test_what_is_not_there_can_not_be_tagged(stand: Stand) -> None:
    """Each kind has its own error."""
    tags = [{"key": "a", "value": "1"}]
    prefix = "arn:aws:ecs:us-east-1:000000000000"

    with pytest.raises(stand.ecs.exceptions.ClusterNotFoundException):
        stand.ecs.tag_resource(resourceArn=f"{prefix}:cluster/nosuch", tags=tags)
    with pytest.raises(stand.ecs.exceptions.InvalidParameterException):
        stand.ecs.tag_resource(resourceArn=f"{prefix}:task/default/{'a' * 32}", tags=tags)
    with pytest.raises(stand.ecs.exceptions.InvalidParameterException, match="Invalid resource ARN"):
        stand.ecs.tag_resource(resourceArn=f"{prefix}:service/default/s", tags=tags)


def test_reserved_and_too_many_tags_are_refused(stand: Stand) -> None:
    """`aws:` is AWS's own; fifty are allowed."""
    arn = stand.register()
    invalid = stand.ecs.exceptions.InvalidParameterException

    with pytest.raises(invalid, match="aws:"):
        stand.ecs.tag_resource(resourceArn=arn, tags=[{"key": "aws:x", "value": "1"}])
    with pytest.raises(invalid, match="limit of 50"):
        stand.ecs.tag_resource(resourceArn=arn, tags=[{"key": str(n), "value": ""} for n in range(51)])
