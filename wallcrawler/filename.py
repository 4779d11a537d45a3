"""Names of files that others chose, made into names that any file system, archive and header can carry. Pure."""

from __future__ import annotations

import re
import unicodedata
from os.path import splitext
from typing import Final

#: Bytes of the longest name, in UTF-8: what file systems have.
LONGEST: Final = 255

#: Bytes of the longest extension that survives where a name has to be cut.
LONGEST_EXTENSION: Final = 32

#: What a name becomes of which nothing is left.
NAMELESS: Final = "file"

#: Separators of paths, on any system.
_SEPARATORS: Final = re.compile(r"[/\\]")

#: Characters that turn the direction of text, and can so hide what a name ends in.
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

#: Controls (NUL among them), lone surrogates, and separators of lines and paragraphs.
_UNNAMABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def safe(name: str, longest: int = LONGEST) -> str:
    """One step of a path, in NFC, at most `longest` bytes of UTF-8; a safe name stays as it is.

    What stands before a separator is dropped, as are leading dots and space around; what no name should hold is an
    underscore.
    """
    name = unicodedata.normalize("NFC", _SEPARATORS.split(name)[-1].strip())
    name = "".join("_" if _bad(character) else character for character in name)
    return _cut(_trimmed(name), longest) or NAMELESS


def stamped(name: str, milliseconds: int) -> str:
    """`report.pdf` as `report-1719265797164.pdf`: what a session's downloads are called."""
    stamp = f"-{milliseconds:013d}"
    stem, extension = splitext(safe(name, LONGEST - len(stamp)))
    return f"{stem}{stamp}{extension}"


def _bad(character: str) -> bool:
    return character in _TURNING or unicodedata.category(character) in _UNNAMABLE


def _trimmed(name: str) -> str:
    bare = name.strip()
    while bare.startswith("."):
        bare = bare.lstrip(".").lstrip()
    return bare


def _cut(name: str, longest: int) -> str:
    if len(name.encode()) <= longest:
        return name
    stem, extension = splitext(name)
    if len(extension.encode()) > LONGEST_EXTENSION:
        stem, extension = name, ""
    room = longest - len(extension.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip() + extension
