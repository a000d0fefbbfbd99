"""The memetic loop: what is kept is never worse, and the cost is what is promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.physics import Around, bounds_of, lumps, noise, settings_of

from spring_mpi.engine.algorithms import Rule
from spring_mpi.engine.backend import Backend, CrossoverPlan, Problem
from spring_mpi.engine.backends.host import Population
from spring_mpi.engine.backends.reference import reference_backend
from spring_mpi.engine.crossover import islands
from spring_mpi.engine.evolution import Evolution, State
from spring_mpi.engine.random import job_key
from spring_mpi.engine.sequence import improvement_steps
from spring_mpi.model.settings import Settings

SIZE = 32
SMALL = {
    "global__generations": 5, "global__popsize": 8, "init__supportsize": 16, "IA__it": 10,
    "SW__sigma_start": 1.0,
}  # fmt: skip


class Witness(Around):
    """Counts projections, and remembers who were the parents and what became of them."""

    def __init__(self) -> None:
        super().__init__()
        self.projections = 0
        self.plans: list[CrossoverPlan] = []

    def iterate(self, population: Population, rule: Rule, count: int) -> None:
        self.projections += count * len(population)
        self.reference.iterate(population, rule, count)

    def crossover(self, population: Population, plan: CrossoverPlan) -> Population:
        self.plans.append(plan)
        return self.reference.crossover(population, plan)


def evolved(*, backend: Backend | None = None, seed: int = 1, **changes: Any) -> list[State]:
    """The states after every generation, on noisy data of a small object."""
    settings = settings_of(**SMALL | changes)
    backend = backend or reference_backend()
    density = lumps(SIZE) + 0.02 * np.abs(noise(SIZE, 9))
    evolution = backend_ready(backend, settings, density, seed)
    states: list[State] = []
    run(evolution, evolution.start(), states)
    return states


def run(evolution: Evolution, state: State, states: list[State]) -> State:
    """Steps to the last generation; all states on the way are appended."""
    while state.generation < SMALL["global__generations"]:
        state = evolution.step(state)
        states.append(state)
    return state


def backend_ready(
    backend: Backend, settings: Settings, density: np.ndarray, seed: int
) -> Evolution:
    key = job_key(seed, "test")
    backend.load([Problem(bounds_of(density), key)], settings)
    return Evolution(backend, settings, [key], SIZE)


def steps(values: list[np.ndarray]) -> np.ndarray:
    """By how much each value rises from one generation to the next."""
    return np.diff(np.stack(values), axis=0)


def test_with_elitism_no_fitness_rises() -> None:
    """In threshold mode with elitism the fitness of every index falls or stays."""
    states = evolved()
    assert (steps([state.rating.fitness for state in states]) <= 0).all()


def test_without_elitism_the_archive_remembers() -> None:
    """The archive never gets worse, and holds the best fitness of every index so far."""
    states = evolved(SW__elitism=False)
    fitness = np.stack([state.rating.fitness for state in states])
    assert (np.diff(fitness, axis=0) > 0).any()
    archived = np.stack([state.archive_rating.fitness for state in states])
    assert np.array_equal(archived, np.minimum.accumulate(fitness, axis=0))


@pytest.mark.parametrize("mode", ["threshold", "area"])
def test_ratings_are_those_of_the_individuals_kept(mode: str) -> None:
    """Fitness and errors, of population and archive, are what the backend says of them."""
    backend = reference_backend()
    last = evolved(backend=backend, SW__mode=mode, SW__area=120.0)[-1]
    for population, rating in (
        (last.population, last.rating),
        (last.archive, last.archive_rating),
    ):
        errors = backend.errors(population)
        assert np.allclose(rating.errors, errors)
        assert np.allclose(rating.fitness, errors * backend.areas(population) ** 0.4)
    assert np.array_equal(last.history[-1], last.rating.errors)


def test_area_mode_keeps_shrinking() -> None:
    """In area mode every support has the target area of its generation: no old one survives."""
    backend = reference_backend()
    settings = settings_of(**SMALL | {"SW__mode": "area", "SW__area": 100.0})
    evolution = backend_ready(backend, settings, lumps(SIZE), 1)
    state, areas = evolution.start(), []
    for _ in range(5):
        state = evolution.step(state)
        areas.append(set(backend.areas(state.population).tolist()))
        assert set(backend.areas(state.archive).tolist()) == areas[-1]
    assert areas == [{160}, {147}, {133}, {120}, {120}]


def test_at_equal_area_the_archive_does_not_get_worse() -> None:
    """In area mode the archive starts anew with every area, and then keeps the best."""
    states = evolved(SW__mode="area", SW__area=100.0, global__generations=9)
    fitness = [state.rating.fitness for state in states]
    for earlier, state, own in zip(states[:-1], states[1:], fitness[1:], strict=True):
        kept = earlier.archive_rating.fitness
        is_new = state.archive_area != earlier.archive_area
        expected = own if is_new else np.minimum(kept, own)
        assert np.array_equal(state.archive_rating.fitness, expected)


@pytest.mark.parametrize("start", [0, 1, 3])
def test_the_cost_is_what_is_promised(start: int) -> None:
    """A run costs 2 x popsize x generations x it projections, and 3 more per improvement."""
    backend = Witness()
    evolved(backend=backend, DE__start=start)
    assert backend.projections == 2 * 8 * 5 * (10 + 3)
    assert [plan.generation for plan in backend.plans] == list(range(start, 5))


def test_the_same_seed_gives_the_same_bits() -> None:
    """A run is a function of data, settings and key; another key gives another."""
    first, again, other = (evolved(seed=seed)[-1] for seed in (1, 1, 2))
    assert np.array_equal(first.population.density, again.population.density)
    assert np.array_equal(first.history, again.history)
    assert not np.array_equal(first.history, other.history)


def test_a_run_may_be_cut_anywhere() -> None:
    """Steps taken from a state that was copied aside give what the whole run gives."""
    backend, settings = reference_backend(), settings_of(**SMALL)
    evolution = backend_ready(backend, settings, lumps(SIZE), 1)
    state = evolution.step(evolution.step(evolution.start()))
    aside = [
        State(
            state.generation, backend.copy(state.population), state.rating,
            backend.copy(state.archive), state.archive_rating, state.archive_area, state.history,
        )
        for _ in range(2)
    ]  # fmt: skip
    ends = [run(evolution, one, []) for one in aside]
    assert ends[0].generation == 5
    assert np.array_equal(ends[0].archive.density, ends[1].archive.density)
    assert np.array_equal(ends[0].history, ends[1].history)


def test_pulse() -> None:
    """Every step of the sequence gives a sign of life, for the population and for its trials."""
    beats: list[int] = []
    backend, settings = reference_backend(), settings_of(**SMALL)
    backend_ready(backend, settings, lumps(SIZE), 1)
    key = job_key(1, "test")
    evolution = Evolution(backend, settings, [key], SIZE, lambda: beats.append(1))
    evolution.step(evolution.start())
    assert len(beats) == 2 * len(improvement_steps(settings))


def test_islands_stay_apart() -> None:
    """With two islands no donor and no leader comes from the other one."""
    backend = Witness()
    evolved(backend=backend, global__islands=2)
    home = islands(settings_of(global__popsize=8, global__islands=2))
    for plan in backend.plans:
        assert (home[plan.donors] == home[:, None]).all()


class Disturbed(Around):
    """Gives each of the last four start densities to its neighbour."""

    def create(self, generation: int) -> Population:
        population: Population = self.reference.create(generation)
        population.density[4:] = np.roll(population.density[4:], 1, axis=0)
        return population


def test_an_island_does_not_feel_the_other() -> None:
    """Whatever the start densities of the second island, the first evolves alike to the bit."""
    plain, changed = (
        evolved(backend=backend, global__islands=2)[-1]
        for backend in (reference_backend(), Disturbed())
    )
    assert np.array_equal(plain.population.density[:4], changed.population.density[:4])
    assert np.array_equal(plain.history[:, :4], changed.history[:, :4])
    assert not np.array_equal(plain.history[:, 4:], changed.history[:, 4:])


def test_selection_is_one_to_one() -> None:
    """An index keeps the better of its own fitness and its trial's: no other takes its place."""
    backend, settings = reference_backend(), settings_of(**SMALL | {"SW__elitism": False})
    evolution = backend_ready(backend, settings, lumps(SIZE), 1)
    seen: list[np.ndarray] = []
    improve = evolution._improve

    def remembered(population: Any, wrap: Any) -> Any:
        rating = improve(population, wrap)
        seen.append(rating.fitness)
        return rating

    evolution._improve = remembered  # type: ignore[method-assign]
    states: list[State] = []
    run(evolution, evolution.start(), states)
    for own, trials, state in zip(seen[::2], seen[1::2], states, strict=True):
        assert np.array_equal(state.rating.fitness, np.minimum(own, trials))


def test_the_history_has_a_row_for_every_generation() -> None:
    """Errors of the whole population are kept, in the order of the individuals."""
    states = evolved()
    assert [len(state.history) for state in states] == [1, 2, 3, 4, 5]
    assert states[-1].history.shape == (5, 8)
    assert np.isfinite(states[-1].history).all()
