"""Figures of merit: errors, transfer function, correlations; all on host arrays.

Spectra and rings have the zero frequency at [size // 2, size // 2] unless said otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ..model.rings import Profile, radii, ratio, ring_sums


def spectrum(density: NDArray[np.inexact]) -> NDArray[np.complexfloating]:
    """Unitary Fourier transform, zero frequency at [size // 2, size // 2]."""
    transform = fft.fft2(fft.ifftshift(density), norm="ortho")
    centred: NDArray[np.complexfloating] = fft.fftshift(transform)
    return centred


def prtf(
    densities: NDArray[np.inexact], amplitude: NDArray[np.float32], measured: NDArray[np.bool_]
) -> Profile:
    """Phase retrieval transfer function of aligned densities, ring by ring.

    The modulus of the mean transform over the measured amplitude, both summed over the measured
    pixels of a ring (Chapman et al., J. Opt. Soc. Am. A 23, 1179 (2006)); nan where a ring has
    none, and everywhere for a single density, which agrees with itself whatever it is.

    Parameters
    ----------
    densities
        (members, size, size), aligned.
    amplitude, measured
        (size, size).
    """
    if len(densities) < 2:
        return np.full(len(amplitude) // 2, np.nan)
    phases = np.zeros(amplitude.shape, np.complex128)
    for density in densities:
        # Where the origin lies is the same for all, and of no account.
        transform = fft.fft2(density)
        transform /= np.maximum(np.abs(transform), np.finfo(np.float32).tiny)
        phases += transform
    agreement = fft.fftshift(np.abs(phases)) / len(densities)
    return ratio(ring_sums(amplitude * agreement, measured), ring_sums(amplitude, measured))


def ring_correlation(first: NDArray[np.inexact], second: NDArray[np.inexact]) -> Profile:
    """Fourier ring correlation of two aligned densities, (size // 2,)."""
    a, b = spectrum(first), spectrum(second)
    cross = ring_sums((a * b.conj()).real)
    power = ring_sums(np.abs(a) ** 2) * ring_sums(np.abs(b) ** 2)
    return ratio(cross, np.sqrt(power))


def crossing(profile: Profile, level: float) -> float:
    """The first radius at which a profile falls below a level, linear between rings.

    nan rings are skipped; the edge ``len(profile)`` is returned where it never falls, and 0.0
    where it starts below or all rings are nan.
    """
    known = np.flatnonzero(np.isfinite(profile))
    if len(known) == 0:
        return 0.0
    below = np.flatnonzero(profile[known] < level)
    if len(below) == 0:
        return float(len(profile))
    if below[0] == 0:
        return 0.0
    left, right = known[below[0] - 1], known[below[0]]
    drop = profile[left] - profile[right]
    return float(left + (right - left) * (profile[left] - level) / drop)


def resolution(profile: Profile, level: float) -> float | None:
    """Full-period resolution in pixels: size over the radius where the profile crosses.

    None where the profile starts below the level or is unknown, as that of a single individual is;
    2.0 where it never is.
    """
    # A period of size / q pixels belongs to radius q; a profile has size / 2 rings.
    radius = crossing(profile, level)
    return float(2 * len(profile) / radius) if radius else None


def correlation(first: NDArray[np.inexact], second: NDArray[np.inexact]) -> float:
    """Normalised correlation |<a, b>| / (|a| |b|) of two arrays as they lie."""
    product = np.linalg.norm(first) * np.linalg.norm(second)
    return float(abs(np.vdot(first, second)) / product) if product else 0.0


def band_correlation(
    first: NDArray[np.inexact], second: NDArray[np.inexact], low: float, high: float
) -> float:
    """Correlation of the complex spectra of two aligned densities, low <= radius < high."""
    radius = radii(len(first))
    band = (radius >= low) & (radius < high)
    a, b = spectrum(first)[band], spectrum(second)[band]
    return float(np.vdot(a, b).real / (np.linalg.norm(a) * np.linalg.norm(b)))
