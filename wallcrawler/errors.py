"""What can go wrong between the parts, in the caller's words. Adapters translate their library's errors into these."""

from __future__ import annotations


class WallcrawlerError(Exception):
    """The root of all of ours. Texts may reach users: they name what to do and hold no secret."""


class NotFound(WallcrawlerError):
    """No such thing, or not for this project: the two look the same from outside."""


class Conflict(WallcrawlerError):
    """A conditional write found something else than it expected. `index` is the place of the write in its call."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(what)
        self.index = index


class TryLater(WallcrawlerError):
    """Nothing is wrong with the request; `after` seconds from now it may go through."""

    def __init__(self, what: str, *, after: float) -> None:
        super().__init__(what)
        self.after = after


class LaunchFailed(WallcrawlerError):
    """The fleet will not start this task, and trying again would not help. The text is the reason."""


class ConcurrencyReached(WallcrawlerError):
    """The project runs as many sessions as it may."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} sessions run, and the project's limit is {limit}")
        self.limit = limit


class SettingsError(WallcrawlerError):
    """A setting is wrong or missing; the text names it and says what it takes."""
