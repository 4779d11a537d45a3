"""Print the requirements of pyproject.toml, for images that hold a part of the project.

requirements.py pyproject.toml aws localaws            what every service needs, and these extras
requirements.py pyproject.toml --only h11 websockets   of all of them, these packages
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def main(path: str, *chosen: str) -> int:
    """Raises KeyError for an extra, and ValueError for a package, that the project does not name."""
    project = tomllib.loads(Path(path).read_text())["project"]
    always: list[str] = project["dependencies"]
    if chosen[:1] == ("--only",):
        named = {re.split(r"[^a-zA-Z0-9_.-]", line)[0]: line for line in always}
        if unknown := set(chosen[1:]) - named.keys():
            raise ValueError(f"the project does not depend on {', '.join(sorted(unknown))}")
        lines = [named[name] for name in chosen[1:]]
    else:
        lines = [*always, *(line for extra in chosen for line in project["optional-dependencies"][extra])]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
