"""Tables where somebody else is faster."""

from __future__ import annotations

from collections.abc import Callable

from wallcrawler.ports import Index, Item, Page, Table, Tables, Write

#: What the rival does.
Act = Callable[[], object]


class BeatenOnce:
    """Tables where somebody else is faster, just before the first write."""

    def __init__(self, tables: Tables, rival: Act) -> None:
        self._tables = tables
        self._rival: Act | None = rival
        #: How often a write was tried through this door.
        self.writes = 0

    def take_turn(self) -> None:
        """The rival's, if it was not had yet."""
        if self._rival is not None:
            rival, self._rival = self._rival, None
            rival()

    def write(self, *writes: Write) -> None:
        self.writes += 1
        self.take_turn()
        self._tables.write(*writes)

    def get(self, table: Table, key: str, sort: str | int | None = None) -> Item | None:
        return self._tables.get(table, key, sort)

    def query(
        self,
        table: Table,
        value: str,
        *,
        index: Index | None = None,
        up_to: float | None = None,
        newest_first: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        return self._tables.query(
            table, value, index=index, up_to=up_to, newest_first=newest_first, limit=limit, cursor=cursor
        )

    def scan(self, table: Table, *, limit: int = 100, cursor: str | None = None) -> Page:
        return self._tables.scan(table, limit=limit, cursor=cursor)

    def ping(self) -> None:
        self._tables.ping()


class AlwaysBeaten(BeatenOnce):
    """Tables where somebody else is faster, every time."""

    def __init__(self, tables: Tables, rival: Act) -> None:
        super().__init__(tables, rival)
        self._again = rival

    def write(self, *writes: Write) -> None:
        self._rival = self._again
        super().write(*writes)
