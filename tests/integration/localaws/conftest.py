from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.localaws.emulator import Emulator, ministack
from tests.integration.localaws.stand import Stand, standing


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: needs a Docker engine")


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """SQS and DynamoDB Streams."""
    with ministack(tmp_path_factory.mktemp("ministack")) as emulator:
        yield emulator


@pytest.fixture
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A localaws of the test's own, whose events are for nobody."""
    with standing(tmp_path_factory.mktemp("localaws")) as stand:
        yield stand


@pytest.fixture
def telling(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A localaws of the test's own, whose events go to a queue."""
    with standing(tmp_path_factory.mktemp("localaws"), emulator=emulator) as stand:
        yield stand
