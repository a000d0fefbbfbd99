"""Crossover plans: who are the parents of whom, drawn from counter-based numbers.

Differential evolution, rand/1/bin: Storn and Price, J. Global Optim. 11, 341 (1997). With target p
and donors a, b, c, a child's pixel is ``a + F (b - c)`` with probability CR, else p's own; its
support is the same combination of the supports, cut at one half.
"""

from __future__ import annotations

import numpy as np

from ..settings import Settings
from .population import Cross, Errors, Indices
from .random import Purpose, uniforms


def plan(settings: Settings, key: int, generation: int) -> Cross:
    """Donors and weights of all children of a generation; donors come from the same island."""
    popsize, home = settings.global_.popsize, islands(settings)
    donors = np.empty((popsize, 3), np.int64)
    weights = np.empty(popsize, np.float32)
    for child in range(popsize):
        numbers = uniforms(key, Purpose.DONORS, generation, child, 4)
        others = [one for one in np.flatnonzero(home == home[child]) if one != child]
        donors[child] = [others.pop(int(number * len(others))) for number in numbers[:3]]
        weights[child] = settings.DE.F + settings.DE.dither * (2 * numbers[3] - 1)
    return Cross(donors, weights, settings.DE.CR, generation)


def forced_pixel(key: int, generation: int, child: int, pixels: int) -> int:
    """The pixel of a child that comes from its donors whatever CR is: number ``pixels`` says."""
    number = uniforms(key, Purpose.MIXING, generation, child, 1, first=pixels)[0]
    return int(number * pixels)


def islands(settings: Settings) -> Indices:
    """The island of every individual, (popsize,)."""
    count = settings.global_.islands
    return np.arange(settings.global_.popsize) // (settings.global_.popsize // count)


def leaders(settings: Settings, scores: Errors) -> Indices:
    """For every individual the index of the best of its island, (popsize,)."""
    home = islands(settings)
    best = [
        int(np.flatnonzero(home == island)[scores[home == island].argmin()])
        for island in range(settings.global_.islands)
    ]
    return np.array(best)[home]
