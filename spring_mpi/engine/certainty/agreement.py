"""What independent runs agree on, ring by ring, and the resolution that follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...model.alignment import Anchor
from ...model.rings import Profile, ratio, ring_sums
from ..metrics import crossing, ring_correlation, spectrum
from .data import Data

_RINGS = 3
"""Over which correlations are averaged: a ring of a small object has few independent values."""
LEVEL = 0.5


def registered(
    density: NDArray[np.inexact], others: Sequence[NDArray[np.inexact]]
) -> list[NDArray[np.inexact]]:
    """The other densities moved onto the first one, to fractions of a pixel."""
    anchor = Anchor(density)
    return [anchor.motion(other, subpixel=True).move(other) for other in others]


def agreement(
    density: NDArray[np.inexact],
    others: Sequence[NDArray[np.inexact]],
    area: int,
    chi: float,
    data: Data,
) -> Profile:
    """C(q) at radius 0, 1, ... pixels, (size // 2,); nan within the unmeasured centre.

    The least Fourier ring correlation with an independent run, times the correlation with the
    truth that noise leaves of a signal, sqrt(SNR / (1 + SNR)); SNR is the mean power of the density
    in a ring over the noise within a support of that area. Means over three rings.

    Parameters
    ----------
    density, others
        (size, size), registered.
    area
        Of the support, pixels.
    chi
        See `Figures.chi`.
    """
    size = len(density)
    curves = [smoothed(ring_correlation(density, other)) for other in others]
    power = np.abs(spectrum(density)) ** 2
    mean = smoothed(ratio(ring_sums(power), ring_sums(np.ones_like(power))))
    signal = mean * 2 * size**2 / (area * max(1.0, chi**2))
    profile: Profile = np.min(curves, axis=0) * np.sqrt(signal / (1 + signal))
    profile[: int(np.ceil(data.hole_radius))] = np.nan
    return profile


def smoothed(profile: Profile) -> Profile:
    """Means over three rings, fewer at the ends."""
    known = np.isfinite(profile)
    ones = np.ones(_RINGS)
    sums = np.convolve(np.where(known, profile, 0), ones, mode="same")
    return ratio(sums, np.convolve(known.astype(float), ones, mode="same"))


def resolution(profile: Profile) -> float | None:
    """Full period at which the agreement first falls below one half, pixels of the density.

    2.0 where it never does; None where it is below from the start.
    """
    radius = crossing(profile, LEVEL)
    return float(2 * len(profile) / radius) if radius else None
