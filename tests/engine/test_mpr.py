"""The whole reconstruction: repeatable, honest about its input, and the same for any caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from helpers.physics import Around, lumps, pattern_of, settings_of
from numpy.typing import NDArray

from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.backends.host import Population
from spring_mpi.engine.case import Progress
from spring_mpi.engine.metrics import correlation
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.engine.requirements import check
from spring_mpi.errors import LaunchError, PatternError, SettingsError
from spring_mpi.model.alignment import register
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.result import Result

SIZE = 32
SMALL = {
    "global__generations": 3, "global__popsize": 4, "init__supportsize": 16, "IA__it": 8,
    "SW__sigma_start": 1.0,
}  # fmt: skip


def result_of(pattern: Pattern | None = None, **changes: Any) -> Result:
    given = {
        name: changes.pop(name) for name in ("tag", "name", "seed", "report") if name in changes
    }
    settings = settings_of(**SMALL | changes)
    pattern = pattern or pattern_of(lumps(SIZE), pid=(71, 1))
    return reconstruct(pattern, settings, backend=make_backend("cpu"), **given)


def test_a_small_object_is_found() -> None:
    """Noiseless data without gaps of a small positive object are solved."""
    result = result_of(global__generations=8, global__popsize=8, IA__it=30)
    moved = register(result.data, lumps(SIZE), subpixel=True).move(result.data)
    assert correlation(moved, lumps(SIZE)) > 0.995
    assert result.data.dtype == np.float32
    assert result.support[SIZE // 2, SIZE // 2] == 1


def test_the_result_depends_on_seed_and_name_alone() -> None:
    """Same seed and name: the same bits; another seed, tag or name: another search."""
    first, again = result_of(), result_of()
    assert np.array_equal(first.data, again.data)
    assert np.array_equal(first.error_history, again.error_history)
    others = [result_of(seed=2), result_of(tag="a"), result_of(name="71-1~2")]
    assert not any(np.array_equal(first.error_history, one.error_history) for one in others)
    assert [one.name for one in (first, *others)] == ["71-1", "71-1", "71-1-a", "71-1~2"]


@pytest.mark.parametrize("constraint", ["positive", "real", "complex"])
@pytest.mark.parametrize("size", [32, 31])
def test_every_constraint_and_size_has_a_result(constraint: str, size: int) -> None:
    """Even and odd sizes and all constraints give finite images of the right kind."""
    result = result_of(pattern_of(lumps(size)), object__constraint=constraint, init__supportsize=15)
    images = (result.data, result.best, result.support, result.std, result.support_frequency)
    assert all(image.shape == (size, size) and np.isfinite(image).all() for image in images)
    assert np.iscomplexobj(result.data) == (constraint == "complex")
    assert result.error_history.shape == (3, 4)
    assert 0 < result.error < 1
    assert result.support_px == result.support.sum() > 0


def test_progress_is_reported_after_every_generation() -> None:
    """Reports count the generations, and the best error is not above the median."""
    reports: list[Progress] = []
    result_of(report=reports.append)
    assert [(one.generation, one.generations) for one in reports] == [(1, 3), (2, 3), (3, 3)]
    assert all(one.best <= one.median for one in reports)


def test_unreal_pixels_never_reach_the_engine() -> None:
    """A frame full of nan and infinities is reconstructed from its other pixels."""
    raw = pattern_of(lumps(SIZE)).intensity.copy()
    raw[::5, ::3], raw[3::7, 1::4], raw[0, 0] = np.nan, np.inf, -np.inf
    result = result_of(Pattern(raw, center=(16, 16)))
    assert np.isfinite(result.data).all()
    assert np.isfinite(result.error_history).all()


def test_later_changes_of_the_settings_do_not_reach_the_result() -> None:
    """A result keeps the settings that it was made with."""
    settings = settings_of(**SMALL)
    result = reconstruct(pattern_of(lumps(SIZE)), settings, backend=make_backend("auto"))
    settings.set("global", "generations", 99)
    assert result.settings.global_.generations == 3


def test_the_result_says_where_it_comes_from() -> None:
    """Seed, backend, duration and the pattern's warnings are kept."""
    origin = result_of(
        Pattern(pattern_of(lumps(SIZE)).intensity, center=(16.4, 16)), seed=5
    ).provenance
    assert (origin.seed, origin.backend, origin.device) == (5, make_backend("cpu").name, "cpu")
    assert 0 < origin.seconds < 1000
    assert "off the grid" in origin.warnings[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init__supportsize": 17}, r"init.supportsize 17 exceeds half the pattern's size \(32\)"),
        ({"global__popsize": 6, "global__islands": 2}, "global.popsize must be >= 8"),
        ({"init__itemsize_max": 0.1}, "init.itemsize_min must be <= init.itemsize_max"),
        ({"IA__sequence": "EE"}, "unknown algorithm 'EE'"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    """Conflicts and impossible sizes are SettingsErrors, before anything is computed."""
    with pytest.raises(SettingsError, match=message):
        result_of(**changes)


def test_check_agrees_with_the_engine() -> None:
    """What `check` passes may run: a support of half the grid is the largest."""
    check(settings_of(init__supportsize=16), 32)
    with pytest.raises(SettingsError):
        check(settings_of(init__supportsize=16), 31)


class Dark(Around):
    """Loses the light of every individual."""

    def save(self, population: Population) -> Mapping[str, NDArray[Any]]:
        return {name: 0 * array for name, array in self.reference.save(population).items()}


def test_a_pattern_that_holds_no_density_is_refused() -> None:
    """Where every individual lost its light, that is said instead of an empty result."""
    with pytest.raises(PatternError, match="pattern 0: no individual kept any density"):
        reconstruct(pattern_of(lumps(SIZE)), settings_of(**SMALL), backend=Dark())


def test_unknown_devices_are_refused() -> None:
    """A device that nothing here can use is a LaunchError that names it."""
    with pytest.raises(LaunchError, match="device 'cuda:0'"):
        make_backend("cuda:0")
