"""Each fault that can be switched on, and that all can be switched off."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

from tests.eventually import eventually
from tests.integration.localaws.stand import NETWORK, Stand


def test_no_fault_is_on_unless_somebody_switches_it_on(stand: Stand) -> None:
    """GET shows them, POST changes those named, DELETE clears all."""
    fresh = stand.http.get("/_localaws/faults").json()

    stand.switch(duplicate=2, drop=["RUNNING"])
    stand.switch(throttle=1)
    switched = stand.http.get("/_localaws/faults").json()
    cleared = stand.http.delete("/_localaws/faults").json()

    assert not any(fresh.values())
    assert switched == fresh | {"duplicate": 2, "drop": ["RUNNING"], "throttle": 1}
    assert cleared == fresh


@pytest.mark.parametrize("wrong", [{"duplicate": -1}, {"nosuch": 1}, {"delay": "soon"}, [1]])
def test_a_wrong_fault_is_refused_and_changes_nothing(stand: Stand, wrong: object) -> None:
    """With a 400 that says what is wrong."""
    stand.switch(delay=0.5)

    answer = stand.http.post("/_localaws/faults", json=wrong)

    assert answer.status_code == 400
    assert answer.json()["error"]
    assert stand.http.get("/_localaws/faults").json()["delay"] == 0.5


def test_a_web_page_can_not_switch_faults(stand: Stand) -> None:
    """A form or a plain text, which a page may send anywhere, is not taken."""
    answer = stand.http.post("/_localaws/faults", content='{"throttle": 5}', headers={"Content-Type": "text/plain"})

    assert answer.status_code == 415
    assert stand.http.get("/_localaws/faults").json()["throttle"] == 0


def test_duplicated_events_are_the_same_event(telling: Stand) -> None:
    """Same id, same version, so that a consumer can tell."""
    telling.switch(duplicate=2)
    telling.register("true")

    arn = telling.run()

    eventually(lambda: telling.statuses(arn).count("STOPPED") == 3)
    assert set(Counter(telling.versions(arn)).values()) == {3}
    assert set(Counter(event["id"] for event in telling.events(arn)).values()) == {3}


def test_delayed_events_come_late(telling: Stand) -> None:
    """The task is long over when its first event comes."""
    telling.switch(delay=1.5)
    telling.register("true")

    arn = telling.run()
    telling.stopped(arn)

    assert telling.versions(arn) == []
    eventually(lambda: "STOPPED" in telling.statuses(arn))
    versions = telling.versions(arn)
    assert versions == sorted(versions)


def test_reordered_events_overtake_each_other(telling: Stand) -> None:
    """Each pair comes the wrong way round; the last, if it is alone, comes a little later."""
    telling.switch(reorder=True)
    telling.register()
    arn = telling.running()
    telling.ecs.stop_task(task=arn)

    eventually(lambda: "STOPPED" in telling.statuses(arn))

    versions = telling.versions(arn)
    assert versions == [2, 1, 4, 3, 6, 5, 7]
    assert any(after < before for before, after in pairwise(versions))


def test_dropped_events_never_come(telling: Stand) -> None:
    """The others do, and the task itself is none the wiser."""
    telling.switch(drop=["RUNNING", "PENDING"])
    telling.register()
    arn = telling.running()
    telling.ecs.stop_task(task=arn)

    eventually(lambda: "STOPPED" in telling.statuses(arn))

    assert telling.statuses(arn) == ["PROVISIONING", "STOPPING", "DEPROVISIONING", "STOPPED"]


def test_a_want_of_capacity_is_a_failure_in_a_good_answer(stand: Stand) -> None:
    """HTTP 200, no task, and the reason once for each task that was asked for."""
    stand.register()
    stand.switch(run_task_failure="RESOURCE:MEMORY")

    answer = stand.ecs.run_task(taskDefinition="browser", networkConfiguration=NETWORK, count=2)

    assert answer["tasks"] == []
    assert [failure["reason"] for failure in answer["failures"]] == ["RESOURCE:MEMORY"] * 2
    assert stand.ecs.list_tasks()["taskArns"] == []


def test_as_many_calls_are_throttled_as_were_asked_for(stand: Stand) -> None:
    """ThrottlingException for ECS, RequestLimitExceeded for EC2, and then all is well again."""
    stand.switch(throttle=2)

    with pytest.raises(ClientError) as of_ecs:
        stand.ecs.list_clusters()
    with pytest.raises(ClientError) as of_ec2:
        stand.ec2.describe_network_interfaces()
    after = stand.ecs.list_clusters()

    assert of_ecs.value.response["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    assert of_ec2.value.response["Error"]["Code"] == "RequestLimitExceeded"
    assert len(after["clusterArns"]) == 1


def test_a_client_that_tries_again_gets_through_throttling(stand: Stand) -> None:
    """As boto3 does by itself."""
    patient = stand.patient("ecs")
    stand.switch(throttle=2)

    assert len(patient.list_clusters()["clusterArns"]) == 1


def test_a_slow_start_keeps_a_task_pending(stand: Stand) -> None:
    """Its container is started only after that."""
    stand.register()
    stand.switch(slow_start=0.6)

    arn = stand.run()

    eventually(lambda: stand.status(arn) == "PENDING")
    eventually(lambda: stand.status(arn) == "RUNNING")
    task = stand.task(arn)
    assert (task["startedAt"] - task["createdAt"]).total_seconds() >= 0.6
