"""A task's record and its changes; what a container is started with. Nothing here runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localaws import tasks
from localaws.arns import Place
from localaws.containers import OUT_OF_MEMORY, Exit, ending, specs
from localaws.definitions import Definition, complete
from localaws.launch import fingerprint, new_task, read_run
from localaws.tasks import NEXT, Address, Started, Status, StopCode, Task
from localaws.views import describe, event_detail
from tests.integration.localaws.stand import NETWORK

PLACE = Place("000000000000", "us-east-1")


def definition(**more: Any) -> Definition:
    body = complete(
        {
            "family": "f",
            "networkMode": "awsvpc",
            "memory": "512",
            "containerDefinitions": [
                {"name": "main", "image": "i", "environment": [{"name": "A", "value": "d"}]} | more,
                {"name": "beside", "image": "i", "essential": False, "memory": 64, "stopTimeout": 5},
            ],
        }
    )
    return Definition("f", 1, PLACE.definition("f", 1), body, 0.0, "arn:root")


def task(**params: Any) -> Task:
    run = read_run({"networkConfiguration": NETWORK} | params, definition(), cluster="default")
    return new_task(run, definition(), place=PLACE, cluster="default", at=1.0, new_hex=lambda n: "ab" * n)


STARTED = Started(Address("127.1.2.3", "02:42:7f:01:02:03"), {"main": "1", "beside": "2"})

#: Every change there is, as something that can be done to any record.
CHANGES = {
    "provisioned": lambda one, at: tasks.provisioned(one, None, at),
    "located": lambda one, at: tasks.provisioned(one, STARTED.address, at),
    "running": lambda one, at: tasks.running(one, STARTED, at),
    "failed": lambda one, at: tasks.failed_to_start(one, "CannotStartContainerError: x", at),
    "asked": lambda one, at: tasks.stop_asked(one, StopCode.USER_INITIATED, "enough", at),
    "stopping": tasks.stopping,
    "main ended": lambda one, at: tasks.container_ended(one, "main", Exit(0), at),
    "beside ended": lambda one, at: tasks.container_ended(one, "beside", Exit(1), at),
    "stopped": tasks.stopped,
}


@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=30))
def test_whatever_happens_a_record_only_moves_as_the_table_says(names: list[str]) -> None:
    """Each change is one step of the table or none, with the next version; a stale one is the record as it was."""
    record = task()
    for at, name in enumerate(names, start=2):
        after = CHANGES[name](record, float(at))

        if after is not record:
            assert after.version == record.version + 1
            assert after.updated_at == float(at)
            assert after.last_status is record.last_status or after.last_status in NEXT[record.last_status]
            assert after.ending or not record.ending
            assert after.stop_code == record.stop_code or record.stop_code is None
        record = after


@given(st.permutations(sorted(CHANGES)))
def test_a_record_can_always_be_told_and_described(names: list[str]) -> None:
    """In any state, with the same facts both ways."""
    record = task()
    for at, name in enumerate(names, start=2):
        record = CHANGES[name](record, float(at))

        described, told = describe(record, tags=True), event_detail(record)

        assert described["version"] == told["version"] == record.version
        assert described["lastStatus"] == told["lastStatus"]
        assert described["attachments"][0]["details"] == told["attachments"][0]["details"]
        assert (described["attachments"][0]["type"], told["attachments"][0]["type"]) == (
            "ElasticNetworkInterface",
            "eni",
        )


@pytest.mark.parametrize(("code", "killed"), [(137, True), (1, True), (0, False), (137, False)])
def test_a_kill_for_memory_is_told_in_ecs_words(code: int, killed: bool) -> None:
    """And nothing else is: a 137 alone may be anybody's SIGKILL."""
    told = ending(code, out_of_memory=killed)

    assert told == Exit(code, "OutOfMemoryError: Container killed due to memory usage" if killed else None)
    record = tasks.running(tasks.provisioned(task(), None, 2.0), STARTED, 3.0)
    described = describe(tasks.container_ended(record, "main", told, 4.0), tags=False)["containers"][0]
    assert described["exitCode"] == code
    assert described.get("reason") == (OUT_OF_MEMORY if killed else None)


def test_a_container_that_ends_while_its_task_starts_keeps_it_from_running() -> None:
    """Such a task never was RUNNING, and has no start."""
    record = tasks.provisioned(task(), None, 2.0)

    record = tasks.container_ended(record, "main", Exit(1), 3.0)
    record = tasks.running(record, STARTED, 4.0)

    assert (record.last_status, record.started_at) == (Status.STOPPING, None)
    assert record.stop_code is StopCode.ESSENTIAL_CONTAINER_EXITED


def test_the_first_reason_to_stop_is_the_one_that_is_told() -> None:
    """Whoever asks later, and however the containers end then."""
    record = tasks.running(tasks.provisioned(task(), None, 2.0), STARTED, 3.0)

    record = tasks.stop_asked(record, StopCode.USER_INITIATED, "first", 4.0)
    record = tasks.stop_asked(record, StopCode.TERMINATION_NOTICE, "second", 5.0)
    record = tasks.container_ended(record, "main", Exit(143), 6.0)

    assert (record.stop_code, record.stopped_reason, record.stopping_at) == (StopCode.USER_INITIATED, "first", 4.0)


def test_ecs_forgets_the_tags_of_a_stopped_task() -> None:
    """And keeps its other facts."""
    record = tasks.failed_to_start(task(tags=[{"key": "a", "value": "1"}]), "x", 2.0)

    over = tasks.stopped(record, 3.0)

    assert (record.tags, over.tags, over.stopped_at) == ({"a": "1"}, {}, 3.0)


def test_overrides_win_over_the_definition_and_the_task_fills_the_gaps() -> None:
    """Environment by name, command and limits as a whole."""
    overrides = {
        "containerOverrides": [
            {
                "name": "main",
                "command": ["c"],
                "environment": [{"name": "A", "value": "o"}, {"name": "B", "value": "o"}],
                "cpu": 512,
            }
        ]
    }

    main, beside = specs(definition(command=["d"], entryPoint=["e"]), overrides)

    assert (main.entry_point, main.command, main.environment) == (("e",), ("c",), {"A": "o", "B": "o"})
    assert (main.cpu, main.memory, main.stop_timeout) == (512, 512, 30.0)
    assert (beside.command, beside.memory, beside.stop_timeout, beside.essential) == (None, 64, 5.0, False)


def test_a_fingerprint_is_of_what_is_asked_for_and_not_of_how() -> None:
    """The token and the order of members make no difference; everything else does."""
    asked = {"taskDefinition": "f", "count": 2, "clientToken": "a"}

    assert fingerprint(asked) == fingerprint({"clientToken": "b", "count": 2, "taskDefinition": "f"})
    assert fingerprint(asked) != fingerprint(asked | {"count": 3})
