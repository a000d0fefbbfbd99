"""The processor's backend, its kernels in C, against the reference, operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers.physics import bounds_of, disc, lumps, noise, operators, pattern_of, settings_of
from numpy.typing import NDArray

from spring_mpi.engine.algorithms import ALGORITHMS, rule
from spring_mpi.engine.backend import Problem, ShrinkWrap
from spring_mpi.engine.backends.host import HostBackend, Population
from spring_mpi.engine.backends.reference import reference_backend
from spring_mpi.engine.bounds import ModulusBounds
from spring_mpi.engine.crossover import crossover_plan
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.engine.random import job_key
from spring_mpi.model.settings import IA

KEY = job_key(1, "test")
CONSTRAINTS = ("positive", "real", "complex")
SIZES = (64, 128, 256)
POPSIZE = 5  # odd: one of the real individuals has no partner
Make = Callable[..., HostBackend]


def data_of(size: int, constraint: str) -> ModulusBounds:
    """Measured, free, saturated and bounded pixels, Friedel-symmetric for real densities."""
    density = lumps(size) * (1 + 0.3j * lumps(size)) if constraint == "complex" else lumps(size)
    data = bounds_of(1e3 * density, disc(size, 3))
    kind = np.random.default_rng(3).integers(0, 4, (size, size))
    kind = np.minimum(kind, np.roll(kind[::-1, ::-1], 1, axis=(0, 1)))
    upper = np.where(kind == 0, np.inf, np.where(kind == 1, 2 * data.lower, data.upper))
    return ModulusBounds(data.lower, upper.astype(np.float32), data.norm)


@pytest.fixture
def pair(native: Make, size: int, constraint: str) -> tuple[HostBackend, HostBackend]:
    """Reference and kernels, loaded with the same data."""
    settings = settings_of(
        object__constraint=constraint, global__popsize=POPSIZE, init__supportsize=size // 4
    )
    backends = (reference_backend(), native())
    for backend in backends:
        backend.load([Problem(data_of(size, constraint), KEY)], settings)
    return backends


def both(pair: tuple[HostBackend, HostBackend]) -> tuple[Population, Population]:
    """The same population for both."""
    population = pair[0].create(0)
    return population, pair[1].copy(population)


def distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Relative rms."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def agree(one: Population, other: Population) -> None:
    """Densities differ by less than 1e-5, supports not at all."""
    assert other.density.dtype == one.density.dtype
    assert distance(other.density, one.density) < 1e-5
    assert np.array_equal(other.support, one.support)


on_all = pytest.mark.parametrize("constraint", CONSTRAINTS)
on_sizes = pytest.mark.parametrize("size", SIZES)


@on_all
@on_sizes
def test_start_densities(pair: Any) -> None:
    agree(*(backend.create(1) for backend in pair))


@on_all
@on_sizes
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_iterations(native: Make, size: int, constraint: str, algorithm: str) -> None:
    """Five iterations are as near to double precision as the reference's in single are."""
    data, settings = data_of(size, constraint), settings_of(object__constraint=constraint)
    is_complex = constraint == "complex"
    density = np.stack([noise(size, one, is_complex=is_complex) for one in range(POPSIZE)])
    density *= np.sqrt(POPSIZE * data.norm) / np.linalg.norm(density)
    support = np.stack([disc(size, 20 + 4 * one) for one in range(POPSIZE)])
    results: list[NDArray[Any]] = []
    for backend in (reference_backend(precision="double"), reference_backend(), native()):
        kind = density.dtype if not results else "c8" if is_complex else "f4"
        population = Population(density.astype(kind), support.copy())
        backend.load([Problem(data, KEY)], settings)
        backend.iterate(population, rule(algorithm, IA()), 5)
        results.append(population.density)
    double, single, own = results
    assert distance(own, double) < max(1e-5, 3 * distance(single, double))


@on_all
@pytest.mark.parametrize("size", [64])
def test_no_iteration_changes_nothing(pair: Any) -> None:
    before, after = both(pair)
    pair[1].iterate(after, rule("HIO", IA()), 0)
    assert np.array_equal(before.density, after.density)


@on_all
@on_sizes
def test_errors_and_areas(pair: Any) -> None:
    one, other = both(pair)
    assert np.allclose(pair[0].errors(one), pair[1].errors(other), rtol=1e-5)
    assert np.array_equal(pair[0].areas(one), pair[1].areas(other))


CUTS = {
    "threshold": ShrinkWrap(1.5, 0.2, 0, 4, 4000),
    "too few": ShrinkWrap(1.5, 0.99, 0, 40, 4000),
    "too many": ShrinkWrap(1.5, 0.01, 0, 4, 40),
    "area": ShrinkWrap(2.0, None, 60, 4, 400),
    "area out of bounds": ShrinkWrap(2.0, None, 600, 4, 100),
    "no blur": ShrinkWrap(0.0, None, 60, 4, 400),
}


@on_all
@on_sizes
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_shrinkwrap(pair: Any, size: int, constraint: str, cut: ShrinkWrap) -> None:
    """As many pixels, and no dropped one stronger than a kept one by more than rounding."""
    before, reference = (
        pair[0].create(0).density,
        operators(data_of(size, constraint), constraint, "single"),
    )
    one, other = both(pair)
    for backend, population in zip(pair, (one, other), strict=True):
        backend.shrinkwrap(population, cut)
    areas = (pair[0].areas(population) for population in (one, other))
    assert np.abs(np.subtract(*areas)).max() <= (2 if cut.threshold == 0.2 else 0)
    for density, support in zip(before, other.support, strict=True):
        blurred = reference.blurred(np.abs(density), cut.sigma)
        assert blurred[~support].max() - blurred[support].min() < 1e-5 * blurred.max()
    assert np.array_equal(other.density, before * other.support)


@pytest.mark.parametrize(("size", "constraint"), [(64, "real")])
@pytest.mark.parametrize("count", [1, 100, 2000, 4096])
def test_selection_is_the_rank_in_a_sorted_image(pair: Any, count: int) -> None:
    """For a constant image too, where any pixels will do."""
    density = np.stack([noise(64, 3), np.ones((64, 64))]).astype(np.float32)
    population = Population(density.copy(), np.zeros((2, 64, 64), bool))
    pair[1].shrinkwrap(population, ShrinkWrap(0.0, None, count, 1, 4096))
    assert pair[1].areas(population).tolist() == [count, count]
    weakest = np.abs(density[0][population.support[0]]).min()
    assert np.count_nonzero(np.abs(density[0]) > weakest * (1 + 1e-5)) <= count


@on_all
@on_sizes
def test_registration(pair: Any) -> None:
    """Shifts, twins and phases are undone alike, by the last individual as the target too."""
    one, _ = both(pair)
    factor = 1j if one.density.dtype.kind == "c" else -1
    for index in range(POPSIZE):
        one.density[index] = factor**index * np.roll(
            one.density[0], (7 * index, -3 * index), (0, 1)
        )
        one.support[index] = np.roll(one.support[0], (7 * index, -3 * index), (0, 1))
    one.density[2] = one.density[2][::-1, ::-1].conj()
    one.support[2] = one.support[2][::-1, ::-1]
    other = pair[1].copy(one)
    for backend, population in zip(pair, (one, other), strict=True):
        backend.register(population, np.array([4, 4, 4, 0, 4]))
    agree(one, other)
    assert distance(other.density[2], other.density[4]) < 1e-3


@on_all
@on_sizes
def test_crossover(pair: Any) -> None:
    """The same random numbers, so the same children."""
    settings = settings_of(global__popsize=POPSIZE, DE__dither=0.2, DE__CR=0.6)
    populations = both(pair)
    cross = crossover_plan(settings, [KEY], 3)
    agree(*(one.crossover(two, cross) for one, two in zip(pair, populations, strict=True)))


@pytest.mark.parametrize("constraint", ["positive", "complex"])
def test_whole_reconstructions_agree(native: Make, constraint: str) -> None:
    settings = settings_of(
        global__popsize=5, global__generations=4, init__supportsize=14, IA__it=20,
        object__constraint=constraint,
    )  # fmt: skip
    pattern = pattern_of(1e3 * lumps(64), disc(64, 2), pid=(1,), cropsize=64, size=64)
    backends = (reference_backend(), native())
    one, other = (reconstruct(pattern, settings, backend=backend).data for backend in backends)
    overlap = abs(np.vdot(one, other)) / np.linalg.norm(one) / np.linalg.norm(other)
    assert overlap > 0.999


@pytest.mark.parametrize("constraint", ["positive", "complex"])
@pytest.mark.parametrize("size", [64, 66])
def test_threads_do_not_change_the_result(native: Make, size: int, constraint: str) -> None:
    """Bit by bit, for sizes with and without kernels."""
    settings = settings_of(
        global__popsize=7, global__generations=3, init__supportsize=14, IA__it=12,
        object__constraint=constraint,
    )  # fmt: skip
    pattern = pattern_of(1e3 * lumps(size), disc(size, 2), pid=(1,), cropsize=size, size=size)
    one, other = (
        reconstruct(pattern, settings, backend=native(threads=threads)) for threads in (1, 3)
    )
    assert np.array_equal(one.data, other.data)
    assert np.array_equal(one.error_history, other.error_history)


@on_all
@pytest.mark.parametrize("size", [64])
def test_darkness_has_no_phase(pair: Any) -> None:
    """An empty density projects to finite moduli, as in the reference; so does its partner."""
    one, other = both(pair)
    for population in (one, other):
        population.density[:2] = [[[0.0]], [[1e-25]]]
    for backend, population in zip(pair, (one, other), strict=True):
        backend.iterate(population, rule("ER", IA()), 1)
    assert np.isfinite(other.density).all()
    assert distance(other.density[[0, 2]], one.density[[0, 2]]) < 1e-5


@pytest.mark.parametrize("size", [32, 66, 48])
def test_other_sizes_are_worked_on_in_the_reference_s_way(native: Make, size: int) -> None:
    """With one line about it, however many jobs there are."""
    said: list[str] = []
    backends = (reference_backend(), native(say=said.append))
    populations = []
    for backend in backends:
        for _ in range(2):
            backend.load([Problem(data_of(size, "positive"), KEY)], settings_of(global__popsize=4))
        population = backend.create(0)
        backend.iterate(population, rule("RAAR", IA()), 3)
        backend.shrinkwrap(population, CUTS["area"])
        backend.register(population, np.zeros(4, int))
        populations.append(population)
    assert np.array_equal(populations[0].density, populations[1].density)
    assert len(said) == 1
    assert f"the size {size} is no power of two" in said[0]
