"""Shrink-wrap: a periodic blur, a cut at a share or an area, and guards."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.physics import alone, bounds_of, disc, loaded, lumps, noise, operators, settings_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from spring_mpi.engine.backend import ShrinkWrap
from spring_mpi.engine.shrinkwrap import fitness, shrink_wrap

SIZE = 33
ALL = np.ones((SIZE, SIZE), bool)


def support_after(density: np.ndarray, wrap: ShrinkWrap) -> np.ndarray:
    backend = loaded(bounds_of(lumps(SIZE)))
    population = alone(density, ALL)
    backend.shrinkwrap(population, wrap)
    assert np.array_equal(population.density[0], density * population.support[0])
    return population.support[0]


@given(area=st.integers(9, 250), seed=st.integers(0, 1000), sigma=st.floats(0, 3))
def test_area_mode_keeps_exactly_the_area(area: int, seed: int, sigma: float) -> None:
    """Of any density just as many pixels are kept as asked for."""
    density = np.abs(noise(SIZE, seed))
    assert support_after(density, ShrinkWrap(sigma, None, area, 9, 272)).sum() == area


def test_equal_pixels_do_not_widen_the_area() -> None:
    """Where most pixels are equal, as in an empty density, the area is kept all the same."""
    few = np.zeros((SIZE, SIZE))
    few[4, 4:8] = 1.0
    for density in (few, 0 * few):
        assert support_after(density, ShrinkWrap(0.0, None, 40, 9, 272)).sum() == 40
        assert support_after(density, ShrinkWrap(0.0, 0.1, 0, 9, 272)).sum() == 9
    assert support_after(few, ShrinkWrap(0.0, None, 40, 9, 272))[4, 4:8].all()


@pytest.mark.parametrize(("threshold", "area"), [(0.95, 20), (0.01, 100)])
def test_a_threshold_is_guarded(threshold: float, area: int) -> None:
    """A threshold that keeps too few or too many pixels keeps the bound of the area."""
    assert support_after(lumps(SIZE), ShrinkWrap(0.5, threshold, 0, 20, 100)).sum() == area


def test_a_threshold_between_the_guards_keeps_what_exceeds_it() -> None:
    """Without blur the support is where the density exceeds the share of its maximum."""
    density = lumps(SIZE)
    expected = density > 0.3 * density.max()
    assert np.array_equal(support_after(density, ShrinkWrap(0.0, 0.3, 0, 9, 272)), expected)


@pytest.mark.parametrize("sigma", [2.0, 3.5])
@pytest.mark.parametrize("size", [32, 33])
def test_the_blur_is_a_gaussian_on_the_periodic_grid(size: int, sigma: float) -> None:
    """The support is that of the modulus blurred by an independent implementation."""
    density = np.roll(lumps(size), (size // 2, 3), axis=(0, 1)) + 0.01 * np.abs(noise(size, 1))
    blurred = ndimage.gaussian_filter(np.abs(density), sigma, mode="wrap", truncate=8)
    population = alone(density, np.ones((size, size), bool))
    backend = loaded(bounds_of(lumps(size)))
    assert np.allclose(
        operators(bounds_of(lumps(size))).blurred(np.abs(density), sigma),
        blurred,
        atol=1e-3 * blurred.max(),
    )
    backend.shrinkwrap(population, ShrinkWrap(sigma, 0.25, 0, 9, size**2))
    near = np.abs(blurred - 0.25 * blurred.max()) < 1e-3 * blurred.max()
    assert np.array_equal(population.support[0] | near, (blurred > 0.25 * blurred.max()) | near)


def test_schedules() -> None:
    """Sigma falls geometrically; the area linearly, then constant in the last quarter."""
    settings = settings_of(
        global__generations=101, SW__mode="area", SW__area=100.0, SW__area_start=2.0,
        SW__area_end=1.0, SW__sigma_start=4.0, SW__sigma_end=1.0,
    )  # fmt: skip
    wraps = [shrink_wrap(settings, 64, generation) for generation in range(101)]
    ratios = [late.sigma / early.sigma for early, late in itertools.pairwise(wraps)]
    assert (wraps[0].sigma, wraps[50].sigma, wraps[100].sigma) == pytest.approx((4, 2, 1))
    assert ratios == pytest.approx([ratios[0]] * 100)
    assert [wraps[generation].area for generation in (0, 15, 30, 75, 76, 100)] == [
        200, 180, 160, 100, 100, 100,
    ]  # fmt: skip
    assert {wrap.threshold for wrap in wraps} == {None}


def test_sigma_may_end_at_zero() -> None:
    """A schedule to or from zero is linear, and one generation has the first of everything."""
    settings = settings_of(global__generations=5, SW__sigma_start=2.0, SW__sigma_end=0.0)
    assert [shrink_wrap(settings, 64, step).sigma for step in range(5)] == [2, 1.5, 1, 0.5, 0]
    assert shrink_wrap(settings_of(global__generations=1), 64, 0).sigma == 3.0


def test_the_area_without_a_given_one_is_the_start_supports() -> None:
    """`SW.area` null stands for the area of the initial support."""
    settings = settings_of(SW__mode="area", init__supportsize=20)
    assert shrink_wrap(settings, 64, 0).area == round(1.6 * disc(64, 20).sum())


@given(st.floats(0, 2), st.integers(9, 2000))
def test_of_equal_errors_the_smaller_support_is_fitter(power: float, area: int) -> None:
    """The fitness is the error times a power of the area."""
    found = fitness(
        np.array([0.1, 0.1]), np.array([area, area + 1]), settings_of(SW__area_power=power)
    )
    assert found[0] == pytest.approx(0.1 * area**power)
    assert found[0] <= found[1]
