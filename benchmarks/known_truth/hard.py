"""Memetic against conventional search on hard patterns, at equal numbers of projections.

The settings were fixed before anything was tuned on them. Both searches share preparation, start
densities, iterations, shrink-wrap with its thresholds, selection and averaging; the conventional
one has no crossover and no other trials, so that each of its starts is improved twice as often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spring_mpi.engine.algorithms import rule
from spring_mpi.engine.average import average
from spring_mpi.engine.backend import Backend, Problem
from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.bounds import modulus_bounds
from spring_mpi.engine.evolution import Rating
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.engine.random import job_key
from spring_mpi.engine.sequence import SHRINKWRAP, improvement_steps
from spring_mpi.engine.shrinkwrap import fitness, shrink_wrap
from spring_mpi.model.settings import Settings

from .conditions import HARD, ordinary
from .detector import SIZE
from .sample import SETS, Sample, sample_of
from .scores import scores
from .statistics import bootstrap, wilson

COUNT = 24
SEEDS = 8
POPSIZE = 16
GENERATIONS = 4
_SETTLING = 3
"""Iterations of ER before individuals are compared."""
_SUPPORTS = (0.85, 2.5)
_SPECKLES = (1.8, 3.0)
_PHOTONS = (4.5, 5.5)
"""Powers of ten."""
SMALL_SUPPORT = 0.7
"""Of hollow objects, reported apart."""

Density = NDArray[np.inexact]
Search = Callable[[Sample, int, int], Density]


def hard_sample(number: int) -> Sample:
    """The pattern of a hard setting; from `COUNT` on hollow ones from too small a support."""
    is_small = number >= COUNT
    random = np.random.default_rng([SETS["hard"], number])
    share = _shares()[number % COUNT]
    support = SMALL_SUPPORT if is_small else _between(_SUPPORTS, share[0])
    kind = "hollow" if is_small else HARD[number % len(HARD)]
    conditions = replace(
        ordinary(random, (kind,)),
        support=support,
        missing=_between(_SPECKLES, share[1]),
        photons=10 ** _between(_PHOTONS, share[2]),
        extent=min(random.uniform(34, 44), SIZE / 2 / support),
        saturation=0.8,
    )
    return sample_of(conditions, "hard", SETS["hard"] + number, random)


def _shares() -> NDArray[np.float64]:
    """Where each setting lies in the ranges of support, speckles and photons, 0 to 1.

    A Latin hypercube: each range is filled evenly.
    """
    random = np.random.default_rng(SETS["hard"])
    columns = [(random.permutation(COUNT) + 0.5) / COUNT for _ in range(3)]
    return np.stack(columns, axis=1)


def projections(popsize: int, generations: int, it: int = 50) -> int:
    """Projections onto the data of a memetic search: parents and trials are improved."""
    return 2 * popsize * generations * (it + _SETTLING)


def memetic(known: Sample, seed: int, generations: int) -> Density:
    """One run of the engine, over all of its generations."""
    settings = known.settings(POPSIZE, generations)
    settings.set("global", "stop", "never").set("global", "runs", 1)
    result = reconstruct(known.pattern(), settings, backend=make_backend("cpu"), seed=seed)
    return np.asarray(result.data)


def conventional(known: Sample, seed: int, generations: int) -> Density:
    """As many independent starts as the population has individuals, each improved by itself.

    ``generations`` are those of a memetic search with as many projections.
    """
    settings, pattern = known.settings(POPSIZE, 2 * generations), known.pattern()
    key, backend = job_key(seed, f"hard {known.seed}"), make_backend("cpu")
    bounds = modulus_bounds(pattern, symmetric=settings.object.is_real, bounded=False)
    backend.load([Problem(bounds, key)], settings)
    population = backend.create(0)
    rating = Rating(np.full(POPSIZE, np.inf), np.full(POPSIZE, np.inf))
    for improvement in range(2 * generations):
        before = backend.copy(population)
        improved = _improved(backend, population, settings, improvement)
        # What became worse is undone, as in a memetic search.
        worse = rating.fitness < improved.fitness
        backend.replace(population, before, worse)
        rating = improved.replaced(rating, worse)
    arrays = backend.save(population)
    return np.asarray(
        average(arrays["density"], arrays["support"], rating.fitness, pattern, settings).data
    )


def _improved(backend: Backend, population: Any, settings: Settings, improvement: int) -> Rating:
    wrap = shrink_wrap(settings, SIZE, improvement)
    for step in improvement_steps(settings):
        if step.algorithm == SHRINKWRAP:
            backend.shrinkwrap(population, wrap)
        else:
            backend.iterate(population, rule(step.algorithm, settings.IA), step.count)
    backend.iterate(population, rule("ER", settings.IA), _SETTLING)
    errors = backend.errors(population)
    return Rating(fitness(errors, backend.areas(population), settings), errors)


SEARCHES: dict[str, Search] = {"memetic": memetic, "conventional": conventional}


@dataclass(frozen=True)
class Trial:
    """One search on one setting."""

    search: str
    number: int
    seed: int
    generations: int

    def is_right(self) -> bool:
        """Whether it finds the object."""
        known = hard_sample(self.number)
        density = SEARCHES[self.search](known, self.seed, self.generations)
        return scores(density, known.truth, known.hole_edge).right


def outcomes(trials: Sequence[Trial], processes: int) -> dict[Trial, bool]:
    """Which of them are right."""
    if processes == 1:
        return {trial: trial.is_right() for trial in trials}
    with ProcessPoolExecutor(processes) as pool:
        return dict(zip(trials, pool.map(Trial.is_right, trials), strict=True))


def comparison(processes: int, seeds: int = SEEDS, count: int = COUNT) -> Iterator[str]:
    """Lines: the share of right answers of both searches, and their difference."""
    ways, numbers, draws = tuple(SEARCHES), range(count), range(1, seeds + 1)
    yield f"{projections(POPSIZE, GENERATIONS)} projections, {count} settings, {seeds} seeds"
    found = outcomes([Trial(*one, GENERATIONS) for one in product(ways, numbers, draws)], processes)
    tables = {way: _table(found, way, numbers, draws) for way in ways}
    for way, table in tables.items():
        low, high = wilson(int(table.sum()), table.size)
        yield f"{way}: right {table.mean():.3f} [{low:.3f}, {high:.3f}]"
        for kind in HARD:
            yield f"  {kind}: {table[[HARD[n % 3] == kind for n in numbers]].mean():.3f}"
    difference = tables["memetic"] - tables["conventional"]
    low, high = bootstrap(difference)
    yield f"difference {difference.mean():+.3f} [{low:+.3f}, {high:+.3f}] over settings and seeds"
    for number in numbers:
        yield _setting(number, {way: table[number].mean() for way, table in tables.items()})


def small_supports(processes: int, count: int = 4, seeds: int = SEEDS) -> Iterator[str]:
    """Lines: hollow objects from a start support that is smaller than they are."""
    numbers, draws = range(COUNT, COUNT + count), range(1, seeds + 1)
    for way in SEARCHES:
        trials = [Trial(way, number, seed, GENERATIONS) for number in numbers for seed in draws]
        found = outcomes(trials, processes)
        yield f"hollow, support {SMALL_SUPPORT}, {way}: right {np.mean(list(found.values())):.3f}"


def budgets(processes: int, seeds: int = 2) -> Iterator[str]:
    """Lines: the share of right answers by projections, and how many half and 0.9 need."""
    sizes, draws = (1, 2, 3, 4, 6, 8, 12), range(1, seeds + 1)
    for way in SEARCHES:
        shares = []
        for size in sizes:
            trials = [Trial(way, number, seed, size) for number in range(COUNT) for seed in draws]
            shares.append(float(np.mean(list(outcomes(trials, processes).values()))))
        told = ", ".join(
            f"{projections(POPSIZE, size)}: {share:.2f}"
            for size, share in zip(sizes, shares, strict=True)
        )
        yield f"{way}, right by projections: {told}"


def _table(
    found: dict[Trial, bool], way: str, numbers: Sequence[int], seeds: Sequence[int]
) -> NDArray[np.float64]:
    """1 where right, (settings, seeds)."""
    rows = [[found[Trial(way, number, seed, GENERATIONS)] for seed in seeds] for number in numbers]
    return np.array(rows, float)


def _setting(number: int, shares: dict[str, float]) -> str:
    known = hard_sample(number)
    told = ", ".join(f"{way} {share:.2f}" for way, share in shares.items())
    return (
        f"  {number:2d} {known.conditions.kind:10s} {known.missing_speckles:.1f} speckles, "
        f"10^{np.log10(known.photons):.1f} photons, support {known.conditions.support:.2f}: {told}"
    )


def _between(ends: tuple[float, float], share: float) -> float:
    return float(ends[0] + (ends[1] - ends[0]) * share)
