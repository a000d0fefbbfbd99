"""How many raw units a photon is, as the noise of Friedel pairs says it.

Photons are counted, so that the two pixels of a pair differ by as much as their sum is: the
variance of I - I' is I + I' in photons. Read noise adds a constant to it, and whatever makes the
pairs unlike (a centre between the pixels, a curved detector) adds a share of the square.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

_LEVELS = (0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.86, 0.91, 0.95, 0.98)
"""Quantiles of the brightness that part the levels: what is brighter has steep slopes."""
_LARGEST = 256
"""Side of the square about the centre whose pairs are taken, binned pixels: they do."""
_FEWEST = 40
"""Pairs in a level."""
_STRAY = 12
"""Hot pixels, at most, that are left out of a level,"""
_FEWEST_ALIKE = 16.0
"""so that so many pairs make up its variance: (sum of squares)^2 / sum of their squares."""
_BLUR = 1.5
"""Pixels, of the brightness that sorts pairs into levels: not that of the pairs themselves, which
would favour noise."""
_ROUNDING = 1e-3
"""Photons, which no background of single precision is off by."""
_MOST_CUT, _NEAR = 0.02, 3.0
"""Share of the pixels that may be at the floor of values that are cut off there, and the standard
deviation of the neighbourhood that it is taken of, pixels."""
_TURNS = 4
"""Of the fit: what it says of the noise weighs the levels of the next one."""
_LEAST_ERROR = 1e-9
_LEAST_SIGNIFICANCE = 4.0
"""The factor over its error, below which it is not known."""


@dataclass(frozen=True)
class PhotonScale:
    """What a photon is in the units of a frame."""

    factor: float
    """The frame's unit over a photon: 3 where the frame's values are three times too large."""
    error: float
    """Standard deviation of the factor."""

    @property
    def misfit(self) -> float:
        """How far the factor is from 1, up or down, in its logarithm."""
        return abs(math.log(self.factor))

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which the factor is, unless chance has it: two standard deviations away."""
        return self.factor - 2 * self.error, self.factor + 2 * self.error


def photon_scale(
    photons: NDArray[np.floating],
    measured: Flags,
    center: tuple[float, float],
    binning: int = 1,
    *,
    is_local: bool = False,
) -> PhotonScale | None:
    """The scale that the noise of a frame has about its centre; None where it does not tell.

    The variance of the difference is fitted to a + factor x sum + c x sum^2 with no negative term,
    level by level of the brightness.

    Parameters
    ----------
    photons, measured
        (rows, columns); what is not measured may have any value.
    binning
        Pixels that are summed along a side; only sums of measured pixels count.
    is_local
        Whether the differences of two neighbouring pairs are compared: noise that neighbours share
        does not count then, nor what makes them unlike in the same way.
    """
    first, second, valid = _pairs(photons, measured, center, binning)
    if (floor := _floor(photons, measured)) is not None:
        # Noise that was cut off there is missing.
        one, other, _ = _pairs(floor * 1.0, measured, center, binning)
        valid &= _share_near(one + other, valid) < _MOST_CUT * 2 * binning**2
    total, difference = first + second, first - second
    if is_local:
        total, valid = total[:, :-1:2] + total[:, 1::2], valid[:, :-1:2] & valid[:, 1::2]
        difference = difference[:, :-1:2] - difference[:, 1::2]
    unlike = difference**2
    levels = list(_levels(total, unlike, valid))
    if len(levels) < 4:
        return None
    sums, variances, numbers = (np.array(column) for column in zip(*levels, strict=True))
    return _fitted(sums, variances, numbers)


def _floor(photons: NDArray[np.floating], measured: Flags) -> Flags | None:
    """The pixels where a detector's noise was cut off at zero; None where none was.

    Photons that are counted have zeros, too, but no fractions beside them.
    """
    values = photons[measured]
    if not len(values) or values.min() < -_ROUNDING:
        return None
    with np.errstate(invalid="ignore"):
        floor = measured & (photons <= _ROUNDING)
    low = values[(values > _ROUNDING) & (values < 1.5)]
    is_cut = floor.sum() > _MOST_CUT * len(values) and (low < 0.7).sum() > 0.1 * len(low) > 0
    return floor if is_cut else None


def _share_near(numbers: Values, valid: Flags) -> Values:
    """The mean of the valid numbers about each one."""
    from scipy import ndimage

    total, share = (
        ndimage.gaussian_filter(image, _NEAR, mode="constant")
        for image in (np.where(valid, numbers, 0), valid.astype(np.float64))
    )
    near: Values = total / np.maximum(share, 1e-3)
    return near


def _pairs(
    photons: NDArray[np.floating], measured: Flags, center: tuple[float, float], binning: int
) -> tuple[Values, Values, Flags]:
    """Both sides of all pairs, and whether both are measured; the second side turned."""
    here, there = [], []
    for axis, (coordinate, length) in enumerate(zip(center, photons.shape, strict=True)):
        total = round(2 * coordinate)
        first = max(0, total - length + 1)
        number = max(total - 2 * first + 1, 0)
        outside = max(number - _LARGEST * binning, 0) // 2
        first, number = first + outside, number - 2 * outside
        # All rows would have each pair twice.
        number = (number // 2 if axis == 0 else number) // binning * binning
        here.append(slice(first, first + number))
        there.append(slice(total - first - number + 1, total - first + 1))
    one, other = tuple(here), tuple(there)
    valid = measured[one] & measured[other][::-1, ::-1]
    sides = (np.where(valid, photons[one], 0), np.where(valid, photons[other][::-1, ::-1], 0))
    shape = [number for length in valid.shape for number in (length // binning, binning)]
    first_side, second_side = (
        side.astype(np.float64).reshape(shape).sum(axis=(1, 3)) for side in sides
    )
    return first_side, second_side, np.asarray(valid.reshape(shape).all(axis=(1, 3)))


def _levels(total: Values, unlike: Values, valid: Flags) -> Iterator[tuple[float, float, int]]:
    """(mean sum, mean squared difference, number) of the pairs in each level of brightness."""
    from scipy import ndimage

    if valid.sum() < len(_LEVELS) * _FEWEST:
        return
    own = ndimage.gaussian_filter(np.pad([[1.0]], 8), _BLUR)[8, 8]
    light, share = (
        ndimage.gaussian_filter(image, _BLUR, mode="constant")[valid] - own * image[valid]
        for image in (np.where(valid, total, 0), valid.astype(np.float64))
    )
    brightness = light / np.maximum(share, own)
    total, unlike = total[valid], unlike[valid]
    edges = np.quantile(brightness, _LEVELS)
    for low, high in itertools.pairwise(edges):
        chosen = (brightness >= low) & (brightness < high)
        if chosen.sum() < _FEWEST:
            continue
        sums, squares = total[chosen], unlike[chosen]
        if (kept := _without_stray(squares)) is not None:
            yield sums[kept].mean(), squares[kept].mean(), len(kept)


def _without_stray(squares: Values) -> NDArray[np.intp] | None:
    """Places without the few that would make up the sum alone; None where these are too many."""
    order = np.argsort(squares)
    powers = (np.cumsum(squares[order] ** power) for power in (1, 2))
    sums, fourths = (total[::-1][: _STRAY + 1] for total in powers)
    alike = np.flatnonzero(sums**2 >= _FEWEST_ALIKE * np.maximum(fourths, 1e-30))
    return order[: len(order) - alike[0]] if len(alike) else None


def _fitted(sums: Values, variances: Values, numbers: Values) -> PhotonScale | None:
    """a + factor x sum + c x sum^2 by least squares, no term negative."""
    from scipy import optimize

    sums = np.maximum(sums, 0)
    if not sums.any():
        return None
    terms = np.stack([np.ones_like(sums), sums, sums**2], axis=1)
    terms /= (size := terms.max(axis=0))
    fitted, factor = variances, 0.0
    for _ in range(_TURNS):
        # Of a squared difference: that of the normal distribution, and of few photons.
        errors = np.sqrt((2 * fitted**2 + factor**2 * fitted) / numbers)
        errors += _LEAST_ERROR * variances.max()
        solution, _ = optimize.nnls(terms / errors[:, None], variances / errors)
        fitted, factor = terms @ solution, float(solution[1] / size[1])
    used = solution > 0
    if not used[1]:
        return None
    weighted = (terms / errors[:, None])[:, used]
    place = int(used[:1].sum())
    error = float(math.sqrt(np.linalg.pinv(weighted.T @ weighted)[place, place]) / size[1])
    return PhotonScale(factor, error) if factor > _LEAST_SIGNIFICANCE * error else None
