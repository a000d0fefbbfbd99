"""The standard uncertainty of every pixel of a reconstruction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .figures import Figures
from .modes import Modes

_GRADIENT = 0.1
"""Pixels by which edges may be off: where they lie is known no better than that (measured)."""
_HIDDEN = 2.0
"""What is wrong in a density over what shows in its moduli: most errors fit the data (measured)."""
_STEPS = 12
_CAPPED_FROM = 0.5
"""Share of unmeasured power; below it a variance is not far from that of noise."""


def sigma_map(
    density: NDArray[np.inexact],
    support: NDArray[np.bool_],
    spread: NDArray[np.floating],
    others: Sequence[NDArray[np.inexact]],
    figures: Figures,
    modes: Modes,
) -> NDArray[np.float32]:
    """Standard uncertainty of the density, (size, size), sqrt(photons).

    The squares add up of: the spread of the averaged individuals, and that of the runs; noise,
    chi^2 / 2 a pixel; what is larger than that along the weak modes; twice the misfit that noise
    does not explain, spread over the support; and edges that may lie a tenth of a pixel off. The
    first and the last one are all there is outside the support.

    Parameters
    ----------
    spread
        Standard deviation of the averaged individuals.
    others
        Densities of the other runs, registered.
    """
    area = max(int(np.count_nonzero(support)), 1)
    norm2 = float(np.sum(np.abs(density) ** 2))
    noise2 = max(1.0, figures.chi**2) / 2
    inside = np.full(area, noise2 + (_HIDDEN * figures.excess) ** 2 * norm2 / area)
    strengths2 = mode_variances(density[support], modes, noise2)
    inside += (strengths2 - noise2).clip(0) @ np.abs(modes.images) ** 2
    variance = spread.astype(np.float64) ** 2 + _edges(density) ** 2
    if others:
        variance += np.var([density, *others], axis=0, ddof=1)
    variance[support] += inside
    return np.sqrt(variance).astype(np.float32)


def mode_variances(inside: NDArray[np.inexact], modes: Modes, noise2: float) -> NDArray[np.float64]:
    """Variance of the density along every weak mode, (modes,).

    A share u of unmeasured power makes the variance of noise 1 / (1 - u) times as large. Densities
    that are not negative cap it: the mode may not make more negative than noise could.
    """
    free: NDArray[np.float64] = noise2 / (1 - modes.unmeasured)
    if np.iscomplexobj(inside):
        return free
    for number in np.flatnonzero(modes.unmeasured > _CAPPED_FROM):
        free[number] = min(free[number], max(_cap(inside, modes.images[number], noise2), noise2))
    return free


def _cap(inside: NDArray[np.inexact], mode: NDArray[np.inexact], noise2: float) -> float:
    """The largest variance along a mode that leaves the density positive enough."""
    allowed = noise2 * len(inside)
    low, high = 0.0, float(np.linalg.norm(inside)) + 1e-30
    for _ in range(_STEPS):
        middle = (low + high) / 2
        step = middle * mode.real
        negative = min(
            float(np.sum(np.minimum(inside + sign * step, 0) ** 2)) for sign in (1.0, -1.0)
        )
        low, high = (middle, high) if negative <= allowed else (low, middle)
    return low**2


def _edges(density: NDArray[np.inexact]) -> NDArray[np.float64]:
    """How much the density changes over the distance that an edge may be off, (size, size)."""
    rows, columns = (
        (np.roll(density, -1, axis) - np.roll(density, 1, axis)) / 2 for axis in (0, 1)
    )
    change: NDArray[np.float64] = _GRADIENT * np.hypot(np.abs(rows), np.abs(columns))
    return change
