"""What independent runs agree on, ring by ring, and the resolution that follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...model.alignment import Anchor
from ...model.rings import Profile, ratio, ring_sums
from ..metrics import ring_correlation
from .data import Data
from .misfit import Misfit

_RINGS = 3
"""Over which correlations are averaged: a ring of a small object has few independent values."""
LEVEL = 0.5
"""Where the agreement falls below it the resolution ends."""
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
    misfit: Misfit,
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
    misfit
        Of the density.
    """
    size = len(density)
    curves = [smoothed(ring_correlation(density, other)) for other in others]
    power = misfit.modulus**2
    signal = smoothed(ratio(ring_sums(power), ring_sums(np.ones_like(power))))
    relative = area / (2 * size**2 * np.maximum(signal, np.finfo(float).tiny))
    relative += _HIDDEN * _unexplained(misfit, data)
    profile: Profile = np.min(curves, axis=0) / np.sqrt(1 + relative)
    profile[: int(np.ceil(data.hole_radius))] = np.nan
    return profile


def _unexplained(misfit: Misfit, data: Data) -> Profile:
    """Of every ring the misfit of the moduli that noise does not explain, over the power."""
    inside = data.measured
    unexplained, power = np.zeros(inside.shape), np.zeros(inside.shape)
    unexplained[inside], power[inside] = misfit.found - misfit.expected, misfit.powers
    sums, powers = (smoothed(ring_sums(values)) for values in (unexplained, power))
    return np.nan_to_num(ratio(np.maximum(sums, 0), powers))


def smoothed(profile: Profile) -> Profile:
    """Means over three rings, fewer at the ends."""
    known = np.isfinite(profile)
    ones = np.ones(_RINGS)
    sums = np.convolve(np.where(known, profile, 0), ones, mode="same")
    return ratio(sums, np.convolve(known.astype(float), ones, mode="same"))
