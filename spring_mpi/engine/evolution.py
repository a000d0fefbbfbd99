"""The memetic loop: crossover, improvement, selection, generation by generation.

Colombo et al., arXiv 2409.07413: a second population is bred from the first, both are improved by
iterative projections with shrink-wrap, and of each pair of equal index the better one survives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..settings import Settings
from .algorithms import rule
from .genetics import leaders, plan
from .population import Backend, Errors
from .sequence import SHRINKWRAP, improvement_steps
from .support import Cut, cut, score

_SETTLING = 3


@dataclass(frozen=True)
class State:
    """Where an evolution stands after ``generation`` generations."""

    generation: int
    population: Any
    scores: Errors
    """(popsize,): of the population; inf before the first selection."""
    archive: Any
    """Best individual of every index so far, among those of the latest target area."""
    archive_scores: Errors
    archive_errors: Errors
    archive_area: int
    history: Errors
    """(generation, popsize): errors after every selection."""


Progress = Callable[[State], None]


class Evolution:
    """The loop for one pattern, already loaded into the backend."""

    def __init__(self, backend: Backend, settings: Settings, key: int, size: int) -> None:
        self._backend, self._settings, self._key, self._size = backend, settings, key, size
        self._steps = improvement_steps(settings)
        self._memory = settings.SW.elitism and settings.SW.mode == "threshold"

    def start(self) -> State:
        """The initial population, nothing improved yet."""
        popsize = self._settings.global_.popsize
        population = self._backend.create(0)
        unknown = np.full(popsize, np.inf)
        archive = self._backend.copy(population)
        return State(
            0, population, unknown, archive, unknown, unknown, -1, np.empty((0, popsize))
        )

    def run(self, state: State, progress: Progress) -> State:
        """Step to the last generation, reporting after each."""
        while state.generation < self._settings.global_.generations:
            state = self.step(state)
            progress(state)
        return state

    def step(self, state: State) -> State:
        """One generation; the arrays of the given state are used up."""
        backend, population = self._backend, state.population
        generation_cut = cut(self._settings, self._size, state.generation)
        rivals = self._rivals(state)
        before = backend.copy(population) if self._memory and state.generation else None

        scores, errors = self._improve(population, generation_cut)
        if before is not None:
            worse = scores > state.scores
            backend.replace(population, before, worse)
            scores = np.where(worse, state.scores, scores)
            errors = np.where(worse, state.history[-1], errors)

        rival_scores, rival_errors = self._improve(rivals, generation_cut)
        better = rival_scores < scores
        backend.replace(population, rivals, better)
        scores = np.where(better, rival_scores, scores)
        errors = np.where(better, rival_errors, errors)
        state = replace(
            state,
            generation=state.generation + 1,
            scores=scores,
            history=np.vstack([state.history, errors]),
        )
        return self._archived(state, generation_cut)

    def _rivals(self, state: State) -> Any:
        """Children of the population; before crossover starts, new start densities."""
        if state.generation < self._settings.DE.start:
            return self._backend.create(state.generation + 1)
        if self._settings.DE.align:
            self._backend.register(state.population, leaders(self._settings, state.scores))
        cross = plan(self._settings, self._key, state.generation)
        return self._backend.crossover(state.population, cross)

    def _improve(self, population: Any, generation_cut: Cut) -> tuple[Errors, Errors]:
        """Scores and errors after the sequence and some ER, so that the density is feasible."""
        for step in self._steps:
            if step.algorithm == SHRINKWRAP:
                for _ in range(step.count):
                    self._backend.shrinkwrap(population, generation_cut)
            else:
                algorithm = rule(step.algorithm, self._settings.IA)
                self._backend.iterate(population, algorithm, step.count)
        self._backend.iterate(population, rule("ER", self._settings.IA), _SETTLING)
        errors = self._backend.errors(population)
        return score(errors, self._backend.areas(population), self._settings), errors

    def _archived(self, state: State, generation_cut: Cut) -> State:
        better = state.scores < state.archive_scores
        if generation_cut.threshold is None and generation_cut.area != state.archive_area:
            better[:] = True
        self._backend.replace(state.archive, state.population, better)
        return replace(
            state,
            archive_scores=np.where(better, state.scores, state.archive_scores),
            archive_errors=np.where(better, state.history[-1], state.archive_errors),
            archive_area=generation_cut.area,
        )
