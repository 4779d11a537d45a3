"""The life of a session, as one table.

`TRANSITIONS` is the only home of the state machine. A pair of state and event that is not in it is *stale*: task
feeds repeat and reorder, so a stale event is ordinary and changes nothing. The diagram in the docs is printed from it.

Nothing here reads a clock, a store or a setting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a session is. `sdk_status` says what clients of the API see of it."""

    CREATING = "CREATING"
    PROVISIONING = "PROVISIONING"
    READY = "READY"
    ACTIVE = "ACTIVE"
    TERMINATING = "TERMINATING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"


class Event(StrEnum):
    """What can happen to a session."""

    LAUNCHED = "LAUNCHED"  # the fleet has a task for it
    LOCATED = "LOCATED"  # the task's address is known
    BROWSER_UP = "BROWSER_UP"  # the guest had a real CDP answer from Chrome
    ATTACHED = "ATTACHED"  # the first client is connected
    DETACHED = "DETACHED"  # the last client is gone
    WATCHED = "WATCHED"  # somebody looks at it, and no client has come yet
    RELEASED = "RELEASED"  # somebody asked for its end
    EXPIRED = "EXPIRED"  # a deadline of the row has passed
    ABANDONED = "ABANDONED"  # nobody is connected: none ever came, or the last one left
    LAUNCH_FAILED = "LAUNCH_FAILED"  # the fleet could not start a task
    CRASHED = "CRASHED"  # Chrome died by itself
    DRAINED = "DRAINED"  # the guest has ended Chrome and put everything away
    EXITED = "EXITED"  # the task is gone


class Reason(StrEnum):
    """Why a session ended. The same word stands in the record, the event, the log line and the close frame."""

    RELEASED = "released"
    DISCONNECTED = "disconnected"
    TIMED_OUT = "timed_out"
    NEVER_CONNECTED = "never_connected"
    BROWSER_CRASHED = "browser_crashed"
    OUT_OF_MEMORY = "out_of_memory"
    TASK_STOPPED = "task_stopped"
    LAUNCH_FAILED = "launch_failed"
    CREATE_DEADLINE = "create_deadline"
    CONTEXT_FAILED = "context_failed"

    @classmethod
    def of(cls, ended_reason: str) -> Reason:
        """The word of an `endedReason`, which may carry a detail: `task_stopped:137` -> TASK_STOPPED.

        Raises ValueError for a word that is not in the list.
        """
        return cls(ended_reason.partition(":")[0])

    def because(self, detail: str) -> str:
        """This word with a detail: `launch_failed:no chromium`."""
        return f"{self}:{detail}"


#: The target of every event that ends a session: the state that its reason names in FINAL.
SETTLED: Final = "SETTLED"

#: Where a session rests, by the word of its reason.
FINAL: Final[Mapping[Reason, State]] = {
    Reason.RELEASED: State.STOPPED,
    Reason.DISCONNECTED: State.STOPPED,
    Reason.NEVER_CONNECTED: State.STOPPED,
    Reason.TIMED_OUT: State.TIMED_OUT,
    Reason.BROWSER_CRASHED: State.FAILED,
    Reason.OUT_OF_MEMORY: State.FAILED,
    Reason.TASK_STOPPED: State.FAILED,
    Reason.LAUNCH_FAILED: State.FAILED,
    Reason.CREATE_DEADLINE: State.FAILED,
    Reason.CONTEXT_FAILED: State.FAILED,
}

#: The WebSocket close code that tells a client why, in the range that RFC 6455 leaves to applications.
CLOSE_CODES: Final[Mapping[Reason, int]] = {
    Reason.RELEASED: 4000,
    Reason.DISCONNECTED: 4001,
    Reason.TIMED_OUT: 4002,
    Reason.NEVER_CONNECTED: 4003,
    Reason.BROWSER_CRASHED: 4010,
    Reason.OUT_OF_MEMORY: 4011,
    Reason.TASK_STOPPED: 4012,
    Reason.LAUNCH_FAILED: 4013,
    Reason.CREATE_DEADLINE: 4014,
    Reason.CONTEXT_FAILED: 4015,
}

_ENDINGS: Final[Mapping[Event, State | str]] = {
    Event.RELEASED: State.TERMINATING,
    Event.EXPIRED: State.TERMINATING,
    Event.CRASHED: SETTLED,
    Event.DRAINED: SETTLED,
    Event.EXITED: SETTLED,
}

TRANSITIONS: Final[Mapping[State, Mapping[Event, State | str]]] = {
    State.CREATING: {
        Event.LAUNCHED: State.PROVISIONING,
        # Either half of READY may overtake the record of the launch.
        Event.LOCATED: State.READY,
        Event.BROWSER_UP: State.READY,
        Event.LAUNCH_FAILED: SETTLED,
        **_ENDINGS,
    },
    State.PROVISIONING: {
        Event.LAUNCHED: State.PROVISIONING,
        Event.LOCATED: State.READY,
        Event.BROWSER_UP: State.READY,
        Event.LAUNCH_FAILED: SETTLED,
        **_ENDINGS,
    },
    State.READY: {
        Event.LAUNCHED: State.READY,
        Event.ATTACHED: State.ACTIVE,
        Event.WATCHED: State.READY,
        Event.ABANDONED: State.TERMINATING,
        **_ENDINGS,
    },
    State.ACTIVE: {
        Event.LAUNCHED: State.ACTIVE,
        Event.DETACHED: State.READY,
        **_ENDINGS,
    },
    State.TERMINATING: {
        # Kept so that a task which was recorded late can still be stopped by name.
        Event.LAUNCHED: State.TERMINATING,
        Event.LAUNCH_FAILED: SETTLED,
        Event.CRASHED: SETTLED,
        Event.DRAINED: SETTLED,
        Event.EXITED: SETTLED,
    },
    State.STOPPED: {},
    State.FAILED: {},
    State.TIMED_OUT: {},
}

#: Facts without which a state is not entered: the session waits in the state beside them and keeps what it learnt.
REQUIRES: Final[Mapping[State, tuple[frozenset[str], State]]] = {
    State.READY: (frozenset({"address", "browser_up_at"}), State.PROVISIONING),
}

#: The reason of an ending whose event brought none.
DEFAULT_REASONS: Final[Mapping[Event, str]] = {
    Event.RELEASED: Reason.RELEASED,
    Event.EXPIRED: Reason.TIMED_OUT,
    Event.ABANDONED: Reason.DISCONNECTED,
    Event.LAUNCH_FAILED: Reason.LAUNCH_FAILED,
    Event.CRASHED: Reason.BROWSER_CRASHED,
    Event.DRAINED: Reason.DISCONNECTED,
    Event.EXITED: Reason.TASK_STOPPED,
}

#: A browser may be running, or about to.
LIVE: Final = frozenset({State.CREATING, State.PROVISIONING, State.READY, State.ACTIVE, State.TERMINATING})
#: Nothing changes any more.
OVER: Final = frozenset(State) - LIVE
#: Clients may connect.
CONNECTABLE: Final = frozenset({State.READY, State.ACTIVE})
#: The browser is still on its way.
STARTING: Final = frozenset({State.CREATING, State.PROVISIONING})

_SDK_STATUS: Final[Mapping[State, str]] = {
    State.CREATING: "PENDING",
    State.PROVISIONING: "PENDING",
    State.READY: "RUNNING",
    State.ACTIVE: "RUNNING",
    State.TERMINATING: "RUNNING",
    State.STOPPED: "COMPLETED",
    State.FAILED: "ERROR",
    State.TIMED_OUT: "TIMED_OUT",
}


def advance(state: State, event: Event, *, known: Collection[str], ended_reason: str | None = None) -> State | None:
    """The state after `event`, or None where the event is stale.

    `known` names the facts that the record holds, those which the event brings included. `ended_reason` is the record's
    reason, or the event's; it decides where an ending rests.
    """
    target = TRANSITIONS[state].get(event)
    if target is None:
        return None
    if target == SETTLED:
        return FINAL[Reason.of(ended_reason or DEFAULT_REASONS[event])]
    arrived = State(target)
    if arrived in REQUIRES and state not in CONNECTABLE:
        needed, meanwhile = REQUIRES[arrived]
        return arrived if needed <= set(known) else meanwhile
    return arrived


def sdk_status(state: State) -> str:
    """What Browserbase's clients call this state: PENDING, RUNNING, COMPLETED, ERROR or TIMED_OUT."""
    return _SDK_STATUS[state]


def states_of(status: str) -> list[State]:
    """The states behind a status of the SDKs; empty for a word that they do not have."""
    return [state for state, word in _SDK_STATUS.items() if word == status]


def close_frame(ended_reason: str) -> tuple[int, str]:
    """Code and text of the close frame for this ending; the text is at most the 123 bytes that RFC 6455 allows."""
    return CLOSE_CODES[Reason.of(ended_reason)], ended_reason.encode()[:123].decode(errors="ignore")


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    edges: dict[tuple[str, str], list[str]] = {}
    for source, event, target in _moves():
        edges.setdefault((source, target), []).append(event)
    lines = [f"{source} --> {target}: {', '.join(events)}" for (source, target), events in edges.items()]
    rests = [f"{state} --> [*]" for state in State if state in OVER]
    return "\n    ".join(["stateDiagram-v2", "[*] --> CREATING: created", *lines, *rests])


def _moves() -> Iterator[tuple[State, str, str]]:
    for state, moves in TRANSITIONS.items():
        for event, target in moves.items():
            if target == SETTLED:
                yield from ((state, event, final) for final in _finals(state, event))
                continue
            arrived = State(target)
            if arrived in REQUIRES and state not in CONNECTABLE:
                needed, meanwhile = REQUIRES[arrived]
                yield state, f"{event} (with {' and '.join(sorted(needed))})", arrived
                arrived = meanwhile
            if arrived is not state:
                yield state, event, arrived


def _finals(state: State, event: Event) -> list[State]:
    """Where an ending may rest; what is leaving already carries its reason, so anywhere."""
    if state is State.TERMINATING or event is Event.DRAINED:
        return sorted(set(FINAL.values()))
    return [FINAL[Reason.of(DEFAULT_REASONS[event])]]
