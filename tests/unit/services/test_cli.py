"""The command line, where it needs no instance to answer."""

from __future__ import annotations

from typer.testing import CliRunner

from services.cli import cli


def test_a_status_that_there_is_not_is_answered_with_those_that_there_are() -> None:
    """An empty list would read as if there were no such sessions."""
    answer = CliRunner().invoke(cli, ["sessions", "list", "--status", "bogus"], env={"COLUMNS": "200"})

    assert answer.exit_code == 2
    assert "bogus is none of PENDING, RUNNING, COMPLETED, ERROR, TIMED_OUT" in answer.output
