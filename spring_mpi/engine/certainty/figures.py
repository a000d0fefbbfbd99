"""The figures of merit of a reconstruction against its data, each a plain number.

All are taken of the *averaged* density: the best member of a population fits the noise as well.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from .data import Data
from .misfit import Misfit, share

_COUNTED = 4.0
"""Photons in a Friedel pair from which on it is compared: fewer say next to nothing."""
_LEAST_FREEDOM = 0.05
_DIRECTIONS = 24


@dataclass(frozen=True)
class Figures:
    """What the verdict is made from."""

    error_of_average: float
    """R factor of the averaged density's moduli on the measured pixels."""
    floor: float
    """What the R factor of the true density would be, expected from photon and read noise."""
    excess: float
    """sqrt(error_of_average^2 - floor^2): what noise does not explain; 0 where it explains all."""
    typical_excess: float
    """The same without the half percent of the measured pixels that differ most from the density:
    single hot pixels or a small gap tell little of what was reconstructed from the others."""
    low_excess: float
    """The same from the edge of the unmeasured centre to a sixth of the pattern's size, where the
    shape of the object is decided."""
    chi: float
    """error_of_average over floor, for as many free values as the support leaves; about 1 where
    noise explains all."""
    noise: float
    """Expected relative error of the density, from noise alone."""
    friedel: float
    """Relative difference of the intensities of Friedel partners that noise does not explain; 0 for
    complex densities, whose patterns need not be symmetric."""
    missing_speckles: float
    """Diameter of the unmeasured centre in speckles of the object."""
    extent: float
    """Largest width of the support, pixels of the density."""
    rise: float
    """By how much the lowest error of the population rose again, relative."""
    second_part: float
    """Share of the density in the second of the parts that the support falls into."""
    read_noise: float
    """Photons."""

    def named(self) -> dict[str, float]:
        """By name, as a result has them."""
        return asdict(self)


def figures(
    density: NDArray[np.inexact],
    support: NDArray[np.bool_],
    data: Data,
    misfit: Misfit,
    error_history: NDArray[np.floating],
) -> Figures:
    """The figures of an averaged density.

    Parameters
    ----------
    density, support
        (size, size).
    misfit
        Of the density.
    error_history
        (generations, popsize).
    """
    area, measured = int(np.count_nonzero(support)), int(np.count_nonzero(data.measured))
    freedom = max(1 - 2 * area / max(measured, 1), _LEAST_FREEDOM)
    chi2 = share(misfit.found.sum(), misfit.expected.sum()) / freedom
    norm, width = float(np.linalg.norm(density)), extent(support)
    return Figures(
        error_of_average=float(np.sqrt(misfit.found.sum() / misfit.power)),
        floor=float(np.sqrt(misfit.expected.sum() / misfit.power)),
        excess=misfit.excess(np.ones(measured, bool)),
        typical_excess=misfit.excess(misfit.is_typical),
        low_excess=misfit.low_excess(data),
        chi=float(np.sqrt(chi2)),
        noise=float(np.sqrt(area * max(1.0, chi2) / 2)) / norm if norm else np.inf,
        friedel=friedel_difference(data, misfit.read_noise),
        missing_speckles=2 * data.hole_radius * width / data.size,
        extent=width,
        rise=_rise(error_history),
        second_part=second_part(density, support),
        read_noise=misfit.read_noise,
    )


def friedel_difference(data: Data, noise: float) -> float:
    """See `Figures.friedel`: sums over the measured pairs, the variance of noise taken off."""
    pairs = data.partners == 2
    first, mean = data.single[pairs], data.intensity[pairs]
    total, half = 2 * mean, first - mean
    bright = total > _COUNTED
    if not (data.is_real and bright.any()):
        return 0.0
    total, difference = total[bright], 2 * half[bright]
    unexplained = float(np.sum(difference**2 - total - 2 * noise**2))
    return float(np.sqrt(max(unexplained, 0.0) / np.sum(total**2)))


def extent(support: NDArray[np.bool_]) -> float:
    """Largest width of a support over all directions, pixels; 0 where it is empty."""
    rows, columns = np.nonzero(support)
    if len(rows) == 0:
        return 0.0
    # The outermost pixels of every row are enough.
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    is_first = np.r_[True, np.diff(rows) > 0]
    outer = is_first | np.r_[is_first[1:], True]
    angles = np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    along = np.outer(np.cos(angles), rows[outer]) + np.outer(np.sin(angles), columns[outer])
    return float((along.max(axis=1) - along.min(axis=1)).max()) + 1.0


def second_part(density: NDArray[np.inexact], support: NDArray[np.bool_]) -> float:
    """See `Figures.second_part`; parts that touch at a corner are one."""
    from scipy import ndimage

    parts, count = ndimage.label(support, np.ones((3, 3)))
    if count < 2:
        return 0.0
    weights = np.bincount(parts.ravel(), weights=np.abs(density).ravel(), minlength=count + 1)[1:]
    return share(float(np.sort(weights)[-2]), float(weights.sum()))


def _rise(error_history: NDArray[np.floating]) -> float:
    best = error_history.min(axis=1) if error_history.size else np.zeros(1)
    lowest = float(best.min())
    return float(best[-1]) / lowest - 1 if lowest > 0 else 0.0
