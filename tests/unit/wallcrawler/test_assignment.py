"""The wire between the API and the guest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallcrawler.assignment import REPORTABLE, Assignment, Report, Standing
from wallcrawler.lifecycle import Event, State

texts = st.text(max_size=20)
seconds = st.floats(0, 1e10)
assignments = st.builds(
    Assignment,
    session_id=texts,
    project_id=texts,
    viewport=st.tuples(st.integers(1, 7680), st.integers(1, 7680)),
    keep_alive=st.booleans(),
    expires_at=seconds,
    connect_within=seconds,
    linger=seconds,
    verify_keys=st.dictionaries(texts, texts, max_size=3),
    ignore_certificate_errors=st.booleans(),
)


@given(assignment=assignments)
def test_an_assignment_survives_the_wire(assignment: Assignment) -> None:
    """Through JSON, in camel case."""
    wire = json.loads(json.dumps(assignment.as_wire()))

    assert Assignment.from_wire(wire) == assignment
    assert all("_" not in name for name in wire)


@given(assignment=assignments)
def test_a_newer_api_and_an_older_guest_understand_each_other(assignment: Assignment) -> None:
    """What is unknown is ignored, and what is optional may be missing."""
    wire = assignment.as_wire() | {"mood": "good"}
    del wire["ignoreCertificateErrors"]

    assert Assignment.from_wire(wire).ignore_certificate_errors is False


@pytest.mark.parametrize("missing", ["sessionId", "viewport", "keepAlive", "expiresAt", "verifyKeys"])
def test_an_assignment_that_leaves_something_out_is_refused(missing: str) -> None:
    """A guest must not make up when its session ends, or who may come in."""
    wire = Assignment("s", "p", (1, 1), False, 1.0, 1.0, 1.0).as_wire()
    del wire[missing]

    with pytest.raises(KeyError, match=missing):
        Assignment.from_wire(wire)


@given(
    event=st.sampled_from(sorted(REPORTABLE)),
    reason=st.none() | texts,
    detail=st.none() | st.text(min_size=1),
    proxy_bytes=st.integers(0, 1 << 40),
)
def test_a_report_survives_the_wire(event: Event, reason: str | None, detail: str | None, proxy_bytes: int) -> None:
    """With what there is of reason and detail, and no nulls."""
    report = Report(event, reason, detail, proxy_bytes)

    assert Report.from_wire(json.loads(json.dumps(report.as_wire()))) == report
    assert None not in report.as_wire().values()


@pytest.mark.parametrize("event", [*sorted(set(Event) - REPORTABLE), "DANCED", "", None, 7, ["READY"], {}])
def test_a_guest_reports_what_it_can_see_and_nothing_else(event: Any) -> None:
    """It can't locate itself, release itself, or speak for its task; and what is no event breaks nothing."""
    with pytest.raises(ValueError, match="event must be one of"):
        Report.from_wire({"event": event})


@pytest.mark.parametrize("field", ["reason", "detail"])
@pytest.mark.parametrize("value", [7, ["released"], {}, True])
def test_a_report_of_another_type_is_refused(field: str, value: Any) -> None:
    """And the refusal names the field."""
    with pytest.raises(ValueError, match=f"{field} must be a string"):
        Report.from_wire({"event": "DRAINED", field: value})


@pytest.mark.parametrize("value", [-1, 1.5, "7", None, 1 << 70])
def test_a_count_of_bytes_is_a_whole_number(value: Any) -> None:
    """Of which a project is billed."""
    with pytest.raises(ValueError, match="proxyBytes must be an integer"):
        Report.from_wire({"event": "DRAINED", "proxyBytes": value})


def test_a_long_detail_is_cut() -> None:
    """The history is for people; a guest can't fill it."""
    assert Report.from_wire({"event": "CRASHED", "detail": "x" * 10_000}).detail == "x" * 500


@pytest.mark.parametrize("state", list(State))
def test_a_standing_survives_the_wire(state: State) -> None:
    """In every state, with and without a reason."""
    for standing in (Standing(state), Standing(state, "task_stopped:137")):
        assert Standing.from_wire(json.loads(json.dumps(standing.as_wire()))) == standing
