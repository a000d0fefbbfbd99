"""Shares with intervals, rankings, and resampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_NORMAL = 1.959964
"""Standard deviations that hold 95 % of a normal distribution."""


def wilson(successes: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927))."""
    if not count:
        return (0.0, 1.0)
    share, extra = successes / count, _NORMAL**2 / count
    middle = (share + extra / 2) / (1 + extra)
    half = _NORMAL / (1 + extra) * np.sqrt(share * (1 - share) / count + extra / (4 * count))
    return (max(0.0, float(middle - half)), min(1.0, float(middle + half)))


def ranking(scores: ArrayLike, right: ArrayLike) -> float:
    """Probability that a right one scores higher than a wrong one; equal scores count half.

    It is the area under the ROC curve; nan where there are no right or no wrong ones.
    """
    values, flags = np.asarray(scores, float), np.asarray(right, bool)
    good, bad = values[flags], values[~flags]
    if not (len(good) and len(bad)):
        return float("nan")
    higher = np.sign(good[:, None] - bad[None, :])
    return float(np.mean(higher + 1) / 2)


def bootstrap(
    differences: NDArray[np.floating], draws: int = 4000, seed: int = 1
) -> tuple[float, float]:
    """The 95 % interval of the mean of a table, (settings, seeds), by drawing both anew."""
    random, (rows, columns) = np.random.default_rng(seed), differences.shape
    chosen = random.integers(0, rows, (draws, rows))
    seeds = random.integers(0, columns, (draws, rows, columns))
    means = differences[chosen[:, :, None], seeds].mean(axis=(1, 2))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def share(values: Sequence[object], holds: Callable[[object], bool] = bool) -> float:
    """The share of values for which something holds; nan without values."""
    return sum(map(holds, values)) / len(values) if values else float("nan")
