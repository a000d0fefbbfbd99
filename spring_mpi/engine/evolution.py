"""The memetic loop: crossover, improvement, selection, generation by generation.

Colombo et al., arXiv 2409.07413: a second population is bred from the first, both are improved by
iterative projections with shrink-wrap, and of each pair of equal index the better one survives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..model.settings import Settings
from .algorithms import rule
from .backend import Arrays, Backend, Errors, Flags, ShrinkWrap
from .crossover import best_of_islands, crossover_plan
from .sequence import SHRINKWRAP, improvement_steps
from .shrinkwrap import fitness, last_shrink_wrap, shrink_wrap
from .state_arrays import FITNESS, IS_FINISHING, NO_AREA, named, part_of, side_by_side

# Iterations of ER after which a density lies within its support, so that errors can be compared.
_SETTLING = 3
_SAME_ERRORS = 1e-4
"""Relative; processors and backends round otherwise, one pixel more or less makes more."""


@dataclass(frozen=True)
class Rating:
    """How good the individuals of a population are, (popsize,) each; lower is better."""

    fitness: Errors
    """What selection compares; inf where unknown."""
    errors: Errors

    def replaced(self, other: Rating, where: Flags) -> Rating:
        """With the other's values where the flag is set."""
        return Rating(
            np.where(where, other.fitness, self.fitness),
            np.where(where, other.errors, self.errors),
        )


@dataclass(frozen=True)
class State:
    """Where an evolution stands, the problems side by side."""

    generation: int
    """How many were made of this stage."""
    population: Any
    rating: Rating
    archive: Any
    """Best individual of every index so far, among those of the latest target area."""
    archive_rating: Rating
    archive_area: int | None
    """That target area, pixels; None where areas have no target."""
    history: Errors
    """(generation, popsize): errors after every selection of this stage."""
    is_finishing: bool = False
    """Whether the search is over, and what follows are generations at the schedule's end values."""


@dataclass(frozen=True)
class Stage:
    """How far the current stage of one problem is."""

    generation: int
    is_finishing: bool
    history: Errors
    """(generation, popsize): errors after every generation of this stage."""
    best: float
    """Lowest error of the archive."""


class Evolution:
    """The loop for the problems that are loaded into the backend.

    Parameters
    ----------
    keys
        Of the problems.
    size
        Of their patterns.
    pulse
        Called after every step of an improvement: a generation may take minutes, and who watches
        should know that it goes on.
    """

    def __init__(
        self,
        backend: Backend,
        settings: Settings,
        keys: Sequence[int],
        size: int,
        pulse: Callable[[], None] = lambda: None,
    ) -> None:
        self._backend, self._settings, self._keys, self._size = backend, settings, keys, size
        self._count = len(keys) * settings.global_.popsize
        self._pulse = pulse
        self._steps = improvement_steps(settings)
        # In area mode the area shrinks, and an individual of before had more pixels to fit with.
        self._is_elitist = settings.SW.elitism and settings.SW.mode == "threshold"

    def start(self) -> State:
        """The initial population, nothing improved yet."""
        population = self._backend.create(0)
        archive = self._backend.copy(population)
        unknown = Rating(np.full(self._count, np.inf), np.full(self._count, np.inf))
        return State(0, population, unknown, archive, unknown, None, np.empty((0, self._count)))

    def parts(self) -> list[slice]:
        """Which individuals are those of each problem."""
        popsize = self._settings.global_.popsize
        return [slice(start, start + popsize) for start in range(0, self._count, popsize)]

    def stages(self, state: State) -> list[Stage]:
        """How far each problem is."""
        errors = state.archive_rating.errors
        return [
            Stage(state.generation, state.is_finishing, state.history[:, part], errors[part].min())
            for part in self.parts()
        ]

    def save(self, state: State) -> Iterator[Arrays]:
        """Of each problem host arrays of all that its further generations depend on.

        They are good until the next step.
        """
        area = NO_AREA if state.archive_area is None else state.archive_area
        individuals = {
            **named("population", self._backend.save(state.population)),
            **named("population", _rated(state.rating)),
            **named("archive", self._backend.save(state.archive)),
            **named("archive", _rated(state.archive_rating)),
        }
        for part in self.parts():
            own = {name: array[part] for name, array in individuals.items()}
            yield own | {
                "archive.area": np.array(area),
                "history": state.history[:, part],
                IS_FINISHING: np.array(state.is_finishing),
            }

    def restore(self, problems: Sequence[Arrays]) -> State:
        """The state that `save` gave of each problem, with arrays of its own.

        Raises
        ------
        ValueError
            If an array is missing, or has not the shape of this evolution's, or if the errors are
            not those of this pattern.
        """
        for arrays in problems:
            self._check(arrays)
        arrays = side_by_side(problems)
        population, archive = part_of("population", arrays), part_of("archive", arrays)
        individuals = self._backend.restore(population)
        self._check_errors(individuals, population["errors"])
        area = int(problems[0]["archive.area"])
        return State(
            generation=len(arrays["history"]),
            population=individuals,
            rating=Rating(population[FITNESS], population["errors"]),
            archive=self._backend.restore(archive),
            archive_rating=Rating(archive[FITNESS], archive["errors"]),
            archive_area=None if area == NO_AREA else area,
            history=arrays["history"],
            # Earlier versions knew no other stage than the search.
            is_finishing=bool(problems[0].get(IS_FINISHING, False)),
        )

    def _check(self, arrays: Arrays) -> None:
        """Raise ValueError for arrays that are not those of this evolution."""
        popsize, generation = self._settings.global_.popsize, len(arrays.get("history", ()))
        least = 0 if arrays.get(IS_FINISHING) else 1
        if not least <= generation <= self._settings.global_.generations:
            raise ValueError(f"it has {generation} generations")
        images = dict.fromkeys(("density", "support"), (popsize, self._size, self._size))
        numbers = dict.fromkeys((FITNESS, "errors"), (popsize,))
        shapes = {"history": (generation, popsize), "archive.area": ()}
        for part in ("population", "archive"):
            shapes |= {f"{part}.{name}": shape for name, shape in (images | numbers).items()}
        for name, shape in shapes.items():
            if name not in arrays or arrays[name].shape != shape:
                raise ValueError(f"it has no {name} of the shape {shape}")

    def _check_errors(self, individuals: Any, errors: Errors) -> None:
        """Raise ValueError where the pattern is another one than that of the saved errors."""
        now = self._backend.errors(individuals)
        if not np.allclose(now, errors, rtol=_SAME_ERRORS, atol=0, equal_nan=True):
            raise ValueError("the event is prepared otherwise now: its errors are other ones")

    def step(self, state: State) -> State:
        """One generation; the arrays of the given state are used up."""
        population = state.population
        wrap = self._wrap(state)
        trials = self._trials(state)
        before = self._backend.copy(population) if self._is_elitist else None
        rating = self._improve(population, wrap)
        if before is not None:
            rating = self._select(population, rating, before, state.rating)
        rating = self._select(population, rating, trials, self._improve(trials, wrap))
        state = replace(
            state,
            generation=state.generation + 1,
            rating=rating,
            history=np.vstack([state.history, rating.errors]),
        )
        return self._archived(state, wrap)

    def _trials(self, state: State) -> Any:
        """Children of the population; before crossover starts, new start densities."""
        if state.generation < self._settings.DE.start and not state.is_finishing:
            return self._backend.create(state.generation + 1)
        if self._settings.DE.align:
            targets = best_of_islands(self._settings, state.rating.fitness)
            self._backend.register(state.population, targets)
        plan = crossover_plan(self._settings, self._keys, self._number(state))
        return self._backend.crossover(state.population, plan)

    def _wrap(self, state: State) -> ShrinkWrap:
        if state.is_finishing:
            return last_shrink_wrap(self._settings, self._size)
        return shrink_wrap(self._settings, self._size, state.generation)

    def _number(self, state: State) -> int:
        """Of the generation, among those that random numbers are drawn for.

        A finishing one has the same number whenever the search ended.
        """
        first = self._settings.global_.generations if state.is_finishing else 0
        return first + state.generation

    def _improve(self, population: Any, wrap: ShrinkWrap) -> Rating:
        """Run the sequence and some ER, so that what is rated is a feasible density."""
        for step in self._steps:
            if step.algorithm == SHRINKWRAP:
                for _ in range(step.count):
                    self._backend.shrinkwrap(population, wrap)
            else:
                algorithm = rule(step.algorithm, self._settings.IA)
                self._backend.iterate(population, algorithm, step.count)
            self._pulse()
        self._backend.iterate(population, rule("ER", self._settings.IA), _SETTLING)
        errors = self._backend.errors(population)
        areas = self._backend.areas(population)
        return Rating(fitness(errors, areas, self._settings), errors)

    def _select(self, population: Any, rating: Rating, trials: Any, trial_rating: Rating) -> Rating:
        """Put trials in place of the individuals of equal index that are less fit."""
        better = trial_rating.fitness < rating.fitness
        self._backend.replace(population, trials, better)
        return rating.replaced(trial_rating, better)

    def _archived(self, state: State, wrap: ShrinkWrap) -> State:
        """The archive brought up to date; a new target area starts it anew."""
        area = wrap.area if wrap.threshold is None else None
        is_new = area != state.archive_area
        better = (state.rating.fitness < state.archive_rating.fitness) | is_new
        self._backend.replace(state.archive, state.population, better)
        archive_rating = state.archive_rating.replaced(state.rating, better)
        return replace(state, archive_rating=archive_rating, archive_area=area)


def _rated(rating: Rating) -> Arrays:
    """A rating as a checkpoint has it."""
    return {FITNESS: rating.fitness, "errors": rating.errors}
