"""What the Dockerfile puts into each image, and what runs there: an import inside a function fails late, if at all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

#: The packages of this repository that processes run from.
OURS = ("wallcrawler", "controller", "services", "localaws")


@dataclass
class Target:
    parent: str
    copied: list[str] = field(default_factory=list)
    command: str = ""


def targets() -> dict[str, Target]:
    found: dict[str, Target] = {}
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if begins := re.match(r"FROM (\S+) AS (\S+)", line):
            current = found[begins[2]] = Target(begins[1])
        elif line.startswith("COPY ") and "--from=" not in line:
            current.copied += line.split()[1:-1]
        elif runs := re.match(r'CMD \["python3", "-m", "([\w.]+)"\]', line):
            current.command = runs[1]
    return found


TARGETS = targets()


def held(name: str) -> set[Path]:
    """The modules in the target's image."""
    target = TARGETS[name]
    files = held(target.parent) if target.parent in TARGETS else set()
    for source in target.copied:
        path = ROOT / source
        files |= set(path.rglob("*.py")) if path.is_dir() else {path}
    return files


def imported(path: Path) -> Iterator[Path]:
    """The modules of ours that this one imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{one.name}" for one in node.names]
        else:
            continue
        for name in names:
            if name.startswith(OURS):
                yield from modules(name)


def modules(name: str) -> Iterator[Path]:
    """Files of a dotted name and of the packages that it is in; the last word may be a name in a module."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        stem = ROOT.joinpath(*parts[:length])
        yield from (path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.exists())


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.command])
def test_an_image_holds_all_that_its_process_imports(name: str) -> None:
    """Of this repository, in any function of any module that is reached from the command."""
    command = ROOT.joinpath(*TARGETS[name].command.split("."))
    waiting = [path for path in (command.with_suffix(".py"), command / "__main__.py") if path.exists()]
    files, reached = held(name), set[Path]()

    assert waiting
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += imported(path)

    assert sorted(str(path.relative_to(ROOT)) for path in reached - files) == []
