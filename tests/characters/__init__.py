"""The doubles of our tests: each keeps its port's promises, but for the one thing that it is named for.

Nobody here sleeps, opens a socket or starts a process.
"""

from __future__ import annotations

from tests.characters.bells import BellAway, NoticeBoard, StoryBell
from tests.characters.clocks import HandClock
from tests.characters.fleets import (
    BusyFleet,
    Died,
    DiesBetweenRunAndRecord,
    NeverReadyFleet,
    PaperFleet,
    RefusesToLaunch,
    SlowToLaunch,
)
from tests.characters.queues import Broker, JobList, QueueAway, RunsTwice
from tests.characters.rivals import AlwaysBeaten, BeatenOnce
from tests.characters.sources import Feed, LosesFirstEvent, RepeatsAndReorders, SourceAway

__all__ = [
    "AlwaysBeaten",
    "BeatenOnce",
    "BellAway",
    "Broker",
    "BusyFleet",
    "Died",
    "DiesBetweenRunAndRecord",
    "Feed",
    "HandClock",
    "JobList",
    "LosesFirstEvent",
    "NeverReadyFleet",
    "NoticeBoard",
    "PaperFleet",
    "QueueAway",
    "RefusesToLaunch",
    "RepeatsAndReorders",
    "RunsTwice",
    "SlowToLaunch",
    "SourceAway",
    "StoryBell",
]
