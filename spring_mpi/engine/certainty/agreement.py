"""What independent runs agree on, ring by ring, and the resolution that follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...model.alignment import Anchor
from ...model.rings import Profile, ratio, ring_sums
from ..metrics import crossing, ring_correlation, spectrum
from .data import Data, Values
from .noise import expected_misfit

_RINGS = 3
"""Over which correlations are averaged: a ring of a small object has few independent values."""
LEVEL = 0.5
_HIDDEN = 8.0
"""Power that is wrong in a ring over what shows in its moduli (measured)."""


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
    data: Data,
    noise: float,
) -> Profile:
    """C(q) at radius 0, 1, ... pixels, (size // 2,); nan within the unmeasured centre.

    The least Fourier ring correlation with an independent run, over sqrt(1 + N / S): S is the mean
    power of the density in a ring, N what noise leaves within a support of that area, and eight
    times the misfit of the moduli there that noise does not explain. Means over three rings.

    Parameters
    ----------
    density, others
        (size, size), registered.
    area
        Of the support, pixels.
    noise
        Read noise, photons.
    """
    size = len(density)
    curves = [smoothed(ring_correlation(density, other)) for other in others]
    modulus = np.abs(spectrum(density)).astype(np.float64)
    signal = smoothed(ratio(ring_sums(modulus**2), ring_sums(np.ones_like(modulus))))
    relative = area / (2 * size**2 * np.maximum(signal, np.finfo(float).tiny))
    relative += _HIDDEN * _unexplained(modulus, data, noise)
    profile: Profile = np.min(curves, axis=0) / np.sqrt(1 + relative)
    profile[: int(np.ceil(data.hole_radius))] = np.nan
    return profile


def _unexplained(modulus: Values, data: Data, noise: float) -> Profile:
    """Of every ring the misfit of the moduli that noise does not explain, over the power."""
    inside = data.measured
    misfit, power = np.zeros_like(modulus), np.where(inside, data.modulus**2, 0)
    expected = expected_misfit(modulus[inside] ** 2, data.partners[inside], noise)
    misfit[inside] = (modulus - data.modulus)[inside] ** 2 - expected
    sums, powers = (smoothed(ring_sums(values, inside)) for values in (misfit, power))
    return np.nan_to_num(ratio(np.maximum(sums, 0), powers))


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
