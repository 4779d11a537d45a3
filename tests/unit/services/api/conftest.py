from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.characters import HandClock
from tests.unit.services.api.paper import PaperApi, Start, paper_ports
from wallcrawler.local.tables import SqliteTables


@pytest.fixture
def start(tmp_path: Path, tables: SqliteTables, clock: HandClock) -> Start:
    """Makes the API on paper with the settings that the test wants."""

    def start(**settings: Any) -> PaperApi:
        return PaperApi(paper_ports(tmp_path, tables, clock, **settings))

    return start


@pytest.fixture
def api(start: Start) -> PaperApi:
    return start()
