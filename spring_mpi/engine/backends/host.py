"""Populations in the processor's memory, worked on individual by individual.

This is what the reference and the cpu backend share: who is worked on, in what groups, by how many
threads. What is done to an individual is up to the `Operators` of its pattern, of which each of
the two backends has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...model.alignment import Motion
from ...model.settings import Settings
from ..algorithms import Rule
from ..backend import Areas, CrossoverPlan, Errors, Flags, Indices, Problem, ShrinkWrap
from ..bounds import ModulusBounds
from ..start import start_density, start_support

Image = NDArray[Any]
Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Individual:
    """A density, (size, size) float32 or complex64, and its support, (size, size) bool."""

    density: Image
    support: Flags


@dataclass
class Population:
    """Individuals side by side."""

    density: Image
    """(popsize, size, size), float32 or complex64."""
    support: Flags
    """(popsize, size, size)."""

    def __len__(self) -> int:
        return len(self.density)

    def __getitem__(self, index: int) -> Individual:
        return Individual(self.density[index], self.support[index])


@dataclass(frozen=True)
class Mixing:
    """How one child is made."""

    weight: float
    """F, by which the difference of two donors is multiplied."""
    rate: float
    """CR, the probability that a pixel comes from the donors."""
    key: int
    """Of the random numbers of its problem."""
    generation: int
    child: int
    """Its index among the individuals of its problem."""


class Operators(Protocol):
    """The work on individuals of one pattern; any number of threads may use it at once."""

    iterated_together: int
    """How many individuals `iterate` takes at most."""
    wrapped_together: int
    """How many individuals `shrinkwrap` takes at most."""

    def scaled(self, density: Image) -> Image:
        """The density scaled so that its moduli fit the measured ones by least squares."""

    def iterate(self, individuals: Sequence[Individual], rule: Rule, count: int) -> None:
        """Run one algorithm ``count`` times, in place."""

    def shrinkwrap(self, individuals: Sequence[Individual], wrap: ShrinkWrap) -> None:
        """Replace the supports, and clear the densities outside, in place."""

    def distance(self, density: Image) -> float:
        """Sum of the squared distances of all moduli to their bounds."""

    def anchor(self, target: Image) -> Any:
        """What `motion` needs of a target, which may itself move meanwhile."""

    def motion(self, density: Image, anchor: Any) -> Motion:
        """The motion that brings a density closest to a target."""

    def crossover(
        self, parent: Individual, donors: Sequence[Individual], child: Individual, mixing: Mixing
    ) -> None:
        """Write the child of a parent and of the donors a, b, c; see `engine.crossover`."""


Group = tuple[Operators, list[Individual]]


class HostBackend:
    """See `spring_mpi.engine.backend.Backend`; results do not depend on ``threads``.

    Parameters
    ----------
    operators
        Makes the operators for the bounds of one pattern.
    """

    device = "cpu"

    def __init__(
        self,
        name: str,
        operators: Callable[[ModulusBounds, Settings], Operators],
        *,
        threads: int = 1,
    ) -> None:
        self.name, self._make_operators = name, operators
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def load(self, problems: Sequence[Problem], settings: Settings) -> None:
        self._settings, self._popsize = settings, settings.global_.popsize
        self._size = problems[0].bounds.size
        self._keys = [problem.key for problem in problems]
        self._inits = [problem.init(settings) for problem in problems]
        norms = [problem.bounds.norm for problem in problems]
        self._norms: Errors = np.repeat(norms, self._popsize)
        self._operators = [self._make_operators(problem.bounds, settings) for problem in problems]

    def create(self, generation: int) -> Population:
        size, is_real = self._size, self._settings.object.is_real

        def start(index: int) -> Image:
            problem, own = self._problem(index)
            init, key = self._inits[problem], self._keys[problem]
            density = start_density(init, size, key, generation, own, is_real=is_real)
            return self._operators[problem].scaled(density)

        densities = self._each(start, range(len(self._keys) * self._popsize))
        supports = np.stack([start_support(init, size) for init in self._inits])
        return Population(np.stack(densities), np.repeat(supports, self._popsize, axis=0))

    def copy(self, population: Population) -> Population:
        return Population(population.density.copy(), population.support.copy())

    def iterate(self, population: Population, rule: Rule, count: int) -> None:
        def improve(group: Group) -> None:
            operators, individuals = group
            operators.iterate(individuals, rule, count)

        together = [operators.iterated_together for operators in self._operators]
        self._each(improve, self._groups(population, together))

    def shrinkwrap(self, population: Population, wrap: ShrinkWrap) -> None:
        def cut(group: Group) -> None:
            operators, individuals = group
            operators.shrinkwrap(individuals, wrap)

        together = [operators.wrapped_together for operators in self._operators]
        self._each(cut, self._groups(population, together))

    def errors(self, population: Population) -> Errors:
        def distance(index: int) -> float:
            return self._operators_of(index).distance(population.density[index])

        squares = self._each(distance, range(len(population)))
        return np.sqrt(np.array(squares) / self._norms)

    def areas(self, population: Population) -> Areas:
        return np.array([np.count_nonzero(support) for support in population.support], np.int64)

    def register(self, population: Population, targets: Indices) -> None:
        # Taken before anything moves: a target may be moved itself, onto another one.
        anchors = {
            index: self._operators_of(index).anchor(population.density[index])
            for index in set(targets.tolist())
        }

        def move(index: int) -> None:
            if index != targets[index]:
                moved, anchor = population[index], anchors[int(targets[index])]
                motion = self._operators_of(index).motion(moved.density, anchor)
                moved.density[...] = motion.move(moved.density)
                moved.support[...] = motion.move_support(moved.support)

        self._each(move, range(len(population)))

    def crossover(self, population: Population, plan: CrossoverPlan) -> Population:
        children = Population(np.empty_like(population.density), np.empty_like(population.support))

        def cross(index: int) -> None:
            problem, own = self._problem(index)
            weight, key = float(plan.weights[index]), self._keys[problem]
            self._operators[problem].crossover(
                population[index],
                [population[donor] for donor in plan.donors[index]],
                children[index],
                Mixing(weight, plan.rate, key, plan.generation, own),
            )

        self._each(cross, range(len(children)))
        return children

    def replace(self, population: Population, others: Population, where: Flags) -> None:
        population.density[where] = others.density[where]
        population.support[where] = others.support[where]

    def save(self, population: Population) -> Mapping[str, NDArray[Any]]:
        return {"density": population.density, "support": population.support}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> Population:
        return Population(arrays["density"].copy(), arrays["support"].copy())

    def is_usable(self) -> bool:
        return True

    def _problem(self, index: int) -> tuple[int, int]:
        """Whose an individual is, and which one of it."""
        return divmod(index, self._popsize)

    def _operators_of(self, index: int) -> Operators:
        return self._operators[index // self._popsize]

    def _groups(self, population: Population, together: Sequence[int]) -> Iterator[Group]:
        """All individuals, so many of one problem together; the last ones may be fewer."""
        for problem, (operators, step) in enumerate(zip(self._operators, together, strict=True)):
            first = problem * self._popsize
            last = min(first + self._popsize, len(population))
            # No pair belongs to two problems, and so none changes with the number of problems.
            for start in range(first, last, step):
                stop = min(start + step, last)
                yield operators, [population[index] for index in range(start, stop)]

    def _each(self, action: Callable[[Item], Value], items: Iterable[Item]) -> list[Value]:
        """What the action returns for each item; items have nothing to do with one another."""
        return list((self._pool.map if self._pool else map)(action, items))
