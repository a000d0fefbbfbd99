"""Start densities: spheres within the support, each with numbers of its own."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from helpers.physics import bounds_of, loaded, lumps, settings_of
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.engine.random import job_key
from spring_mpi.engine.requirements import support_size
from spring_mpi.engine.start import start_density, start_support
from spring_mpi.model.settings import Init

KEY = job_key(1, "test")


@given(
    size=st.integers(24, 33),
    supportsize=st.integers(4, 12),
    smallest=st.floats(0.05, 1),
    individual=st.integers(0, 10**6),
    constraint=st.sampled_from(["positive", "complex"]),
)
def test_start_densities_lie_in_the_disc(
    size: int, supportsize: int, smallest: float, individual: int, constraint: str
) -> None:
    """No light lies outside the disc of diameter `supportsize` about [size//2, size//2]."""
    settings = settings_of(
        init__supportsize=supportsize, init__itemsize_min=smallest, object__constraint=constraint
    )
    density = start_density(
        settings.init, size, KEY, 0, individual, is_real=constraint != "complex"
    )
    inside = start_support(settings.init, size)
    assert density.dtype == (np.complex64 if constraint == "complex" else np.float32)
    assert not density[~inside].any()
    assert constraint == "complex" or (density >= 0).all()


@pytest.mark.parametrize("size", [32, 33])
def test_the_support_has_the_size_asked_for(size: int) -> None:
    """A disc or square of extent 10 reaches 5 pixels from the middle and not 6."""
    for shape, area in (("disc", 81), ("square", 121)):
        support = start_support(settings_of(init__supportsize=10, init__shape=shape).init, size)
        middle = size // 2
        assert support[middle].nonzero()[0].tolist() == list(range(middle - 5, middle + 6))
        assert support.sum() == area


@pytest.mark.parametrize(
    ("given", "extent", "size"), [(60, 10, 60), ("auto", 20, 32), ("auto", 60, 64), ("auto", 0, 32)]
)
def test_the_support_of_an_event(given: int | str, extent: float, size: int) -> None:
    """A number is as given; auto is 1.6 times the extent, at most half, and a quarter without."""
    assert support_size(settings_of(init__supportsize=given).init, extent, 128) == size


def test_start_densities_are_reproducible_and_differ() -> None:
    """The same numbers give the same density; another key, generation or individual another."""
    uses = [(KEY, 0, 0), (KEY, 0, 1), (KEY, 1, 0), (KEY + 1, 0, 0)]
    first, again = (
        [start_density(Init(), 64, *use, is_real=True) for use in uses] for _ in range(2)
    )
    assert all(np.array_equal(one, same) for one, same in zip(first, again, strict=True))
    assert not any(np.array_equal(one, other) for one, other in combinations(first, 2))


def test_one_sphere_has_the_profile_asked_for() -> None:
    """A single sphere of full size is w (1 - r^2/R^2)^gamma about the middle."""
    settings = settings_of(init__supportsize=20, init__items=1, init__itemsize_min=1.0)
    density = start_density(settings.init, 32, KEY, 0, 0, is_real=True).astype(np.float64)
    squared = ((np.indices((32, 32)) - 16) ** 2).sum(axis=0) / 100
    profile = np.maximum(1 - squared, 0) ** 0.5
    assert np.allclose(density, density.max() * profile, atol=1e-6)


def test_start_densities_have_the_light_of_the_pattern() -> None:
    """A population is scaled to the data: scaling it further only raises the errors."""
    backend = loaded(bounds_of(lumps(32)), global__popsize=4, init__supportsize=16)
    population = backend.create(0)
    errors = backend.errors(population)
    for factor in (0.98, 1.02):
        scaled = backend.copy(population)
        scaled.density *= factor
        assert (backend.errors(scaled) > errors).all()
