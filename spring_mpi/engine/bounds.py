"""What the data say of every modulus: its bounds [L, U], whatever happened to the pixel.

A measured pixel has L = U, a masked one [0, inf], a saturated one [L, inf]; a bound on missing
intensities lowers U. One projection then serves all cases: clip the modulus, keep the phase.
Arrays have the zero frequency at [0, 0]; moduli are square roots of photons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model.pattern import Pattern
from ..model.rings import radii

Moduli = NDArray[np.float32]
_SAFETY = 3.0


@dataclass(frozen=True)
class ModulusBounds:
    """Lower and upper modulus of every Fourier pixel, (size, size) float32."""

    lower: Moduli
    upper: Moduli
    norm: float
    """Sum of the measured intensities: what errors are relative to."""

    @property
    def size(self) -> int:
        return len(self.lower)


def modulus_bounds(pattern: Pattern, *, symmetric: bool, bounded: bool) -> ModulusBounds:
    """The bounds that a pattern sets.

    Parameters
    ----------
    symmetric
        The density is real: a pixel and its Friedel partner measure the same modulus, so their
        intensities are averaged, and one of them is enough.
    bounded
        Missing intensities get the upper bound of `missing_bound`.
    """
    intensity, measured, saturated = pattern.intensity, pattern.measured, pattern.saturated
    if symmetric:
        intensity, measured, saturated = _symmetric(intensity, measured, saturated)
    known: Moduli = np.sqrt(np.maximum(intensity, 0), dtype=np.float32)
    lower = np.where(measured | saturated, known, np.float32(0))
    upper = np.where(measured, known, np.float32(np.inf))
    if bounded:
        bound = missing_bound(intensity, measured)
        upper = np.where(measured | saturated, upper, np.sqrt(bound, dtype=np.float32))
    norm = float(np.sum(np.square(known[measured], dtype=np.float64)))
    return ModulusBounds(np.fft.ifftshift(lower), np.fft.ifftshift(upper), norm)


def partner(array: NDArray[Any]) -> NDArray[Any]:
    """The array at -k, zero frequency at [size // 2, size // 2]; (size, size)."""
    shifted = np.fft.ifftshift(array)
    return np.fft.fftshift(np.roll(shifted[::-1, ::-1], 1, axis=(0, 1)))


def friedel_mean(
    intensity: NDArray[np.floating], measured: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Mean of what is measured of a pixel and its partner, and of how many: 0, 1 or 2.

    The mean has the type of the intensity, and is 0 where neither is measured.
    """
    counted = np.where(measured, intensity, 0)
    number = measured.astype(np.float32) + partner(measured)
    return (counted + partner(counted)) / np.maximum(number, 1), number


def _symmetric(
    intensity: NDArray[np.float32], measured: NDArray[np.bool_], saturated: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Intensity, measured and saturated pixels of an exactly symmetric pattern.

    A measured partner says more than a saturated or masked pixel; of two saturated ones the
    higher value is the bound.
    """
    twin, twin_saturated = map(partner, (intensity, saturated))
    mean, number = friedel_mean(intensity, measured)
    # Both partners are at least as bright as either says.
    floor = np.maximum(np.where(saturated, intensity, 0), np.where(twin_saturated, twin, 0))
    known = number > 0
    return (
        np.where(known, mean, floor).astype(np.float32),
        known,
        (saturated | twin_saturated) & ~known,
    )


def missing_bound(
    intensity: NDArray[np.float32], measured: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Upper bound of missing intensities, (size, size), zero frequency at the centre.

    At radius q: three times the largest intensity measured at any radius >= q; inside the
    innermost measured ring, three times the Guinier law I0 exp(-b q^2) fitted to the innermost
    rings.
    """
    radius = radii(len(intensity))
    rings = radius.astype(int)
    highest = np.zeros(rings.max() + 1)
    np.maximum.at(highest, rings[measured], intensity[measured].astype(np.float64))
    envelope = np.maximum.accumulate(highest[::-1])[::-1]
    inner = int(rings[measured].min())
    fit = np.arange(inner, min(inner + 4, len(envelope)))
    positive = envelope[fit] > 0
    # log I = log I0 - b q^2 is a line; it must not rise inwards, nor overflow.
    if positive.sum() >= 2:
        slope, level = np.polyfit(fit[positive] ** 2.0, np.log(envelope[fit][positive]), 1)
        centre = np.arange(inner)
        envelope[:inner] = np.exp(np.minimum(level + min(slope, 0.0) * centre**2.0, 80.0))
    bound: NDArray[np.float64] = _SAFETY * envelope[rings]
    return bound
