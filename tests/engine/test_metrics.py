"""Figures of merit: exact on cases that are known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.physics import lumps, noise
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.engine.metrics import (
    band_correlation,
    correlation,
    crossing,
    prtf,
    resolution,
    ring_correlation,
    spectrum,
)
from spring_mpi.model.rings import radii

SIZE = 32
EVERYWHERE = np.ones((SIZE, SIZE), bool)


def amplitude_of(density: np.ndarray) -> np.ndarray:
    return np.abs(spectrum(density)).astype(np.float32)


@pytest.mark.parametrize("size", [16, 17])
def test_the_spectrum_is_unitary_and_centred(size: int) -> None:
    """Power is kept, and a point in the middle has a flat real spectrum."""
    density, point = noise(size, 1), np.zeros((size, size))
    point[size // 2, size // 2] = size
    assert np.linalg.norm(spectrum(density)) == pytest.approx(np.linalg.norm(density))
    assert np.allclose(spectrum(point), 1)


@pytest.mark.parametrize("members", [2, 5])
def test_the_prtf_of_identical_members_is_one(members: int) -> None:
    """Members that agree have the transfer function 1 in every ring, whatever their moduli."""
    density = lumps(SIZE)
    profile = prtf(np.stack([density] * members), amplitude_of(noise(SIZE, 2)), EVERYWHERE)
    assert np.allclose(profile, 1)
    assert resolution(profile, 0.5) == 2.0


def test_the_prtf_of_random_phases_falls_with_their_number() -> None:
    """K members of unrelated phases have sqrt(pi / 4 K), the mean of a Rayleigh distribution."""
    members = np.stack([noise(64, seed, is_complex=True) for seed in range(64)])
    flat, everywhere = np.ones((64, 64), np.float32), np.ones((64, 64), bool)
    for number in (16, 64):
        profile = prtf(members[:number], flat, everywhere)
        assert profile[8:].mean() == pytest.approx(np.sqrt(np.pi / 4 / number), rel=0.03)


def test_the_prtf_of_one_member_is_unknown() -> None:
    """One density agrees with itself, right or wrong: no transfer function, no resolution."""
    profile = prtf(lumps(SIZE)[None], amplitude_of(lumps(SIZE)), EVERYWHERE)
    assert np.isnan(profile).all()
    assert resolution(profile, 0.5) is None


def test_the_prtf_knows_measured_rings_only() -> None:
    """A ring without a measured pixel is nan; masked pixels do not count in the others."""
    amplitude = amplitude_of(lumps(SIZE))
    measured = radii(SIZE) > 3.5
    members = np.stack([lumps(SIZE), lumps(SIZE)])
    profile = prtf(members, np.where(measured, amplitude, 1e6).astype(np.float32), measured)
    assert np.flatnonzero(np.isnan(profile)).tolist() == [0, 1, 2, 3]
    assert np.allclose(profile[4:], 1)


@pytest.mark.parametrize(
    ("profile", "radius"),
    [
        ([1.0, 1.0, 0.0, 0.0], 1.5),
        ([1.0, 0.75, 0.25, 1.0], 1.5),
        ([1.0, 0.5, 0.4], 1.0),
        ([np.nan, 1.0, np.nan, 0.0], 2.0),
        ([1.0, 1.0, 1.0, 1.0], 4.0),
        ([0.4, 1.0, 1.0, 1.0], 0.0),
        ([np.nan, 0.2, 0.1], 0.0),
        ([np.nan, np.nan], 0.0),
    ],
)
def test_crossings_by_hand(profile: list[float], radius: float) -> None:
    """The crossing of 0.5 lies on the line between two rings."""
    assert crossing(np.array(profile), 0.5) == pytest.approx(radius)


@given(st.floats(0.5, 30))
def test_the_crossing_of_a_straight_line_is_exact(radius: float) -> None:
    """A profile that falls straight crosses where the line does."""
    profile = 1 - 0.5 * np.arange(32.0) / radius
    assert crossing(profile, 0.5) == pytest.approx(radius)
    assert resolution(profile, 0.5) == pytest.approx(64 / radius)


def test_ring_correlation_of_equals_and_opposites() -> None:
    """1 between equals whatever their scale, -1 between opposites, 0 between the unrelated."""
    density = noise(SIZE, 3)
    assert np.allclose(ring_correlation(density, 3 * density), 1)
    assert np.allclose(ring_correlation(density, -density), -1)
    unrelated = ring_correlation(noise(128, 4), noise(128, 5))
    assert abs(unrelated[8:].mean()) < 0.02


def test_correlation_is_of_direction_alone() -> None:
    """Scale and global phase do not count; the orthogonal and the empty have none."""
    density = noise(SIZE, 6, is_complex=True)
    assert correlation(density, -2j * density) == pytest.approx(1)
    assert correlation(np.array([1.0, 0]), np.array([0, 1.0])) == 0
    assert correlation(density, np.zeros((SIZE, SIZE))) == 0


def test_band_correlation_sees_its_band_alone() -> None:
    """What differs outside the band does not count, what differs inside does."""
    density, radius = lumps(SIZE), radii(SIZE)
    changed = spectrum(density) * np.where(radius < 4, 5.0, 1.0)
    other = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(changed), norm="ortho"))
    assert band_correlation(density, other, 4, 12) == pytest.approx(1)
    assert band_correlation(density, np.roll(density, 2, axis=0), 4, 12) < 0.6
