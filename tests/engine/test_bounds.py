"""Intervals: what every kind of pixel, and its Friedel partner, says of the modulus."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.physics import noise
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.engine.bounds import ModulusBounds, missing_bound, modulus_bounds, partner
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.rings import radii

SIZE, MIDDLE = 9, 4
HERE, THERE = (6, 1), (2, 7)  # partners about (4, 4)


def pattern(
    here: float, there: float, *, masked: tuple[tuple[int, int], ...] = (), size: int = SIZE
) -> Pattern:
    """Everywhere 4 photons but in two partners; saturated from 100 on."""
    raw, mask = np.full((size, size), 4.0), np.zeros((size, size), bool)
    raw[HERE], raw[THERE] = here, there
    for pixel in masked:
        mask[pixel] = True
    return Pattern(raw, mask, (MIDDLE, MIDDLE), satvalue=100)


def limits(data: ModulusBounds, pixel: tuple[int, int]) -> tuple[float, float]:
    lower, upper = np.fft.fftshift(data.lower), np.fft.fftshift(data.upper)
    return float(lower[pixel]), float(upper[pixel])


@pytest.mark.parametrize(
    ("here", "masked", "expected"),
    [
        (9.0, False, (3, 3)),
        (-9.0, False, (0, 0)),
        (9.0, True, (0, np.inf)),
        (np.nan, False, (0, np.inf)),
        (144.0, False, (12, np.inf)),
        (144.0, True, (0, np.inf)),
    ],
)
def test_every_kind_of_pixel_alone(
    here: float, masked: bool, expected: tuple[float, float]
) -> None:
    """Of a complex density a pixel knows its own reading only."""
    data = modulus_bounds(
        pattern(here, 4.0, masked=(HERE,) if masked else ()), symmetric=False, bounded=False
    )
    assert limits(data, HERE) == expected
    assert limits(data, THERE) == (2, 2)


@pytest.mark.parametrize(
    ("here", "there", "masked", "expected"),
    [
        (9.0, 23.0, (), (4, 4)),
        (9.0, -1.0, (), (2, 2)),
        (9.0, 16.0, (HERE,), (4, 4)),
        (np.nan, 16.0, (), (4, 4)),
        (144.0, 81.0, (), (9, 9)),
        (144.0, 196.0, (), (14, np.inf)),
        (144.0, 16.0, (THERE,), (12, np.inf)),
        (9.0, 16.0, (HERE, THERE), (0, np.inf)),
    ],
)
def test_friedel_partners_say_the_same(
    here: float,
    there: float,
    masked: tuple[tuple[int, int], ...],
    expected: tuple[float, float],
) -> None:
    """Two measured partners are averaged, one measured one counts, saturated ones bound."""
    data = modulus_bounds(pattern(here, there, masked=masked), symmetric=True, bounded=False)
    assert limits(data, HERE) == expected
    assert limits(data, THERE) == expected


def hit(size: int, seed: int) -> Pattern:
    """Masked, saturated, broken and negative pixels at random."""
    raw = np.abs(noise(size, seed)) * 50 - 2
    raw[np.abs(noise(size, seed + 1)) > 2.2] = np.nan
    return Pattern(raw, noise(size, seed + 2) > 1.5, (size // 2, size // 2), satvalue=90)


@given(size=st.sampled_from([8, 9, 13, 16]), seed=st.integers(0, 10**6))
def test_symmetric_intervals_are_symmetric_and_ordered(size: int, seed: int) -> None:
    """Whatever the pattern holds: 0 <= L <= U, L finite, no nan, and with symmetry L = L(-k)."""
    for symmetric in (False, True):
        for bounded in (False, True):
            data = modulus_bounds(hit(size, seed), symmetric=symmetric, bounded=bounded)
            assert np.isfinite(data.lower).all()
            assert (data.lower >= 0).all()
            assert (data.lower <= data.upper).all()
            if symmetric:
                for moduli in (data.lower, data.upper):
                    assert np.array_equal(partner(np.fft.fftshift(moduli)), np.fft.fftshift(moduli))


@given(size=st.sampled_from([8, 9, 16, 17]), seed=st.integers(0, 10**6))
def test_the_partner_is_at_minus_k(size: int, seed: int) -> None:
    """The transform of a real density at -k is the conjugate of that at k."""
    transform: NDArray[np.complex128] = np.fft.fftshift(np.fft.fft2(noise(size, seed)))
    assert np.allclose(partner(transform), transform.conj())


def test_the_norm_is_the_measured_light() -> None:
    """Errors are relative to all measured photons; a partner that stands in counts."""
    one = pattern(9.0, 16.0, masked=(HERE,))
    rest = 4.0 * (SIZE**2 - 2)
    assert modulus_bounds(one, symmetric=False, bounded=False).norm == rest + 16
    assert modulus_bounds(one, symmetric=True, bounded=False).norm == rest + 32


def test_missing_intensities_are_bounded_by_what_lies_outside() -> None:
    """The bound falls with the radius, and lies above a Gaussian even in its missing centre."""
    size = 32
    radius = radii(size)
    light = 1e4 * np.exp(-((radius / 6) ** 2))
    bound = missing_bound(light.astype(np.float32), (radius > 5) & (np.abs(noise(size, 1)) < 1.5))
    rings = [bound[radius.astype(int) == ring] for ring in range(size // 2)]
    assert all(np.ptp(ring) == 0 for ring in rings)
    assert all(inner[0] >= outer[0] for inner, outer in itertools.pairwise(rings))
    assert (bound >= light).all()


def test_bounds_touch_missing_pixels_alone() -> None:
    """`bounds` lowers the upper limit of masked pixels, and leaves measured and saturated ones."""
    one = pattern(144.0, 16.0, masked=(THERE,))
    data = modulus_bounds(one, symmetric=False, bounded=True)
    assert limits(data, HERE) == (12, np.inf)
    assert limits(data, (0, 0)) == (2, 2)
    lower, upper = limits(data, THERE)
    assert (lower, upper) == (0, pytest.approx(np.sqrt(3 * 4)))
