"""Print into the docs what the code declares, and check what people wrote beside it.

    python docs/print.py            print
    python docs/print.py --check    change nothing; exit 1 and name whatever is out of date

A page has printed regions, from `<!-- printed: NAME -->` to `<!-- end -->`; REGIONS says who prints which. All else is
written by hand, and held against the code where the two can part: log events, routes, endings, the variables of the
guest and of compose.yaml, names of files, and links.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from prometheus_client.metrics import MetricWrapperBase

from services.api.openapi.specification import document, operations
from services.api.unserved import UNSERVED
from services.gateway import meters
from wallcrawler import lifecycle, metrics
from wallcrawler.lifecycle import CLOSE_CODES, CONNECTABLE, FINAL, LIVE, Reason, State
from wallcrawler.settings import Settings, variable

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"
#: Folders with pages, and those whose code logs.
READ: Final = ("deploy", "docs", "examples")
LOGGING: Final = ("controller", "localaws", "services", "wallcrawler")

#: What each ending means; the reasons themselves are the lifecycle's.
MEANINGS: Final[Mapping[Reason, str]] = {
    Reason.RELEASED: "Somebody asked for the end: `REQUEST_RELEASE`, or `wallcrawler sessions release`.",
    Reason.DISCONNECTED: "The last client left a session that is not kept alive, or a client closed the browser.",
    Reason.TIMED_OUT: "The session's `timeout` has passed.",
    Reason.NEVER_CONNECTED: "The session was ready and no client connected in time.",
    Reason.BROWSER_CRASHED: "Chrome ended by itself with a failure; the history has its last words.",
    Reason.OUT_OF_MEMORY: "The kernel ended Chrome for want of memory.",
    Reason.TASK_STOPPED: "The guest's process ended, or the platform stopped; the word after the colon says how.",
    Reason.LAUNCH_FAILED: "The browser could not be started as it was asked for; the text after the colon says why.",
    Reason.CREATE_DEADLINE: "The browser was not ready in time.",
    Reason.CONTEXT_FAILED: "The context's profile could not be given to the browser; it was not started without it.",
}


# -- What is printed --------------------------------------------------------------------------------------------------


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(header)
    lines = [head, ["---"] * len(head), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def diagram() -> str:
    return f"```mermaid\n{lifecycle.diagram()}\n```"


def states() -> str:
    kinds = (CONNECTABLE, LIVE)
    rows = (
        [f"`{state}`", f"`{lifecycle.sdk_status(state)}`", *("yes" if state in those else "no" for those in kinds)]
        for state in State
    )
    return table(["state", "status that SDKs see", "clients may connect", "counts against concurrency"], rows)


def endings() -> str:
    rows = (
        [f"`{reason}`", MEANINGS[reason], f"`{lifecycle.sdk_status(FINAL[reason])}`", str(CLOSE_CODES[reason])]
        for reason in Reason
    )
    return table(["`endedReason`", "meaning", "status that SDKs see", "close code"], rows)


def settings() -> str:
    rows = ([f"`{name}`", f"`{default}`" if default else "unset", takes, does] for name, default, takes, does in _set())
    return table(["variable", "default", "takes", "what it does"], rows)


def env_example() -> str:
    lines = [
        "# Every setting, with its default; printed by `make docs` from wallcrawler/settings.py.",
        "#",
        "# Wallcrawler reads the environment, not this file. To use it: copy it to .env, take the # off what you set,",
        "# and start with: set -a; . ./.env; set +a; make up",
        "# docker compose reads .env by itself, and passes on what docs/howto/compose.md lists.",
        "",
    ]
    for name, default, takes, does in _set():
        lines += wrap(f"{does} Takes {takes.replace('`', '')}.", 118, initial_indent="# ", subsequent_indent="# ")
        lines += [f"#{name}={default}", ""]
    return "\n".join(lines)


def _set() -> Iterator[tuple[str, str, str, str]]:
    """Each setting's variable, default (empty: none), what it takes, and what it does."""
    schemas = Settings.model_json_schema(by_alias=False)["properties"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(field.default).removesuffix(".0")
        default = default.lower() if isinstance(field.default, bool) else default
        yield variable(name), default, _takes(schemas[name]), field.description or ""


def _takes(schema: Mapping[str, Any]) -> str:
    schema = next((one for one in schema.get("anyOf", ()) if one["type"] != "null"), schema)
    if words := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
        return " or ".join(f"`{word}`" for word in words)
    kinds = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "`true` or `false`"}
    kind = {"path": "a path", "password": "secret text"}.get(schema.get("format", ""), kinds[schema["type"]])
    limits = {
        "minimum": "from {}",
        "exclusiveMinimum": "above {}",
        "maximum": "up to {}",
        "minLength": "of at least {} characters",
        "pattern": "like `{}`",
    }
    said = [text.format(str(schema[limit]).removesuffix(".0")) for limit, text in limits.items() if limit in schema]
    return " ".join([kind, *said])


def measures() -> str:
    rows = []
    for metric in (*vars(metrics).values(), *vars(meters).values()):
        if isinstance(metric, MetricWrapperBase):
            described = next(iter(metric.describe()))
            name = described.name + ("_total" if described.type == "counter" else "")
            labels = ", ".join(f"`{label}`" for label in metric._labelnames) or "none"
            rows.append([f"`{name}`", described.type, labels, described.documentation])
    return table(["metric", "type", "labels", "what it says"], rows)


def openapi() -> str:
    """As an instance on this machine serves it."""
    return json.dumps(document("http://127.0.0.1:8080"), indent=2, ensure_ascii=False) + "\n"


REGIONS: Final[Mapping[str, Callable[[], str]]] = {
    "diagram": diagram,
    "states": states,
    "endings": endings,
    "settings": settings,
    "metrics": measures,
}

_REGION = re.compile(r"(<!-- printed: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def printed() -> dict[Path, str]:
    """Every file that has something printed in it, as it should be. Raises KeyError for a region that nobody prints."""
    files = {page: _REGION.sub(_region, page.read_text()) for page in pages() if _REGION.search(page.read_text())}
    return files | {ROOT / ".env.example": env_example(), DOCS / "reference/openapi.json": openapi()}


def _region(found: re.Match[str]) -> str:
    return f"{found[1]}\n{REGIONS[found[2]]()}\n\n{found[3]}"


def pages() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *(page for folder in READ for page in sorted((ROOT / folder).rglob("*.md")))]


# -- What is checked --------------------------------------------------------------------------------------------------


def problems() -> Iterator[str]:
    """What is wrong with the docs, a line each."""
    for path, text in printed().items():
        if not path.exists() or path.read_text() != text:
            yield f"{path.relative_to(ROOT)} is out of date; `make docs` prints it"
    there = {name for page in pages() for _, name, _ in _REGION.findall(page.read_text())}
    yield from (f"no page has the printed region {name}" for name in sorted(REGIONS.keys() - there))
    yield from differences("reference/log-messages.md", _headings, set(log_events()), "log event")
    yield from differences("reference/http-api.md", _routes, set(routes()), "route")
    yield from undescribed()
    yield from differences("howto/troubleshoot.md", _headings, {str(reason) for reason in Reason}, "ending")
    yield from differences("reference/settings.md", _rows("The guest"), guest_variables(), "variable of the guest")
    compose = re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text())
    yield from differences("howto/compose.md", _rows("Settings"), set(compose), "variable of compose.yaml")
    yield from unlisted()
    yield from lost_links()


def differences(page: str, explained: Callable[[str], Iterable[str]], there: set[str], kind: str) -> Iterator[str]:
    """What the code has and the page does not explain, and the other way round."""
    said = set(explained((DOCS / page).read_text()))
    yield from (f"docs/{page} does not explain the {kind} {name}" for name in sorted(there - said))
    yield from (f"docs/{page} explains the {kind} {name}, which no code has" for name in sorted(said - there))


def _headings(text: str) -> list[str]:
    """The names in headings of the form "### `name`"."""
    return re.findall(r"^###+ `([^`]+)`$", text, re.MULTILINE)


def _rows(heading: str) -> Callable[[str], list[str]]:
    """The variables in the tables of a section."""
    section = re.compile(rf"^## {heading}$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    return lambda text: re.findall(r"^\| `([A-Z_]+)`", "".join(section.findall(text)), re.MULTILINE)


def _routes(text: str) -> list[str]:
    return [re.sub(r"\{\w+\}", "{}", name) for name in _headings(text)]


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


_LOGGED: Final = frozenset({"debug", "info", "warning", "error", "exception", "log"})


def log_events() -> Iterator[str]:
    """The names of all events that the code logs. Raises ValueError for one that is not a literal."""
    for path in (path for folder in LOGGING for path in (ROOT / folder).rglob("*.py")):
        source = path.read_text()
        # A level may be chosen first: `fact = log.debug if quiet else log.info`.
        chosen = re.findall(r"(\w+) = log\.\w+ if ", source)
        for call in (call for call in _calls(ast.parse(source)) if _logs(call.func, chosen)):
            name = next((text for arg in call.args if (text := _text(arg))), None)
            if name is None:
                raise ValueError(f"{path.relative_to(ROOT)}:{call.lineno}: an event's name must be a literal")
            yield name


def _logs(node: ast.AST, chosen: Collection[str] = ()) -> bool:
    if isinstance(node, ast.Name):
        return node.id in chosen
    return isinstance(node, ast.Attribute) and node.attr in _LOGGED and ast.unparse(node.value) == "log"


def _text(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def routes() -> Iterator[str]:
    """`METHOD /path/{}` of every route that a decorator of services/api declares."""
    for path in sorted((ROOT / "services/api").rglob("*.py")):
        tree = ast.parse(path.read_text())
        prefix = _prefix(tree) or _prefix(ast.parse((path.parent / "__init__.py").read_text()))
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for call in (one for one in function.decorator_list if isinstance(one, ast.Call)):
                owner, _, verb = ast.unparse(call.func).partition(".")
                if owner == "routes" and verb in {"get", "post", "put", "patch", "delete", "route"}:
                    listed = [ast.literal_eval(one.value) for one in call.keywords if one.arg == "methods"]
                    where = re.sub(r"<[^>]+>", "{}", prefix + ast.literal_eval(call.args[0]))
                    yield from (f"{method.upper()} {where}" for method in (listed[0] if listed else [verb]))


def _prefix(tree: ast.AST) -> str:
    """What the paths of a blueprint begin with, which a file's own or its folder's makes."""
    options = [one for call in _calls(tree) if ast.unparse(call.func) == "Blueprint" for one in call.keywords]
    return "".join(_text(one.value) or "" for one in options if one.arg == "url_prefix")


#: Routes that no client programs against: what guests speak, and URLs that are handed out with a signature.
_INTERNAL: Final = re.compile(r"[A-Z]+ /(guest|blobs|uploads)/")


def undescribed() -> Iterator[str]:
    """Routes that services/api/openapi does not describe, and what it describes that is none."""
    there = {name for name in routes() if not _INTERNAL.match(name)}
    there |= {
        f"{method} {re.sub(r'<[^>]+>', '{}', path)}"
        for subject in UNSERVED.values()
        for path, methods in subject.operations.items()
        for method in methods.split()
    }
    said = {f"{method} {re.sub(r'{[^}]+}', '{}', path)}" for _, method, path, _ in operations()}
    yield from (f"services/api/openapi does not describe the route {name}" for name in sorted(there - said))
    yield from (f"services/api/openapi describes {name}, which is no route" for name in sorted(said - there))


def guest_variables() -> set[str]:
    """The environment variables that the guest reads."""
    return set(re.findall(r'"(WALLCRAWLER_[A-Z_]+)"', (ROOT / "controller/settings.py").read_text()))


def unlisted() -> Iterator[str]:
    """Pages that the index does not lead to."""
    index = (DOCS / "README.md").read_text()
    for page in DOCS.rglob("*.md"):
        if page != DOCS / "README.md" and f"({page.relative_to(DOCS).as_posix()})" not in index:
            yield f"docs/README.md does not lead to {page.relative_to(DOCS)}"


#: A file or folder of ours; `wallcrawler/signing-keys`, without an extension, is a secret of a deployment.
_FILE: Final = re.compile(rf"`(?!wallcrawler/[\w-]+`)((?:{'|'.join({*LOGGING, *READ, 'tests'})})/[\w/.-]*)`")


def lost_links() -> Iterator[str]:
    """Relative links whose file or heading is not there, and files that are named and do not exist."""
    for page in pages():
        text, here = page.read_text(), page.relative_to(ROOT)
        for path in _FILE.findall(text):
            if not (ROOT / path).exists():
                yield f"{here} names {path}, which is not there"
        for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)):
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            if ":" not in link and not (target.exists() and (not anchor or anchor in _anchors(target))):
                yield f"{here} links to {link}, which is not there"


def _anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        found = list(problems())
        sys.stderr.writelines(f"docs: {problem}\n" for problem in found)
        return 1 if found else 0
    if arguments:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    for path, text in printed().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
