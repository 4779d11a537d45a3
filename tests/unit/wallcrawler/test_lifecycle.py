"""The table of the lifecycle, pair by pair, and what is printed and said from it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallcrawler import lifecycle
from wallcrawler.lifecycle import CLOSE_CODES, FINAL, LIVE, OVER, Event, Reason, State
from wallcrawler.wire.frames import close

ALL_FACTS = frozenset({"task", "address", "browser_up_at"})

#: Where a session is after each event, `-` where the event is stale: every fact known, no reason given.
MATRIX = """
              CREATING     PROVISIONING READY        ACTIVE       TERMINATING STOPPED FAILED TIMED_OUT
LAUNCHED      PROVISIONING PROVISIONING READY        ACTIVE       TERMINATING -       -      -
LOCATED       READY        READY        -            -            -           -       -      -
BROWSER_UP    READY        READY        -            -            -           -       -      -
ATTACHED      -            -            ACTIVE       -            -           -       -      -
DETACHED      -            -            -            READY        -           -       -      -
WATCHED       -            -            READY        -            -           -       -      -
RELEASED      TERMINATING  TERMINATING  TERMINATING  TERMINATING  -           -       -      -
EXPIRED       TERMINATING  TERMINATING  TERMINATING  TERMINATING  -           -       -      -
ABANDONED     -            -            TERMINATING  -            -           -       -      -
LAUNCH_FAILED FAILED       FAILED       -            -            FAILED      -       -      -
CRASHED       FAILED       FAILED       FAILED       FAILED       FAILED      -       -      -
DRAINED       STOPPED      STOPPED      STOPPED      STOPPED      STOPPED     -       -      -
EXITED        FAILED       FAILED       FAILED       FAILED       FAILED      -       -      -
"""


def pairs() -> list[tuple[State, Event, State | None]]:
    header, *rows = [line.split() for line in MATRIX.strip().splitlines()]
    return [
        (State(state), Event(event), None if after == "-" else State(after))
        for event, *afters in rows
        for state, after in zip(header, afters, strict=True)
    ]


def test_the_matrix_of_this_test_has_every_pair() -> None:
    """No pair of state and event is left to chance."""
    assert {(state, event) for state, event, _ in pairs()} == {(state, event) for state in State for event in Event}


@pytest.mark.parametrize(("state", "event", "after"), pairs())
def test_every_pair_leads_where_the_design_says(state: State, event: Event, after: State | None) -> None:
    """With every fact known and no reason but the event's own."""
    assert lifecycle.advance(state, event, known=ALL_FACTS) is after


@pytest.mark.parametrize("known", [set(), {"task"}, {"address"}, {"browser_up_at"}, {"task", "address"}])
@pytest.mark.parametrize("event", [Event.LOCATED, Event.BROWSER_UP])
@pytest.mark.parametrize("state", [State.CREATING, State.PROVISIONING])
def test_half_of_ready_is_not_ready(state: State, event: Event, known: set[str]) -> None:
    """An address without an answer of Chrome, or an answer without an address, waits in PROVISIONING."""
    assert lifecycle.advance(state, event, known=known) is State.PROVISIONING


@pytest.mark.parametrize("event", [Event.LAUNCH_FAILED, Event.CRASHED, Event.DRAINED, Event.EXITED])
@pytest.mark.parametrize("reason", list(Reason))
def test_the_reason_decides_where_an_ending_rests(reason: Reason, event: Event) -> None:
    """Whatever event comes last, the session rests where the first reason's word belongs."""
    rests = lifecycle.advance(
        State.TERMINATING, event, known=ALL_FACTS, ended_reason=reason.because("a detail: with colons")
    )

    assert rests is FINAL[reason]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_final_state_and_a_close_code(reason: Reason) -> None:
    """A session that ends is over for everybody, and its clients are told in the range that is ours."""
    assert FINAL[reason] in OVER
    assert 4000 <= CLOSE_CODES[reason] <= 4999


def test_no_two_reasons_share_a_close_code() -> None:
    """A client that only logs the number can still tell endings apart."""
    assert len(set(CLOSE_CODES.values())) == len(CLOSE_CODES) == len(Reason)


def test_a_word_that_is_no_reason_is_refused() -> None:
    """Only the words of the list reach a record."""
    assert Reason.of("task_stopped:137") is Reason.TASK_STOPPED
    for word in ("", "bored", ":released", "Released", "released "):
        with pytest.raises(ValueError, match="is not a valid Reason"):
            Reason.of(word)


@given(reason=st.sampled_from(Reason), detail=st.text() | st.text(min_size=100, max_size=130))
def test_a_close_frame_fits_whatever_the_reason_says(reason: Reason, detail: str) -> None:
    """At most 123 bytes of UTF-8, cut between characters, and still beginning with the reason's word."""
    ended_reason = reason.because(detail)

    code, text = lifecycle.close_frame(ended_reason)

    assert code == CLOSE_CODES[reason]
    assert len(text.encode()) <= 123
    assert ended_reason.startswith(text)
    assert text.startswith(reason)
    assert close(code, text)[2:].decode("utf-8", errors="surrogateescape").endswith(text)


@pytest.mark.parametrize("character", ["x", "ß", "語", "🙂"])
def test_a_long_reason_is_cut_between_characters(character: str) -> None:
    """As many whole characters as fit: a character of n bytes costs at most n - 1 of the 123."""
    _, text = lifecycle.close_frame(Reason.LAUNCH_FAILED.because(character * 200))

    assert 123 - len(character.encode()) < len(text.encode()) <= 123
    assert set(text.removeprefix("launch_failed:")) == {character}


@pytest.mark.parametrize("event", list(Event))
def test_every_event_that_ends_a_session_has_a_reason_of_its_own(event: Event) -> None:
    """An ending whose reporter gave no reason is still explained."""
    running = LIVE - {State.TERMINATING}

    ends = any(lifecycle.advance(state, event, known=ALL_FACTS) in {*OVER, State.TERMINATING} for state in running)

    assert ends == (event in lifecycle.DEFAULT_REASONS)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.CREATING, "PENDING"),
        (State.PROVISIONING, "PENDING"),
        (State.READY, "RUNNING"),
        (State.ACTIVE, "RUNNING"),
        (State.TERMINATING, "RUNNING"),
        (State.STOPPED, "COMPLETED"),
        (State.FAILED, "ERROR"),
        (State.TIMED_OUT, "TIMED_OUT"),
    ],
)
def test_what_sdks_see_of_a_state(state: State, status: str) -> None:
    """Browserbase's five words, and back again for a list that is filtered by one."""
    assert lifecycle.sdk_status(state) == status
    assert state in lifecycle.states_of(status)
    assert lifecycle.states_of("READY") == []


# -- The diagram ------------------------------------------------------------------------------------------------------

EDGE = re.compile(r"^\s*(\S+) --> (\S+?)(?:: (.*))?$")


def edges() -> dict[tuple[str, str], str]:
    found = [match.groups(default="") for line in lifecycle.diagram().splitlines()[1:] if (match := EDGE.match(line))]
    return {(source, target): label for source, target, label in found}


def test_the_diagram_is_mermaid_and_names_every_state() -> None:
    """Every state is entered and left again, or rests."""
    assert lifecycle.diagram().startswith("stateDiagram-v2\n")
    assert len(edges()) == len(lifecycle.diagram().splitlines()) - 1
    assert {source for source, _ in edges()} - {"[*]"} == set(State)
    assert {target for _, target in edges()} - {"[*]"} == set(State)
    assert {source for source, target in edges() if target == "[*]"} == OVER


@pytest.mark.parametrize("known", [frozenset(), ALL_FACTS])
@pytest.mark.parametrize(("state", "event"), [(state, event) for state, event, _ in pairs()])
def test_the_diagram_has_every_move(state: State, event: Event, known: frozenset[str]) -> None:
    """What the table does is drawn, under the event that does it."""
    after = lifecycle.advance(state, event, known=known)

    if after is not None and after is not state:
        assert re.search(rf"\b{event}\b", edges()[(state, after)])
