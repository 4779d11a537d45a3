"""Where a chromedriver listens that does not say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.webdriver.driver import listening

#: Of a kernel: another process listens at 8080; a client is connected to ours, 34567, and ours listens.
ROWS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 4001 1 0 100 0 0 10 0
   1: 0100007F:8707 0100007F:C350 01 00000000:00000000 00:00000000 00000000 10001        0 4002 1 0 20 4 30 10 -1
   2: 0100007F:8707 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 4003 1 0 100 0 0 10 0
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A machine where process 7 has two sockets and a file."""
    (tmp_path / "7/fd").mkdir(parents=True)
    (tmp_path / "7/net").mkdir()
    (tmp_path / "7/net/tcp").write_text(ROWS)
    for number, leads_to in enumerate(("/dev/null", "socket:[4002]", "socket:[4003]")):
        (tmp_path / f"7/fd/{number}").symlink_to(leads_to)
    return tmp_path


def test_the_port_is_read_from_the_machine(proc: Path) -> None:
    """Of the process' own socket that listens: not of others', nor of one that is connected."""
    assert listening(7, proc) == 34567


def test_a_process_that_listens_nowhere_is_an_error(proc: Path) -> None:
    """An OSError, as for one that has ended."""
    (proc / "7/fd/2").unlink()

    with pytest.raises(OSError, match="listens nowhere"):
        listening(7, proc)
