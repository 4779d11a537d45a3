"""What `docker compose down` leaves: nothing."""

from __future__ import annotations

import pytest

from tests.compose.stack import need_docker, running

pytestmark = pytest.mark.docker


def test_down_removes_every_browser() -> None:
    """`docker compose down -v` with a session that lives: no container, no network and no volume is left."""
    need_docker()
    with running() as stack:
        stack.create(keepAlive=True)
        (container,) = stack.browsers()
    left = stack.docker("ps", "-a", "--format", "{{.Names}}")

    assert container not in left
    assert stack.name not in left
    assert stack.name not in stack.docker("network", "ls", "--format", "{{.Name}}")
    assert stack.name not in stack.docker("volume", "ls", "--format", "{{.Name}}")
