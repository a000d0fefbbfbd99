"""The processor's backend: the reference's operations by kernels in C, over several threads.

Populations are the reference's. Real densities are worked on in pairs. Sizes that the kernels do
not know, all but 2^k from 64 on, are worked on in the reference's way.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...settings import Settings
from ..algorithms import Rule
from ..alignment import Motion, phase_of
from ..interval import Interval
from ..native.grid import Grid, Individual, Mixing, has_kernels
from ..population import Cross, Cut
from ..random import Purpose
from .reference import Image, Item, Population, ReferenceBackend, Value

# Of two correlations about equally strong the one without the twin is taken.
_PREFERENCE = 1 + 1e-6


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

    def load(self, interval: Interval, settings: Settings, key: int) -> None:
        super().load(interval, settings, key)
        self._grid: Grid | None = None
        if has_kernels(self._size):
            self._grid = Grid(self._library, interval, is_real=self._is_real)
        elif self._size not in self._told:
            self._told.add(self._size)
            self._say(
                f"the size {self._size} is no power of two from 64 on: there are no kernels for "
                "it, numpy and scipy are used, several times slower"
            )

    def iterate(self, population: Population, rule: Rule, count: int) -> None:
        if (grid := self._grid) is None:
            return super().iterate(population, rule, count)

        def improve(pair: tuple[Individual, Individual | None]) -> None:
            grid.iterate(*pair, rule, count, is_positive=self._is_positive)

        self._each(improve, _pairs(population, 2 if self._is_real else 1))

    def shrinkwrap(self, population: Population, cut: Cut) -> None:
        if (grid := self._grid) is None:
            return super().shrinkwrap(population, cut)

        def wrap(pair: tuple[Individual, Individual | None]) -> None:
            grid.shrinkwrap(*pair, cut)

        self._each(wrap, _pairs(population, 2))

    def _each(self, action: Callable[[Item], Value], items: Iterable[Item]) -> list[Value]:
        return list((self._pool.map if self._pool else map)(action, items))

    def _scaled(self, density: Image) -> Image:
        if self._grid is None:
            return super()._scaled(density)
        _, power, overlap = self._grid.compare(density)
        return density * np.float32(overlap / power if power else 1)

    def _distance(self, density: Image) -> float:
        if self._grid is None:
            return super()._distance(density)
        return self._grid.compare(density)[0]

    def _anchor(self, target: Image) -> Image:
        return super()._anchor(target) if self._grid is None else self._grid.spectrum(target)

    def _motion(self, density: Image, anchor: Image) -> Motion:
        if self._grid is None:
            return super()._motion(density, anchor)
        straight, mirrored = self._grid.correlate(density, anchor)
        is_twin = abs(mirrored.value) > abs(straight.value) * _PREFERENCE
        peak = mirrored if is_twin else straight
        row, column = (self._signed(step) for step in divmod(peak.place, self._size))
        return Motion(is_twin, (row, column), phase_of(peak.value, density))

    def _signed(self, step: int) -> float:
        """A shift on the periodic grid, in [-size / 2, size / 2)."""
        return float(step - self._size if step >= self._size // 2 else step)

    def _cross(
        self, population: Population, children: Population, cross: Cross, child: int
    ) -> None:
        if self._grid is None:
            return super()._cross(population, children, cross, child)
        mixing = Mixing(
            weight=float(cross.weights[child]),
            share=cross.share,
            key=self._key,
            numbers=(child, cross.generation, Purpose.MIXING),
        )
        family = [_individual(population, one) for one in (child, *cross.donors[child])]
        own = _individual(children, child)
        self._grid.crossover(family, own, mixing, is_positive=self._is_positive)


def _individual(population: Population, index: int) -> Individual:
    return Individual(population.density[index], population.support[index])


def _pairs(population: Population, step: int) -> list[tuple[Individual, Individual | None]]:
    """All individuals, two by two, the last one of an odd number alone; or one by one."""
    count = len(population)
    return [
        (
            _individual(population, one),
            _individual(population, one + 1) if step == 2 and one + 1 < count else None,
        )
        for one in range(0, count, step)
    ]
