"""The key ``quick``: what it stands for, what is refused and where, and that it is written back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spring_mpi.config.config import dump_config
from spring_mpi.config.quick import PRESET, of_both, quickened
from spring_mpi.config.sections import Config
from spring_mpi.model.settings import Settings

BASE = """
name: c
data: {source: a.cxi}
pattern: {cropsize: 64}
"""


def test_true_stands_for_the_preset(load: Callable[..., Config]) -> None:
    assert dict(load(BASE + "quick: true").quick or ()) == PRESET
    assert load(BASE + "quick: false").quick is load(BASE).quick is None
    quick = load(BASE + "quick: {IA: {it: 9}, global: {popsize: 6}}").quick
    assert quick == (("IA.it", 9), ("global.popsize", 6))


@pytest.mark.parametrize("given", ["true", "{SW: {area: null}, global: {runs: 2}}", "null"])
def test_it_is_written_back(load: Callable[..., Config], given: str) -> None:
    made = load(f"{BASE}quick: {given}")
    assert load(dump_config(made)).quick == made.quick


def test_the_preset_is_less_than_the_defaults() -> None:
    """It goes with them, and changes no setting that says what the object is."""
    settings = Settings()
    changed = quickened(settings, tuple(PRESET.items()))
    assert not list(changed.conflicts())
    assert settings == Settings()
    assert all(name.split(".")[0] in ("global", "IA") for name in PRESET)
    assert [key for key, _ in of_both(None, settings)] == ["settings"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("quick: 3", "c.yaml:5:8: quick: must be true, or a mapping as settings has, not 3"),
        (
            "quick: {}",
            "c.yaml:5:8: quick: must be true, or a mapping as settings has, not a mapping",
        ),
        ("quick: {IA: {its: 3}}", "c.yaml:5:14: quick.IA.its: unknown key; did you mean 'it'?"),
        (
            "quick: {global: {popsize: 2}}",
            "c.yaml:5:27: quick.global.popsize: must be >=4, not 2",
        ),
        (
            "quick: {global: {islands: 3}}",
            "c.yaml:5:27: quick.global.islands: must divide global.popsize (128)",
        ),
        (
            "quick: {IA: {it: 9}}\nsweep: {over: {IA.it: [10, 20]}}",
            "c.yaml:5:18: quick.IA.it: is swept: a quick job has the value of its variant",
        ),
    ],
)
def test_what_is_refused(
    problems: Callable[..., list[str]], tmp_path: Path, text: str, problem: str
) -> None:
    assert problems(BASE + text) == [problem]


def test_a_conflict_is_told_where_it_was_made(problems: Callable[..., list[str]]) -> None:
    """One that the settings have without quick is told once, of them."""
    text = "settings: {SW: {area_end: 2}}\nquick: {global: {runs: 1}}"
    assert problems(BASE + text) == [
        "c.yaml:5:27: settings.SW.area_end: must be <= SW.area_start (1.6)"
    ]
