"""What a backend is: the coarse operations of the engine on a whole population.

An individual is a density and its support. How a population is laid out in memory is the
backend's own business; the engine only passes it on. Errors and areas come back as host arrays.
An operation is added here, in `host` with the `Operators` of the reference and of the cpu, and in
`gpu.backend`.

A population may serve several problems at once, patterns of one size: it has ``popsize``
individuals of the first, then as many of the second, and so on, each of them with the numbers that
it has where its problem is alone. Shapes below are for one; for more, popsize is their sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..model.settings import Init, Settings
from .algorithms import Rule
from .bounds import ModulusBounds

Errors = NDArray[np.float64]
Areas = NDArray[np.int64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Problem:
    """One pattern: what its data say, the key of its random numbers, and where it starts."""

    bounds: ModulusBounds
    key: int
    supportsize: int | None = None
    """Linear size of its initial supports, pixels; None: ``init.supportsize``."""

    def init(self, settings: Settings) -> Init:
        """The initial population of this problem."""
        if self.supportsize is None:
            return settings.init
        return replace(settings.init, supportsize=self.supportsize)


@dataclass(frozen=True)
class ShrinkWrap:
    """One shrink-wrap: blur the modulus of the density, then keep the strongest pixels."""

    sigma: float
    """Standard deviation of the Gaussian, pixels."""
    threshold: float | None
    """Share of the maximum to exceed; None: keep ``area`` pixels."""
    area: int
    """Pixels to keep where there is no threshold."""
    least: int
    most: int
    """Limits of the area, pixels; a threshold that oversteps one keeps just that many."""


@dataclass(frozen=True)
class CrossoverPlan:
    """Parents of all children of one generation."""

    donors: Indices
    """(popsize, 3): a, b, c, distinct and different from the child's own index."""
    weights: NDArray[np.float32]
    """(popsize,): F of every child."""
    rate: float
    """CR, the probability that a pixel comes from the donors."""
    generation: int


class Backend(Protocol):
    """Operations on populations (type ``Any`` here: each backend has its own)."""

    name: str
    device: str

    def load(self, problems: Sequence[Problem], settings: Settings) -> None:
        """Take what further calls are about; the problems have one size."""

    def create(self, generation: int) -> Any:
        """A population of new start densities, drawn for that generation."""

    def copy(self, population: Any) -> Any:
        """An independent copy."""

    def iterate(self, population: Any, rule: Rule, count: int) -> None:
        """Run one algorithm ``count`` times on every individual."""

    def shrinkwrap(self, population: Any, wrap: ShrinkWrap) -> None:
        """Replace every support by the wrap of its density, and clear the density outside."""

    def errors(self, population: Any) -> Errors:
        """Relative distance of every individual to the bounds of its data, (popsize,).

        E = sqrt(sum d^2 / sum A^2), d the distance of a modulus to its bounds, A the measured
        moduli; on the density as it is, which is feasible after ER.
        """

    def areas(self, population: Any) -> Areas:
        """Support areas in pixels, (popsize,)."""

    def register(self, population: Any, targets: Indices) -> None:
        """Move every individual (shift, twin, phase) onto the one with the index given for it."""

    def crossover(self, population: Any, plan: CrossoverPlan) -> Any:
        """The children of a registered population."""

    def replace(self, population: Any, others: Any, where: Flags) -> None:
        """Put the others' individuals in place where the flag is set."""

    def save(self, population: Any) -> Arrays:
        """Host arrays ``density`` (popsize, size, size) and ``support`` (the same, bool)."""

    def restore(self, arrays: Arrays) -> Any:
        """The population that `save` wrote."""

    def is_usable(self) -> bool:
        """Whether the device still works; some faults leave a process without it."""
