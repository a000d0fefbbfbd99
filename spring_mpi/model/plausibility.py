"""Signs in a prepared pattern that its preparation cannot be right, or that nothing scattered."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

_MOST_ALIKE = 0.5
_MOST_SATURATED = 0.25
"""A strong hit saturates a few per cent, next to the beam."""
_MOST_NEGATIVE = 0.6
"""Noise about zero makes half of the pixels negative, a few more where it is skewed."""
_MOST_EMPTY = 0.99
"""Where photons are counted, most pixels of a weak pattern hold none."""
_FEWEST_PHOTONS, _MOST_PHOTONS = 100.0, 1e12
"""In a pattern: fewer make no object known, and a pulse of an X-ray laser has hardly more."""
_BLOCKS = 16
"""Along a side, among which the mean is compared."""
_FEWEST_BLOCKS = 32
_CHANCE = 4.0
"""Standard deviations by which means of noise differ from what noise makes of them."""


def doubts(intensity: NDArray[np.float32], masked: Flags, saturated: Flags) -> Iterator[str]:
    """What a person should know, a sentence each.

    Parameters
    ----------
    intensity
        (size, size), photons.
    masked, saturated
        (size, size); a pixel that is neither is measured, and at least one is.
    """
    if (share := float(saturated[~masked].mean())) > _MOST_SATURATED:
        yield (
            f"{share:.0%} of the pixels that no mask excludes are saturated: is satvalue, a raw "
            "value, too low?"
        )
    values = intensity[~(masked | saturated)]
    value, share = _most_frequent(values)
    if (negative := float((values < 0).mean())) > _MOST_NEGATIVE:
        yield f"{negative:.0%} of the measured pixels are negative: is the background too high?"
    elif share > (_MOST_ALIKE if value else _MOST_EMPTY):
        yield (
            f"{share:.1%} of the measured pixels have the same value, {value:g} photons: look at "
            "background, gain and satvalue"
        )
    photons = float(values.sum(dtype=np.float64))
    if photons < _FEWEST_PHOTONS or photons > _MOST_PHOTONS:
        many, gain = ("few", "large") if photons < _FEWEST_PHOTONS else ("many", "small")
        yield (
            f"the pattern has {photons:.3g} photons, too {many} to be true: is gain, raw units per "
            f"photon, too {gain}, or the background wrong?"
        )
    if is_even(intensity, ~(masked | saturated)):
        yield (
            "the measured pixels vary as noise alone, without any scattering: is this event a hit, "
            "and is it the right dataset?"
        )


def is_even(intensity: NDArray[np.floating], measured: Flags) -> bool:
    """Whether means over square blocks differ no more than noise of the single pixels makes them.

    This is the analysis of variance, F being the variance among blocks over that within them; of
    noise alone, whatever its distribution, F is 1. False where too little is measured to say, and
    where all values are equal.
    """
    block = max(2, len(intensity) // _BLOCKS)
    number = _block_sums(measured, block)
    known = number > 1
    if (blocks := int(known.sum())) < _FEWEST_BLOCKS:
        return False
    count = number[known]
    centred = np.where(measured, intensity - np.mean(intensity, where=measured), 0.0)
    sums, squares = (_block_sums(centred**power, block)[known] for power in (1, 2))
    among = float((sums**2 / count).sum() - sums.sum() ** 2 / count.sum()) / (blocks - 1)
    within = float((squares - sums**2 / count).sum() / (count.sum() - blocks))
    return within > 0 and among < within * (1 + _CHANCE * math.sqrt(2 / (blocks - 1)))


def _block_sums(values: NDArray[np.generic], block: int) -> NDArray[np.float64]:
    """Sums over whole blocks, (blocks, blocks)."""
    blocks = len(values) // block
    whole = values[: blocks * block, : blocks * block].reshape(blocks, block, blocks, block)
    return np.asarray(whole.sum(axis=(1, 3), dtype=np.float64))


def _most_frequent(values: NDArray[np.float32]) -> tuple[float, float]:
    """The value that occurs most often, and its share."""
    different, counts = np.unique(values, return_counts=True)
    place = int(counts.argmax())
    return float(different[place]), float(counts[place] / len(values))
