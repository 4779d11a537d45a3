from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.eventually import eventually
from tests.integration.aws.deployment import Deployment, deployed
from tests.integration.localaws.emulator import ministack
from tests.platform import need_chrome


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    need_chrome()
    folder = tmp_path_factory.mktemp("aws")
    with ministack(folder) as emulator, deployed(folder, emulator) as deployment:
        yield deployment


@pytest.fixture
def deployment(everything: Deployment) -> Iterator[Deployment]:
    """It; after each test nothing lives, nothing runs, and every queue is empty."""
    yield everything
    for session in everything.http.get("/v1/sessions").json():
        if session["status"] in {"PENDING", "RUNNING"}:
            everything.release(session["id"])
    eventually(everything.settled, within=60)
