"""Rings: every pixel counts once, in the ring of its rounded radius."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.physics import noise
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.model.rings import object_extent, radii, ratio, ring_sums


@pytest.mark.parametrize("size", [8, 9, 17, 20])
def test_ring_sums_by_brute_force(size: int) -> None:
    """Sums over rings are those of a loop over pixels."""
    values, where = noise(size, 1), noise(size, 2) > 0
    expected = np.zeros(size // 2)
    for row in range(size):
        for column in range(size):
            ring = round(math.hypot(row - size // 2, column - size // 2))
            if ring < size // 2 and where[row, column]:
                expected[ring] += values[row, column]
    assert np.allclose(ring_sums(values, where), expected)
    assert np.allclose(ring_sums(values), ring_sums(values, np.ones_like(where)))


@given(st.integers(2, 40))
def test_radius_is_zero_at_the_zero_frequency(size: int) -> None:
    """The radius vanishes at [size//2, size//2] alone."""
    assert np.argwhere(radii(size) == 0).tolist() == [[size // 2, size // 2]]


def test_ratio_is_nan_where_nothing_was_measured() -> None:
    """A ring without a denominator has no ratio."""
    quotient = ratio(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0, -1.0]))
    assert quotient[0] == 0.5
    assert np.isnan(quotient).tolist() == [False, True, True]


def test_the_unmeasured_has_no_extent() -> None:
    """Where nothing was measured the extent is 0: unknown."""
    assert object_extent(np.ones((32, 32)), np.zeros((32, 32), bool)) == 0.0
