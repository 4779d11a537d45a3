"""The command line: `wallcrawler up | doctor | keys | projects | sessions`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.api.answers import timestamp
from wallcrawler import lifecycle
from wallcrawler import log as logs
from wallcrawler.catalog import Catalog
from wallcrawler.clock import SystemClock
from wallcrawler.errors import NotFound, SettingsError, WallcrawlerError
from wallcrawler.lifecycle import Event, Reason, State
from wallcrawler.local.tables import DATABASE, SqliteTables
from wallcrawler.project import ApiKey, Project, key_hash
from wallcrawler.sessions import Sessions
from wallcrawler.settings import Settings

cli = typer.Typer(
    help="Wallcrawler: a Chromium for every caller.",
    no_args_is_help=True,
    add_completion=False,
    # Local variables may be secrets.
    pretty_exceptions_enable=False,
)
keys_cli = typer.Typer(help="API keys of this machine's projects.", no_args_is_help=True)
projects_cli = typer.Typer(help="Projects of this machine, and their limits.", no_args_is_help=True)
sessions_cli = typer.Typer(help="Sessions of this machine.", no_args_is_help=True)
cli.add_typer(keys_cli, name="keys")
cli.add_typer(projects_cli, name="projects")
cli.add_typer(sessions_cli, name="sessions")

#: Into a pipe, lines are as long as they are: an id that is cut short helps nobody.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)


@cli.command()
def up(
    proof: Annotated[bool, typer.Option(help="Create, drive and release one real session first.")] = True,
    serve: Annotated[bool, typer.Option(help="Keep serving; otherwise stop after the proof.")] = True,
) -> None:
    """Start everything on this machine, prove that it works, and serve until Ctrl-C."""
    with _all_of_it():
        from services.up import run_up  # noqa: PLC0415 - a service's own image holds no other service
    run_up(out, proof=proof, serve=serve)


@cli.command()
def doctor() -> None:
    """Say what is missing on this machine, and how to get it."""
    with _all_of_it():
        from services.doctor import report  # noqa: PLC0415
    if not report(out):
        raise typer.Exit(1)


@contextmanager
def _all_of_it() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as missing:
        raise SettingsError(
            f"this is for one machine with all of Wallcrawler on it, and {missing.name} is not"
        ) from None


@contextmanager
def _records() -> Iterator[tuple[Sessions, Catalog]]:
    """The records of this machine's instance, whether it runs or not; elsewhere those of the deployment."""
    settings = Settings.load()
    logs.configure(service="cli", fmt=settings.log_format, level="WARNING")
    if settings.mode != "embedded":
        from wallcrawler.wiring.deployed import deployed  # noqa: PLC0415 - boto3, which one machine does without

        ports = deployed(settings, "cli")
        yield ports.sessions, ports.catalog
        ports.close()
        return
    database = settings.home_dir / DATABASE
    if not database.exists():
        raise SettingsError(f"WALLCRAWLER_HOME: nothing has been started in {settings.home_dir} yet; run `make up`")
    tables, clock = SqliteTables(database), SystemClock()
    try:
        yield Sessions(tables, clock), Catalog(tables, clock)
    finally:
        tables.close()


def _add_row(table: Table, *cells: str) -> None:
    """What people and browsers wrote is text, whatever brackets are in it."""
    table.add_row(*(escape(cell) for cell in cells))


def _project(catalog: Catalog, wanted: str | None) -> Project:
    projects = sorted(catalog.projects(), key=lambda project: project.created_at)
    for project in projects:
        if wanted in (None, project.id, project.name):
            return project
    raise NotFound(f"there is no project {wanted}" if wanted else "there is no project yet; run `make up`")


ProjectOption = Annotated[str | None, typer.Option("--project", help="Id or name; the first one if not given.")]


@projects_cli.command("list")
def list_projects() -> None:
    """Every project, with how much of its limit is in use."""
    with _records() as (_, catalog):
        projects = sorted(catalog.projects(), key=lambda project: project.created_at)
    table = Table("id", "name", "live", "concurrency", "default timeout (s)", "created", box=None)
    for project in projects:
        numbers = (str(project.active), str(project.concurrency), str(project.default_timeout))
        _add_row(table, project.id, project.name, *numbers, timestamp(project.created_at))
    out.print(table)


@projects_cli.command("create")
def create_project(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    concurrency: Annotated[int, typer.Option(min=1, help="How many sessions it may have at once.")] = 10,
) -> None:
    """Make a project and print its id; `keys create --project` makes its keys."""
    timeout = Settings.load().default_timeout
    with _records() as (_, catalog):
        project = catalog.add_project(name, concurrency=concurrency, default_timeout=timeout)
    out.print(project.id, markup=False)


@projects_cli.command("set")
def set_project(
    concurrency: Annotated[int, typer.Option(min=1, help="How many sessions it may have at once.")],
    project: ProjectOption = None,
) -> None:
    """Change a project's limit. What runs already goes on."""
    with _records() as (_, catalog):
        changed = catalog.set_concurrency(_project(catalog, project).id, concurrency)
    out.print(f"{changed.id} may have {changed.concurrency} sessions at once", markup=False)


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
        _add_row(table, key.hash[:12], key.hint + "\u2026", key.name, timestamp(key.created_at), revoked)
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
    if status and not lifecycle.states_of(status):
        known = ", ".join(dict.fromkeys(map(lifecycle.sdk_status, State)))
        raise typer.BadParameter(f"{status} is none of {known}", param_hint="--status")
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
            _add_row(table, session.id, session.state, timestamp(session.created_at), ended, session.ended_reason or "")
            shown += 1
    out.print(table)


@sessions_cli.command("show")
def show_session(session_id: str) -> None:
    """One session and everything that happened to it."""
    with _records() as (sessions, _):
        session, history = sessions.get(session_id), sessions.history(session_id)
    out.print(f"{session.id} {session.state} {session.ended_reason or ''}", markup=False)
    table = Table("at", "event", "to", "reason", "detail", box=None)
    for entry in history:
        _add_row(table, timestamp(entry.at), entry.event, entry.after, entry.reason or "", entry.detail or "")
    out.print(table)


@sessions_cli.command("release")
def release_session(session_id: str) -> None:
    """Ask for a session's end. The running instance sees to it within a few seconds."""
    with _records() as (sessions, _):
        session = sessions.advance(session_id, Event.RELEASED, reason=Reason.RELEASED, detail="from the command line")
    out.print(f"{session.id} is {session.state} ({session.ended_reason})", markup=False)


def main() -> None:
    """The console script: every failure of ours is one clear line and exit status 1."""
    try:
        cli()
    except WallcrawlerError as wrong:
        _fail(str(wrong))


def _fail(text: str) -> None:
    with suppress(BrokenPipeError):
        sys.stderr.write(f"wallcrawler: {text}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
