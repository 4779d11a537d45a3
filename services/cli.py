"""The command line: `wallcrawler up | doctor | keys | sessions`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services import doctor as doctors
from services.api.answers import timestamp
from services.embedded import Access, Embedded
from services.proof import ProofFailed, Step, prove
from wallcrawler import lifecycle
from wallcrawler import log as logs
from wallcrawler.catalog import Catalog
from wallcrawler.clock import SystemClock
from wallcrawler.errors import NotFound, SettingsError, WallcrawlerError
from wallcrawler.lifecycle import Event, Reason
from wallcrawler.local.home import Home
from wallcrawler.local.tables import SqliteTables
from wallcrawler.project import ApiKey, Project, key_hash
from wallcrawler.sessions import Sessions
from wallcrawler.settings import Settings

cli = typer.Typer(help="Wallcrawler: a Chromium for every caller.", no_args_is_help=True, add_completion=False)
keys_cli = typer.Typer(help="API keys of this machine's projects.", no_args_is_help=True)
sessions_cli = typer.Typer(help="Sessions of this machine.", no_args_is_help=True)
cli.add_typer(keys_cli, name="keys")
cli.add_typer(sessions_cli, name="sessions")

#: Into a pipe, lines are as long as they are: an id that is cut short helps nobody.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)

#: Characters of the longest bar of the waterfall.
BAR = 40

SNIPPET = """\
# pip install browserbase playwright
from browserbase import Browserbase
from playwright.sync_api import sync_playwright

bb = Browserbase(base_url="{url}", api_key="{api_key}")
session = bb.sessions.create()
with sync_playwright() as playwright:
    browser = playwright.chromium.connect_over_cdp(session.connect_url)
    page = browser.contexts[0].pages[0]
    page.goto("data:text/html,<h1>Hello from Wallcrawler</h1>")
    print(page.inner_text("h1"), "in session", session.id)
    browser.close()
"""


@cli.command()
def up(
    proof: Annotated[bool, typer.Option(help="Create, drive and release one real session first.")] = True,
    serve: Annotated[bool, typer.Option(help="Keep serving; otherwise stop after the proof.")] = True,
) -> None:
    """Start everything on this machine, prove that it works, and serve until Ctrl-C."""
    settings = Settings.load()
    logs.configure(service="embedded", fmt=settings.log_format, level=settings.log_level)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    for finding in doctors.examine(settings):
        if finding.needed and not finding.ok:
            raise SettingsError(f"{finding.name}: {finding.found}. {finding.remedy}")
    instance = Embedded(settings)
    access = instance.start()
    try:
        out.print(f"[bold]Wallcrawler[/] listens on [bold]{access.url}[/]  (project {access.project.id})")
        if proof:
            _waterfall(prove(access.url, access.api_key))
        _welcome(access, instance)
        if serve:
            # In slices, because a signal handler only runs between two of them on some platforms.
            while not stopping.wait(3600):
                pass
    finally:
        out.print("stopping: sessions are being ended")
        instance.stop()
        out.print("stopped")


def _waterfall(steps: list[Step]) -> None:
    whole = max(step.began + step.seconds for step in steps)
    table = Table("one real session", "ms", "", box=None, header_style="bold")
    table.columns[1].justify = "right"
    for step in steps:
        indent = " " * round(step.began / whole * BAR)
        bar = "\u2588" * max(1, round(step.seconds / whole * BAR))
        table.add_row(step.name, f"{step.seconds * 1000:.0f}", indent + bar)
    table.add_row("all of it", f"{whole * 1000:.0f}", "")
    out.print(table)


def _welcome(access: Access, instance: Embedded) -> None:
    out.print(f"\nState is kept in {instance.settings.home_dir}. Try it:\n")
    # To the terminal and nowhere else: it holds the key.
    out.print(SNIPPET.format(url=access.url, api_key=access.api_key), markup=False)
    out.print("Serving. Ctrl-C ends every session and stops.", style="dim")


@cli.command()
def doctor() -> None:
    """Say what is missing on this machine, and how to get it."""
    missing = False
    for finding in doctors.examine(Settings.load()):
        mark = "[green]ok     [/]" if finding.ok else "[red]missing[/]" if finding.needed else "[yellow]note   [/]"
        out.print(f"{mark} {finding.name}: {finding.found}")
        if not finding.ok:
            out.print(f"        {finding.remedy}", markup=False)
        missing = missing or (finding.needed and not finding.ok)
    if missing:
        raise typer.Exit(1)


@contextmanager
def _records() -> Iterator[tuple[Sessions, Catalog]]:
    """The records of this machine's instance, whether it runs or not."""
    settings = Settings.load()
    logs.configure(service="cli", fmt=settings.log_format, level="WARNING")
    home = Home(settings.home_dir)
    if not home.database.exists():
        raise SettingsError(f"WALLCRAWLER_HOME: nothing has been started in {home.path} yet; run `make up`")
    tables, clock = SqliteTables(home.database), SystemClock()
    try:
        yield Sessions(tables, clock), Catalog(tables, clock)
    finally:
        tables.close()


def _project(catalog: Catalog, wanted: str | None) -> Project:
    projects = sorted(catalog.projects(), key=lambda project: project.created_at)
    for project in projects:
        if wanted in (None, project.id, project.name):
            return project
    raise NotFound(f"there is no project {wanted}" if wanted else "there is no project yet; run `make up`")


ProjectOption = Annotated[str | None, typer.Option("--project", help="Id or name; the first one if not given.")]


@keys_cli.command("create")
def create_key(name: Annotated[str, typer.Argument(help="What it is for.")], project: ProjectOption = None) -> None:
    """Make a key and print it, this once."""
    with _records() as (_, catalog):
        secret, _record = catalog.add_key(_project(catalog, project).id, name=name)
    out.print(secret, markup=False)


@keys_cli.command("list")
def list_keys(project: ProjectOption = None) -> None:
    """Every key, without the keys."""
    with _records() as (_, catalog):
        keys = list(catalog.keys_of(_project(catalog, project).id))
    table = Table("id", "begins with", "name", "created", "revoked", box=None)
    for key in keys:
        revoked = timestamp(key.revoked_at) if key.revoked_at else ""
        table.add_row(key.hash[:12], key.hint + "\u2026", key.name, timestamp(key.created_at), revoked)
    out.print(table)


@keys_cli.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Its id or beginning, as `keys list` shows them, or the key itself.")],
) -> None:
    """From now on the key opens nothing."""
    with _records() as (_, catalog):
        found = [known for known in catalog.api_keys() if _named(known, key)]
        if len(found) != 1:
            raise NotFound(f"{len(found)} keys match; `wallcrawler keys list` shows their ids")
        catalog.revoke(found[0])
    out.print(f"revoked {found[0].hash[:12]} ({found[0].name})", markup=False)


def _named(known: ApiKey, wanted: str) -> bool:
    by_id = len(wanted) >= 6 and known.hash.startswith(wanted)
    return by_id or wanted == known.hint or key_hash(wanted) == known.hash


@sessions_cli.command("list")
def list_sessions(
    project: ProjectOption = None,
    status: Annotated[str | None, typer.Option(help="PENDING, RUNNING, COMPLETED, ERROR or TIMED_OUT.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
) -> None:
    """The newest sessions."""
    table = Table("id", "state", "created", "ended", "reason", box=None)
    with _records() as (sessions, catalog):
        shown = 0
        for session in sessions.of_project(_project(catalog, project).id):
            if status and lifecycle.sdk_status(session.state) != status:
                continue
            if shown == limit:
                out.print(f"(the newest {limit}; --limit shows more)", style="dim")
                break
            ended = timestamp(session.ended_at) if session.ended_at else ""
            table.add_row(session.id, session.state, timestamp(session.created_at), ended, session.ended_reason or "")
            shown += 1
    out.print(table)


@sessions_cli.command("show")
def show_session(session_id: str) -> None:
    """One session and everything that happened to it."""
    with _records() as (sessions, _):
        session, history = sessions.get(session_id), sessions.history(session_id)
    out.print(f"[bold]{session.id}[/] {session.state} {session.ended_reason or ''}")
    table = Table("at", "event", "to", "reason", "detail", box=None)
    for entry in history:
        table.add_row(timestamp(entry.at), entry.event, entry.after, entry.reason or "", entry.detail or "")
    out.print(table)


@sessions_cli.command("release")
def release_session(session_id: str) -> None:
    """Ask for a session's end. The running instance sees to it within a few seconds."""
    with _records() as (sessions, _):
        session = sessions.advance(session_id, Event.RELEASED, reason=Reason.RELEASED, detail="from the command line")
    out.print(f"{session.id} is {session.state} ({session.ended_reason})")


def main() -> None:
    """The console script: every failure of ours is one clear line and exit status 1."""
    try:
        cli()
    except ProofFailed as failed:
        _fail(f"the proof failed: {failed}")
    except WallcrawlerError as wrong:
        _fail(str(wrong))


def _fail(text: str) -> None:
    with suppress(BrokenPipeError):
        sys.stderr.write(f"wallcrawler: {text}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
