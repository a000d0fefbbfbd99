"""Crossover plans: who are the parents of whom, drawn from counter-based numbers.

Differential evolution, rand/1/bin: Storn and Price, J. Global Optim. 11, 341 (1997). With target p
and donors a, b, c, a child's pixel is ``a + F (b - c)`` with probability CR, else p's own; its
support is the same combination of the supports, cut at one half.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..model.settings import Settings
from .backend import CrossoverPlan, Errors, Indices
from .random import Purpose, uniforms


def crossover_plan(settings: Settings, keys: Sequence[int], generation: int) -> CrossoverPlan:
    """Donors and weights of all children of a generation, of each problem by its own key.

    Donors come from the same island.
    """
    drawn = [_drawn(settings, key, generation) for key in keys]
    firsts = range(0, len(keys) * settings.global_.popsize, settings.global_.popsize)
    return CrossoverPlan(
        np.concatenate([donors + first for (donors, _), first in zip(drawn, firsts, strict=True)]),
        np.concatenate([weights for _, weights in drawn]),
        settings.DE.CR,
        generation,
    )


def _drawn(settings: Settings, key: int, generation: int) -> tuple[Indices, NDArray[np.float32]]:
    """Donors (popsize, 3) and weights (popsize,) of one problem."""
    popsize, home = settings.global_.popsize, islands(settings)
    donors = np.empty((popsize, 3), np.int64)
    weights = np.empty(popsize, np.float32)
    for child in range(popsize):
        numbers = uniforms(key, Purpose.DONORS, generation, child, 4)
        # Drawn without replacement: a, b, c and the child are four individuals.
        others = [index for index in np.flatnonzero(home == home[child]) if index != child]
        donors[child] = [others.pop(int(number * len(others))) for number in numbers[:3]]
        weights[child] = settings.DE.F + settings.DE.dither * (2 * numbers[3] - 1)
    return donors, weights


def forced_pixel(key: int, generation: int, child: int, pixels: int) -> int:
    """The pixel of a child that comes from its donors whatever CR is: number ``pixels`` says."""
    number = uniforms(key, Purpose.MIXING, generation, child, 1, first=pixels)[0]
    return int(number * pixels)


def islands(settings: Settings, problems: int = 1) -> Indices:
    """The island of every individual, (problems * popsize,); no two problems share one."""
    popsize, count = settings.global_.popsize, settings.global_.islands
    return np.arange(problems * popsize) // (popsize // count)


def best_of_islands(settings: Settings, fitness: Errors) -> Indices:
    """For every individual the index of the fittest of its island; the shape of the fitness."""
    home = islands(settings, len(fitness) // settings.global_.popsize)
    best = [
        int(np.flatnonzero(home == island)[fitness[home == island].argmin()])
        for island in np.unique(home)
    ]
    return np.array(best)[home]
