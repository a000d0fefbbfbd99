"""The reference backend: one projection for all kinds of pixels, and the algorithms on it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from helpers.physics import alone, bounds_of, disc, loaded, lumps, noise, operators
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.engine.algorithms import ALGORITHMS, rule
from spring_mpi.engine.backends.host import HostBackend, Population
from spring_mpi.engine.bounds import ModulusBounds
from spring_mpi.engine.metrics import spectrum
from spring_mpi.model.settings import IA

SIZES = st.sampled_from([16, 21, 23])
SEEDS = st.integers(0, 10**6)


def data_of(size: int, seed: int, *, symmetric: bool) -> ModulusBounds:
    """Measured, masked, saturated and bounded pixels at random, as of a density or of anything."""
    density = noise(size, seed, is_complex=not symmetric)
    modulus = np.fft.ifftshift(np.abs(spectrum(density))).astype(np.float32)
    kind = np.random.default_rng(seed).integers(0, 4, (size, size))
    if symmetric:
        partner = np.roll(kind[::-1, ::-1], 1, axis=(0, 1))
        kind = np.minimum(kind, partner)
    lower = np.select([kind == 0, kind == 1], [modulus, modulus], 0).astype(np.float32)
    upper = np.select([kind == 0, kind == 3], [modulus, 0.5 * modulus], np.inf).astype(np.float32)
    return ModulusBounds(lower, upper, float(np.sum(modulus[kind == 0].astype(float) ** 2)))


def kind(constraint: str, precision: str) -> np.dtype[Any]:
    """The type of a density."""
    real = np.float32 if precision == "single" else np.float64
    return np.result_type(real, np.complex64) if constraint == "complex" else np.dtype(real)


@pytest.mark.parametrize("constraint", ["real", "complex"])
@given(size=SIZES, seed=SEEDS)
@settings(max_examples=25)
def test_projection_is_into_the_intervals_and_idempotent(
    constraint: str, size: int, seed: int
) -> None:
    """Projected moduli lie in [L, U]; projecting again changes nothing; nor do phases change."""
    data = data_of(size, seed, symmetric=constraint == "real")
    reference = operators(data, constraint)
    density = noise(size, seed + 1, is_complex=constraint == "complex")
    projected = reference.project(density)
    before, after = np.fft.fft2(density, norm="ortho"), np.fft.fft2(projected, norm="ortho")
    assert (np.abs(after) >= data.lower * (1 - 1e-6)).all()
    assert (np.abs(after) <= data.upper * (1 + 1e-6)).all()
    assert np.allclose(after, np.abs(after) * np.exp(1j * np.angle(before)))
    assert np.allclose(reference.project(projected), projected, atol=1e-6)


@given(size=SIZES, seed=SEEDS)
@settings(max_examples=25)
def test_projection_is_to_the_nearest(size: int, seed: int) -> None:
    """No other density within the intervals is nearer: not the true one, not a random one."""
    data, random = data_of(size, seed, symmetric=False), np.random.default_rng(seed)
    reference, density = operators(data, "complex"), noise(size, seed + 1, is_complex=True)
    distance = np.linalg.norm(reference.project(density) - density)
    for _ in range(5):
        moduli = data.lower + random.random((size, size)) * (np.minimum(data.upper, 9) - data.lower)
        phases = np.exp(2j * np.pi * random.random((size, size)))
        other = np.fft.ifft2(np.clip(moduli, data.lower, data.upper) * phases, norm="ortho")
        assert distance <= np.linalg.norm(other - density) + 1e-9


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("size", [16, 21, 23])
def test_a_density_that_fits_stays(size: int, is_complex: bool) -> None:
    """The true density, its shifts and its twin are fixed points with error 0."""
    density = noise(size, 1, is_complex=is_complex)
    kind_of_density = "complex" if is_complex else "real"
    reference = operators(bounds_of(density), kind_of_density)
    backend = loaded(bounds_of(density), kind_of_density)
    twin = np.roll(density[::-1, ::-1], (3, 1), axis=(0, 1)).conj()
    for one in (density, np.roll(density, 5, axis=1), twin):
        assert np.allclose(reference.project(one), one, atol=1e-5)
        assert backend.errors(alone(one, np.ones((size, size), bool))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize("constraint", ["positive", "complex"])
def test_darkness_has_no_phase(precision: str, constraint: str) -> None:
    """An empty or a barely lit density projects to finite moduli, without overflow."""
    size = 16
    data = bounds_of(1e4 * lumps(size))
    reference = operators(data, constraint, precision)
    for level in (0.0, 1e-44, 1e-30, 1e-20):
        dark = np.full((size, size), level, kind(constraint, precision))
        projected = reference.project(dark)
        assert np.isfinite(projected).all()
        moduli = np.abs(np.fft.fft2(projected, norm="ortho"))
        assert np.allclose(moduli, data.lower, rtol=1e-3, atol=1e-3 * data.lower.max())


@pytest.mark.parametrize("constraint", ["real", "complex"])
@pytest.mark.parametrize("size", [16, 17])
def test_errors_by_the_definition(size: int, constraint: str) -> None:
    """E = sqrt(sum d^2 / sum A^2), d the distance of a modulus to its interval."""
    data = data_of(size, 5, symmetric=constraint == "real")
    density = noise(size, 6, is_complex=constraint == "complex")
    moduli = np.abs(np.fft.fft2(density, norm="ortho"))
    gap = np.maximum(data.lower - moduli, 0) + np.maximum(moduli - data.upper, 0)
    everywhere = np.ones((size, size), bool)
    error = loaded(data, constraint).errors(alone(density, everywhere))
    assert error == pytest.approx(np.sqrt((gap**2).sum() / data.norm))


def iterated(
    algorithm: str, constraint: str, precision: str = "double", *, size: int = 32, count: int = 5
) -> NDArray[Any]:
    """A real positive start after some iterations within a disc."""
    backend = loaded(bounds_of(lumps(size), disc(size, 3)), constraint, precision)
    start = np.abs(noise(size, 3)) * disc(size, 20)
    population = alone(start.astype(kind(constraint, precision)), disc(size, 20))
    backend.iterate(population, rule(algorithm, IA()), count)
    return population.density[0]


@pytest.mark.parametrize("constraint", ["positive", "real", "complex"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_single_precision_is_enough(algorithm: str, constraint: str) -> None:
    """After 5 iterations single and double precision differ by less than 1e-5, relative rms."""
    if constraint == "complex":
        data, start = bounds_of(lumps(32) * (1 + 0.3j * lumps(32))), noise(32, 3, is_complex=True)
    else:
        data, start = bounds_of(lumps(32)), noise(32, 3)
    densities = []
    for precision in ("single", "double"):
        backend = loaded(data, constraint, precision)
        population = alone(start.astype(kind(constraint, precision)), disc(32, 20))
        backend.iterate(population, rule(algorithm, IA()), 5)
        densities.append(population.density[0])
    single, double = densities
    assert single.dtype == kind(constraint, "single")
    assert np.linalg.norm(single - double) < 1e-5 * np.linalg.norm(double)


@pytest.mark.parametrize("size", [32, 31])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_real_path_is_the_complex_one(algorithm: str, size: int) -> None:
    """On real data without the sign constraint half spectra give what whole spectra do."""
    real, whole = (iterated(algorithm, one, size=size) for one in ("real", "complex"))
    assert np.allclose(whole.imag, 0, atol=1e-9)
    assert np.allclose(whole.real, real, atol=1e-9)


@pytest.mark.parametrize("size", [16, 21, 23])
@given(seed=SEEDS)
@settings(max_examples=10)
def test_error_reduction_reduces_the_error(size: int, seed: int) -> None:
    """With a fixed support ER never raises the error of a feasible density."""
    backend = loaded(data_of(size, seed, symmetric=True))
    support = disc(size, 12)
    population = alone(np.abs(noise(size, seed + 1)) * support, support)
    errors = [backend.errors(population)[0]]
    for _ in range(15):
        backend.iterate(population, rule("ER", IA()), 1)
        errors.append(backend.errors(population)[0])
    assert all(late <= early + 1e-12 for early, late in itertools.pairwise(errors))
    assert errors[-1] < errors[0]


def projected_onto_support(density: NDArray[Any], support: NDArray[np.bool_]) -> NDArray[Any]:
    return np.where(support, np.maximum(density, 0), 0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(seed=SEEDS)
@settings(max_examples=10)
def test_the_rules_are_the_published_formulas(algorithm: str, seed: int) -> None:
    """One iteration is the formula in terms of the projections P onto data, S onto support."""
    size, support, x = 21, disc(21, 11), noise(21, seed)
    data = data_of(size, seed, symmetric=True)
    backend = loaded(data)
    population = alone(x, support)
    backend.iterate(population, rule(algorithm, IA()), 1)
    p = operators(data).project(x)
    inner = projected_onto_support(2 * p - x, support)
    expected = {
        "ER": projected_onto_support(p, support),
        "HIO": np.where(support & (p >= 0), p, x - 0.9 * p),
        "RAAR": 0.87 / 2 * ((2 * inner - (2 * p - x)) + x) + (1 - 0.87) * p,
        "DM": x + inner - p,
    }[algorithm]
    assert np.allclose(population.density[0], expected)


@pytest.mark.parametrize("constraint", ["positive", "complex"])
def test_individuals_do_not_touch_each_other(constraint: str) -> None:
    """What happens to an individual is the same alone and in company."""
    backend = loaded(bounds_of(lumps(32)), constraint, global__popsize=4, init__supportsize=16)
    whole, single = backend.create(2), backend.create(2)
    single = Population(single.density[2:3], single.support[2:3])
    for population in (whole, single):
        backend.iterate(population, rule("RAAR", IA()), 3)
    assert np.array_equal(whole.density[2], single.density[0])


def test_registration_moves_everyone_onto_the_target() -> None:
    """After registration copies, shifted and mirrored, coincide with their leader."""
    leader = lumps(32)
    mirrored = np.roll(leader[::-1, ::-1], (5, -3), axis=(0, 1))
    densities = np.stack([np.roll(leader, 4, axis=0), leader, mirrored])
    backend = loaded(bounds_of(leader))
    population = Population(densities, densities > 0.2)
    backend.register(population, np.array([1, 1, 1]))
    assert np.allclose(population.density, leader)
    assert np.array_equal(population.support, np.stack([leader > 0.2] * 3))


def test_a_saved_population_is_restored() -> None:
    """What was saved continues bit by bit as if it had not been."""
    backend = loaded(bounds_of(lumps(32)), precision="single", global__popsize=4)
    population = backend.create(0)
    restored = backend.restore(backend.save(population))
    for one in (population, restored):
        backend.iterate(one, rule("HIO", IA()), 2)
    assert np.array_equal(population.density, restored.density)
    assert np.array_equal(population.support, restored.support)


def test_copies_and_replacements_are_independent() -> None:
    """A copy does not follow its original, and only flagged individuals are replaced."""
    backend: HostBackend = loaded(bounds_of(lumps(32)), global__popsize=4)
    population, others = backend.create(0), backend.create(1)
    before = backend.copy(population)
    flags = np.array([True, False, True, False])
    backend.replace(population, others, flags)
    assert np.array_equal(population.density[flags], others.density[flags])
    assert np.array_equal(population.density[~flags], before.density[~flags])
    assert not np.array_equal(population.density[flags], before.density[flags])
