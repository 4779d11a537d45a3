"""`wallcrawler up`: start everything on this machine, prove that it works, and serve until told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from services import doctor
from services.embedded import Access, Embedded
from services.proof import Step, prove
from wallcrawler import log as logs
from wallcrawler import trace
from wallcrawler.errors import SettingsError
from wallcrawler.settings import Settings

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


def run_up(out: Console, *, proof: bool, serve: bool) -> None:
    """Raises SettingsError for what is wrong or missing, and ProofFailed."""
    settings = Settings.load()
    logs.configure(service="embedded", fmt=settings.log_format, level=settings.log_level)
    # Until it serves, a signal ends whatever is being done; from then on it is waited for.
    _on_signals(_interrupt)
    for finding in doctor.examine(settings):
        if finding.needed and not finding.ok:
            raise SettingsError(f"{finding.name}: {finding.found}. {finding.remedy}")
    trace.configure(service="embedded", endpoint=settings.otlp_endpoint)
    stopping = threading.Event()
    instance = Embedded(settings)
    try:
        access = instance.start()
    except KeyboardInterrupt:
        out.print("interrupted")
        return
    try:
        out.print(f"[bold]Wallcrawler[/] listens on [bold]{access.url}[/]  (project {access.project.id})")
        if proof:
            _waterfall(out, prove(access.url, access.api_key))
        _on_signals(lambda *_: stopping.set())
        _welcome(out, access, instance)
        if serve:
            out.print("Serving. Ctrl-C ends every session and stops.", style="dim")
            # In slices, because a signal handler only runs between two of them on some platforms.
            while not stopping.wait(3600):
                pass
    except KeyboardInterrupt:
        out.print("interrupted")
    finally:
        # A second Ctrl-C does not hurry what must not be left half done.
        _on_signals(lambda *_: stopping.set())
        out.print("stopping: sessions are being ended")
        instance.stop()
        trace.shut_down()
        out.print("stopped")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _on_signals(act: Callable[..., None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, act)


def _waterfall(out: Console, steps: list[Step]) -> None:
    whole = max(step.began + step.seconds for step in steps)
    table = Table("one real session", "ms", "", box=None, header_style="bold")
    table.columns[1].justify = "right"
    for step in steps:
        indent = " " * round(step.began / whole * BAR)
        bar = "\u2588" * max(1, round(step.seconds / whole * BAR))
        table.add_row(step.name, f"{step.seconds * 1000:.0f}", indent + bar)
    table.add_row("all of it", f"{whole * 1000:.0f}", "")
    out.print(table)


def _welcome(out: Console, access: Access, instance: Embedded) -> None:
    out.print(f"\nState is kept in {instance.settings.home_dir}. Try it:\n")
    # To the terminal and nowhere else: it holds the key.
    out.print(SNIPPET.format(url=access.url, api_key=access.api_key), markup=False)
