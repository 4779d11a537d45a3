"""Names that others chose, and what becomes of them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wallcrawler.filename import LONGEST, NAMELESS, safe, stamped

#: Any text, and text with much of what is dangerous in it; lone surrogates come from names that are not UTF-8.
NAMES = st.text() | st.text(alphabet="./\\ \0\nab\u202e\ud800é\u0301😀\u00a0", max_size=400)


@given(NAMES)
def test_a_safe_name_is_one_step_of_a_path(name: str) -> None:
    """Whatever came in: it leads nowhere, hides nothing, and fits."""
    result = safe(name)

    assert result
    assert not set(result) & set("/\\\0\n\u202e")
    assert not result.startswith(".")
    assert result == result.strip()
    assert len(result.encode()) <= LONGEST
    assert unicodedata.is_normalized("NFC", result)


@given(NAMES)
def test_a_safe_name_stays_as_it_is(name: str) -> None:
    """Made safe twice it is the same, so that it can be checked anywhere."""
    assert safe(safe(name)) == safe(name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(NAMES)
def test_a_file_can_have_a_safe_name(tmp_path: Path, name: str) -> None:
    """On a real file system, in the folder that it was meant for."""
    path = tmp_path / safe(name)

    path.write_text("here")

    assert path.parent == tmp_path
    assert safe(name) in {entry.name for entry in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.pdf", "report.pdf"),
        ("Report of today (1).tar.gz", "Report of today (1).tar.gz"),
        ("übersicht 概要 😀.txt", "übersicht 概要 😀.txt"),
        ("cafe\u0301.txt", "café.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\report.pdf", "report.pdf"),
        (".bashrc", "bashrc"),
        (". . .hidden", "hidden"),
        ("a\0b\r\n.txt", "a_b__.txt"),
        ("harmless\u202efdp.exe", "harmless_fdp.exe"),
        ("broken\udcff.txt", "broken_.txt"),
        ("", NAMELESS),
        ("..", NAMELESS),
        ("folder/", NAMELESS),
        (" \t ", NAMELESS),
    ],
)
def test_names_become(name: str, expected: str) -> None:
    """Ordinary names stay; of others the harmless part does."""
    assert safe(name) == expected


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_a_long_name_keeps_its_extension(letter: str) -> None:
    """It is cut before it, between characters."""
    cut = safe(letter * 300 + ".pdf")

    assert cut.endswith(letter + ".pdf")
    assert LONGEST - 4 < len(cut.encode()) <= LONGEST


def test_an_extension_without_end_is_cut_too() -> None:
    """What is longer than any extension is part of the name."""
    assert safe("a." + "x" * 300) == "a." + "x" * (LONGEST - 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sandstorm.mp3", "sandstorm-1719265797164.mp3"),
        ("archive.tar.gz", "archive.tar-1719265797164.gz"),
        ("Makefile", "Makefile-1719265797164"),
        ("a.b/c", "c-1719265797164"),
    ],
)
def test_a_stamp_stands_before_the_extension(name: str, expected: str) -> None:
    """The last one, as Browserbase has it."""
    assert stamped(name, 1719265797164) == expected


@given(NAMES, st.integers(min_value=0, max_value=9_999_999_999_999))
def test_a_stamped_name_is_safe(name: str, milliseconds: int) -> None:
    """And has all thirteen digits, however long the name was."""
    result = stamped(name, milliseconds)

    assert safe(result) == result
    assert f"-{milliseconds:013d}" in result
