from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.gateway.grounds import Ground, PuppetGuest, RunningGateway


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    ground = Ground(tmp_path_factory.mktemp("ground"))
    yield ground
    ground.close()


@pytest.fixture(scope="module")
def gateway(ground: Ground) -> Iterator[RunningGateway]:
    """One for all tests of a module that do nothing to it."""
    with ground.gateway() as gateway:
        yield gateway


@pytest.fixture
def guest() -> Iterator[PuppetGuest]:
    guest = PuppetGuest()
    yield guest
    guest.die()
