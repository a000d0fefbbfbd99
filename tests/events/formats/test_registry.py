"""The registry is the one list of formats; what else names them all follows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spring_mpi.events.formats.reader import Extent, Facts
from spring_mpi.events.formats.registry import BUILT_IN, facts_of, find_reader, takes_texts

DOCS = Path(__file__).parents[3] / "docs"


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table with that heading, row by row."""
    table = (DOCS / page).read_text().partition(heading)[2].partition("\n\n")[0]
    return [line.strip("|").split("|") for line in table.splitlines()[2:]]


def named(cell: str) -> list[str]:
    """What stands in a cell as code."""
    return re.findall(r"`(\w+)`", cell)


def test_docs_list_every_reader() -> None:
    """Once each, and no others."""
    table = rows("reference/event-formats.md", "| reader | files |")
    assert sorted(name for cells in table for name in named(cells[0])) == sorted(BUILT_IN)


def test_docs_tell_what_is_scanned_again() -> None:
    """Readers of files stand beside what their scans depend on."""
    file, run, always = (
        named(cells[0]) for cells in rows("howto/event-index.md", "| reader | is scanned again |")
    )
    assert set(file) == {name for name in BUILT_IN if facts_of(name).extent is Extent.FILE}
    assert set(run) == {name for name in BUILT_IN if facts_of(name).extent is Extent.RUN}
    assert not {*always} & {*file, *run}


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_reader_is_there(name: str) -> None:
    """The registry's module has the class, and the class all that a reader needs."""
    assert isinstance(find_reader(name).facts, Facts)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["my_loader.py:load", "spectrometer", "auto"])
def test_nothing_is_known_of_others(name: str) -> None:
    """Readers of users and packages have the careful facts, and are not loaded for them."""
    assert facts_of(name) == Facts()
    assert facts_of(name).extent is Extent.UNKNOWN
    assert not takes_texts(name)
