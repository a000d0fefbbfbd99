"""Laws of the settings: SPRING's calls, strict values, independent copies, the printed table."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.errors import SettingsError
from spring_mpi.model.options import options
from spring_mpi.model.settings import SECTIONS, Settings

NAMES = [(section, one.name) for section, kind in SECTIONS.items() for one in options(kind)]


def cells(line: str) -> list[str]:
    """The cells of one row of the table."""
    return [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.mark.parametrize(
    ("section", "key", "default"),
    [
        ("global", "generations", 100),
        ("global", "popsize", 128),
        ("global", "gpus", (0,)),
        ("global", "threads", 8),
        ("global", "bounds", 0),
        ("global", "workdir", "./"),
        ("init", "gamma", 0.5),
        ("init", "supportsize", 60),
        ("init", "itemsize_min", 0.2),
        ("IA", "it", 50),
    ],
)
def test_defaults_are_those_of_spring(section: str, key: str, default: Any) -> None:
    """The keys that SPRING documents have SPRING's defaults."""
    assert Settings().get(section, key) == default


def test_set_returns_the_object_itself() -> None:
    """Calls chain, each on the same object."""
    settings = Settings()
    chained = settings.set("IA", "it", 40).set("init", "supportsize", 90).set("global", "gpus", 1)
    assert chained is settings
    assert (settings.IA.it, settings.init.supportsize, settings.global_.gpus) == (40, 90, 1)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("inti", "gamma", 1, "no section 'inti' in the settings; did you mean 'init'?"),
        ("init", "suportsize", 1, "no setting init.suportsize; did you mean 'supportsize'?"),
        ("ia", "it", 1, "no section 'ia' in the settings; did you mean 'IA'?"),
        ("init", "supportsize", "80", "init.supportsize must be int or auto, not '80'"),
        ("init", "supportsize", True, "init.supportsize must be int or auto, not True"),
        ("init", "gamma", 2, "init.gamma must be >0 <2, not 2.0"),
        ("init", "gamma", float("nan"), "init.gamma must be finite, not nan"),
        ("SW", "mode", "level", "SW.mode must be threshold or area, not 'level'"),
    ],
)
def test_set_refuses_with_the_reason(section: str, key: str, value: Any, message: str) -> None:
    """What does not exist or does not fit is refused, and nothing changes."""
    settings = Settings()
    with pytest.raises(SettingsError) as caught:
        settings.set(section, key, value)
    assert str(caught.value) == message
    assert (settings, settings.given) == (Settings(), frozenset())


def test_settings_error_is_a_value_error() -> None:
    """Code that catches ValueError catches a wrong setting."""
    assert issubclass(SettingsError, ValueError)


@given(st.integers(2, 500), st.integers(2, 500))
def test_copies_are_independent(first: int, second: int) -> None:
    """A change of a copy does not reach the original, nor the other way round."""
    original = Settings().set("init", "supportsize", first)
    copy = original.copy().set("init", "supportsize", second).set("IA", "it", 7)
    original.set("global", "popsize", 64)
    assert (original.init.supportsize, original.IA.it) == (first, 50)
    assert (copy.init.supportsize, copy.global_.popsize) == (second, 128)
    assert ("IA", "it") not in original.given


def test_values_are_frozen() -> None:
    """A value is changed through set() alone."""
    with pytest.raises(AttributeError):
        Settings().init.supportsize = 3  # type: ignore[misc]


def test_mapping_round_trip() -> None:
    """Settings are what their dictionary says."""
    settings = Settings().set("SW", "mode", "area").set("global", "gpus", [1, 2])
    assert Settings.from_mapping(settings.to_dict()) == settings


def test_repr_is_the_code_that_makes_it() -> None:
    """The repr of settings evaluates to equal settings."""
    settings = Settings().set("init", "supportsize", 90).set("DE", "F", 0.5)
    assert eval(repr(settings)) == settings


def test_a_section_must_be_a_mapping() -> None:
    """A section given as a value is a SettingsError, not a traceback."""
    with pytest.raises(SettingsError, match="init must be a mapping"):
        Settings.from_mapping({"init": 5})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"init": {"itemsize_min": 0.9, "itemsize_max": 0.5}}, [("init", "itemsize_min")]),
        ({"SW": {"area_start": 1.0}}, [("SW", "area_end")]),
        ({"global": {"islands": 3}}, [("global", "islands")]),
        ({"global": {"islands": 4, "popsize": 8}}, [("global", "popsize")]),
    ],
)
def test_conflicts_name_the_key(
    changes: dict[str, dict[str, float]], expected: list[tuple[str, str]]
) -> None:
    """Values that are legal alone and not together are found, one conflict for each."""
    conflicts = Settings.from_mapping(changes).conflicts()
    assert [(section, key) for section, key, _ in conflicts] == expected


def test_table_has_header_and_rules() -> None:
    """The header comes first; a rule follows it and every section."""
    lines = Settings().table().splitlines()
    rules = [i for i, line in enumerate(lines) if re.fullmatch(r"(\| :-+: )+\|", line)]
    assert cells(lines[0]) == ["Section", "Name", "Value", "Type", "Range", "Description"]
    assert rules[0] == 1
    assert len(rules) == 1 + len(SECTIONS)


def test_table_is_a_rectangle() -> None:
    """All lines of the table are equally long."""
    assert len({len(line) for line in Settings().table().splitlines()}) == 1


def test_table_names_a_section_once_and_every_key_in_order() -> None:
    """The section's name stands in its first row only; each key has one row with its value."""
    rows = [cells(line) for line in Settings().table().splitlines() if ":--" not in line][1:]
    assert [row[0] for row in rows if row[0]] == list(SECTIONS)
    assert [row[1] for row in rows if row[1]] == [key for _, key in NAMES]


def test_table_wraps_descriptions_at_50() -> None:
    """Descriptions are wrapped at 50 characters; further rows have no other cell."""
    rows = [cells(line) for line in Settings().table().splitlines() if ":--" not in line][1:]
    further = [row for row in rows if not row[1]]
    assert max(len(row[5]) for row in rows) <= 50
    assert further
    assert all(row[:5] == [""] * 5 for row in further)


def test_info_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """info() prints what table() returns."""
    Settings().info()
    assert capsys.readouterr().out == Settings().table() + "\n"


def test_table_shows_the_present_value() -> None:
    """A changed value appears in its row."""
    table = Settings().set("init", "supportsize", 93).table()
    row = next(cells(line) for line in table.splitlines() if "supportsize" in cells(line)[1])
    assert row[1:5] == ["supportsize", "93", "int or auto", ">1"]


def test_small_islands_are_warned_about() -> None:
    """Fewer than eight individuals on one of several islands; one population may be small."""
    small = Settings().set("global", "popsize", 16).set("global", "islands", 4)
    assert ["4 of 4 individuals each" in text for text in small.cautions()] == [True]
    for other in (small.copy().set("global", "islands", 2), Settings().set("global", "popsize", 4)):
        assert not list(other.cautions())
