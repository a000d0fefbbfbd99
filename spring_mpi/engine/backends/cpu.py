"""The processor's backend: the reference's operations by kernels in C, over several threads.

Populations are the reference's. Real densities are worked on in pairs. Sizes that the kernels do
not know, all but 2^k from 64 on, are worked on in the reference's way.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...settings import Settings
from ..algorithms import Rule
from ..alignment import TWIN_MARGIN, Motion, phase_of
from ..native.grid import Grid, Individual, Mixing, has_kernels
from ..population import Cross, Cut, Problem
from ..random import Purpose
from .reference import Image, Item, Population, ReferenceBackend, Value


@dataclass(frozen=True)
class Pair:
    """What the kernels take together: real densities are worked on in pairs."""

    grid: Grid
    first: Individual
    second: Individual | None


class CpuBackend(ReferenceBackend):
    """See `spring_mpi.engine.population.Backend`; results do not depend on ``threads``.

    Moduli below 1e-18 count as dark: they have the phase 0. No light that rounding leaves is as
    faint.

    Parameters
    ----------
    library
        What `spring_mpi.engine.native.load` gave.
    say
        Takes what people should know.
    """

    name = "cpu"

    def __init__(
        self, library: ctypes.CDLL, say: Callable[[str], None], *, threads: int = 1
    ) -> None:
        super().__init__()
        self._library, self._say = library, say
        self._told: set[int] = set()
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def load(self, problems: Sequence[Problem], settings: Settings) -> None:
        super().load(problems, settings)
        # One for each problem; none where there are no kernels.
        self._grids: list[Grid] = []
        if has_kernels(self._size):
            self._grids = [
                Grid(self._library, problem.interval, is_real=self._is_real) for problem in problems
            ]
        elif self._size not in self._told:
            self._told.add(self._size)
            self._say(
                f"the size {self._size} is no power of two from 64 on: there are no kernels for "
                "it, numpy and scipy are used, several times slower"
            )

    def iterate(self, population: Population, rule: Rule, count: int) -> None:
        if not self._grids:
            return super().iterate(population, rule, count)

        def improve(pair: Pair) -> None:
            pair.grid.iterate(pair.first, pair.second, rule, count, is_positive=self._is_positive)

        self._each(improve, self._pairs(population, 2 if self._is_real else 1))

    def shrinkwrap(self, population: Population, cut: Cut) -> None:
        if not self._grids:
            return super().shrinkwrap(population, cut)

        def wrap(pair: Pair) -> None:
            pair.grid.shrinkwrap(pair.first, pair.second, cut)

        self._each(wrap, self._pairs(population, 2))

    def _each(self, action: Callable[[Item], Value], items: Iterable[Item]) -> list[Value]:
        return list((self._pool.map if self._pool else map)(action, items))

    def _pairs(self, population: Population, step: int) -> list[Pair]:
        """All individuals, two by two of one problem, an odd last one alone; or one by one."""
        pairs = []
        for problem, grid in enumerate(self._grids):
            end = min((problem + 1) * self._popsize, len(population))
            for one in range(problem * self._popsize, end, step):
                has_second = step == 2 and one + 1 < end
                second = _individual(population, one + 1) if has_second else None
                pairs.append(Pair(grid, _individual(population, one), second))
        return pairs

    def _scaled(self, density: Image, problem: int) -> Image:
        if not self._grids:
            return super()._scaled(density, problem)
        _, power, overlap = self._grids[problem].compare(density)
        return density * np.float32(overlap / power if power else 1)

    def _distance(self, density: Image, problem: int) -> float:
        if not self._grids:
            return super()._distance(density, problem)
        return self._grids[problem].compare(density)[0]

    def _anchor(self, target: Image) -> Any:
        return self._grids[0].spectrum(target) if self._grids else super()._anchor(target)

    def _motion(self, density: Image, anchor: Any) -> Motion:
        if not self._grids:
            return super()._motion(density, anchor)
        straight, mirrored = self._grids[0].correlate(density, anchor)
        is_twin = abs(mirrored.value) > abs(straight.value) * TWIN_MARGIN
        peak = mirrored if is_twin else straight
        row, column = (self._signed(step) for step in divmod(peak.place, self._size))
        return Motion(is_twin, (row, column), phase_of(peak.value, density))

    def _signed(self, step: int) -> float:
        """A shift on the periodic grid, in [-size / 2, size / 2)."""
        return float(step - self._size if step >= self._size // 2 else step)

    def _cross(
        self, population: Population, children: Population, cross: Cross, child: int
    ) -> None:
        if not self._grids:
            return super()._cross(population, children, cross, child)
        problem, own = self._problem(child)
        mixing = Mixing(
            weight=float(cross.weights[child]),
            share=cross.share,
            key=self._keys[problem],
            numbers=(own, cross.generation, Purpose.MIXING),
        )
        family = [_individual(population, one) for one in (child, *cross.donors[child])]
        self._grids[problem].crossover(
            family, _individual(children, child), mixing, is_positive=self._is_positive
        )


def _individual(population: Population, index: int) -> Individual:
    return Individual(population.density[index], population.support[index])
