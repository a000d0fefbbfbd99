"""Laws of configs that are written: the dumped one, the reference file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi.config.config import dump_config
from spring_mpi.config.event_choice import parse_slice
from spring_mpi.config.reference import reference_yaml, schema_json
from spring_mpi.config.sections import Config, legal_cropsizes

CONFIGS = Path(__file__).parents[2] / "configs"
LEAST = "name: a\ndata: {source: x.npy}\npattern: {cropsize: 64}\n"
ROUND_TRIPS = [
    LEAST,
    LEAST + "settings: {IA: {sequence: RAAR*5 + ER}}\nevents: {pids: [1-2, 3-4]}\n",
    LEAST + "settings: {IA: {it: 6, sequence: RAAR*5 + ER}}\nevents: {slice: '0:9'}\n",
    LEAST + "sweep: {tag: '1e{IA.it}{DE.align}', over: {IA.it: [1, 2], DE.align: [true, false]}}\n",
    LEAST.replace("64", "64, center: auto, satvalue: auto"),
    LEAST.replace("64", "64, center: {dataset: /c}, satvalue: 1e5, gain: 2, background: b.npy"),
    LEAST.replace("x.npy", "x.npy, dataset: '1e6', mask: [{dataset: m, bad_bits: 0xff}]"),
    *(path.read_text(encoding="utf-8") for path in sorted(CONFIGS.glob("*.yaml"))),
]


@pytest.mark.parametrize("text", ROUND_TRIPS)
def test_a_written_config_reads_back_equal(load: Callable[..., Config], text: str) -> None:
    """Loading is the inverse of dumping, and a dumped config is complete."""
    config = load(text)
    again = load(dump_config(config))
    assert again == config
    assert dump_config(again) == dump_config(config)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1))
def test_any_text_survives_the_round_trip(load: Callable[..., Config], text: str) -> None:
    """A dataset's name, whatever its characters, is read back as it was written."""
    quoted = "".join(f"\\U{ord(character):08x}" for character in text)
    config = load(LEAST.replace("x.npy", f'x.npy, dataset: "{quoted}"'))
    assert config.data.dataset == text
    assert load(dump_config(config)) == config


def test_the_files_of_the_options_are_the_generated_ones() -> None:
    """Reference and schema are what the options say.

    Where this fails: ``python -m spring_mpi.config.reference``.
    """
    assert (CONFIGS / "reference.yaml").read_text(encoding="utf-8") == reference_yaml()
    assert (CONFIGS / "schema.json").read_text(encoding="utf-8") == schema_json()


def test_the_reference_shows_the_defaults(load: Callable[..., Config]) -> None:
    """The reference means the same as a config with its three required values alone."""
    least = "name: demo\ndata: {source: run34.cxi}\npattern: {cropsize: 1024}\n"
    assert load(reference_yaml()) == load(least)


@given(st.integers(2, 5000), st.integers(2, 600))
def test_legal_cropsizes_enclose_the_wanted_one(cropsize: int, size: int) -> None:
    """Both proposals are multiples of size; where possible they enclose the cropsize."""
    lower, upper = legal_cropsizes(cropsize, size)
    assert (lower % size, upper % size, upper - lower, lower > 0) == (0, 0, size, True)
    assert cropsize < upper
    assert lower <= cropsize or cropsize < size


@pytest.mark.parametrize("text", ["0:100", ":", "5:", "::2", "-10:"])
def test_slices_are_those_of_python(text: str) -> None:
    """A slice's text selects what Python's does."""
    assert list(range(20))[parse_slice(text)] == eval(f"list(range(20))[{text}]")


@pytest.mark.parametrize("text", ["", "1", "a:b", "1:2:3:4", "::0"])
def test_what_is_no_slice_is_refused(text: str) -> None:
    """Fewer or more parts, words and a zero step are no slice."""
    with pytest.raises(ValueError):
        parse_slice(text)
