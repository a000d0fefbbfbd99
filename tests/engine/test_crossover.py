"""Crossover: four different parents of one island, mixed pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.physics import bounds_of, loaded, lumps, operators, settings_of
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.engine.backend import CrossoverPlan
from spring_mpi.engine.backends.host import Mixing, Population
from spring_mpi.engine.crossover import best_of_islands, crossover_plan, islands

SIZE, POPSIZE = 24, 4
DONORS = np.array([[1, 2, 3], [2, 3, 0], [3, 0, 1], [0, 1, 2]])


@given(
    count=st.integers(1, 4),
    each=st.integers(4, 9),
    key=st.integers(0, 2**64 - 1),
    generation=st.integers(0, 200),
)
def test_donors_are_three_others_of_the_island(
    count: int, each: int, key: int, generation: int
) -> None:
    """Donors are distinct, never the child itself, and never from another island."""
    settings = settings_of(global__popsize=count * each, global__islands=count)
    donors, home = crossover_plan(settings, [key], generation).donors, islands(settings)
    family = np.column_stack([np.arange(count * each), donors])
    assert all(len(set(row)) == 4 for row in family.tolist())
    assert (home[family] == home[:, None]).all()
    assert np.bincount(home).tolist() == [each] * count


def test_every_other_individual_is_a_donor_equally_often() -> None:
    """Over many generations no individual is preferred in any of the three parts."""
    settings = settings_of(global__popsize=8)
    donors = np.stack(
        [crossover_plan(settings, [5], generation).donors for generation in range(400)]
    )
    for child in range(8):
        for part in range(3):
            shares = np.bincount(donors[:, child, part], minlength=8) / 400
            assert shares[child] == 0
            assert np.delete(shares, child) == pytest.approx(1 / 7, abs=0.08)


def test_weights_are_drawn_about_f() -> None:
    """F of every child lies in F +- dither, fills that range, and changes with the generation."""
    settings = settings_of(global__popsize=64, DE__F=0.6, DE__dither=0.2)
    weights = np.stack(
        [crossover_plan(settings, [1], generation).weights for generation in range(4)]
    )
    assert (weights.min(), weights.max()) == pytest.approx((0.4, 0.8), abs=0.01)
    assert len(np.unique(weights)) == weights.size


def test_the_best_of_each_island_is_found() -> None:
    """Every individual is registered onto the fittest of its own island."""
    settings = settings_of(global__popsize=8, global__islands=2)
    fitness = np.array([4.0, 2.0, 3.0, 9.0, 7.0, 7.0, 8.0, 6.0])
    assert best_of_islands(settings, fitness).tolist() == [1, 1, 1, 1, 7, 7, 7, 7]


def parents() -> Population:
    """Four shifted copies, each with its own support."""
    densities = np.stack([np.roll(lumps(SIZE), shift, axis=1) for shift in range(POPSIZE)])
    return Population(densities, densities > 0.2)


def children(weight: float, share: float, constraint: str = "positive") -> Population:
    backend = loaded(bounds_of(lumps(SIZE)), constraint)
    weights = np.full(POPSIZE, weight, np.float32)
    return backend.crossover(parents(), CrossoverPlan(DONORS, weights, share, 3))


def test_without_difference_a_child_is_its_first_donor() -> None:
    """F = 0 and CR = 1 give donor a, cut by its support."""
    first, made = parents(), children(0.0, 1.0)
    donors = DONORS[:, 0]
    assert np.array_equal(made.support, first.support[donors])
    assert np.allclose(made.density, (first.density * first.support)[donors])


def test_without_share_one_pixel_comes_from_the_donors() -> None:
    """CR = 0 changes exactly one pixel of a child's own density and support, at a random place."""
    backend, own = loaded(bounds_of(lumps(SIZE))), parents()
    own.support[:] = True
    made = backend.crossover(own, CrossoverPlan(DONORS, np.full(POPSIZE, 0.5, np.float32), 0.0, 3))
    changed = made.density != own.density
    assert changed.sum(axis=(1, 2)).tolist() == [1] * POPSIZE
    assert len({tuple(place[1:]) for place in np.argwhere(changed).tolist()}) == POPSIZE


@pytest.mark.parametrize("weight", [0.5, 0.7])
def test_a_full_child_is_the_difference_formula(weight: float) -> None:
    """CR = 1 gives a + F (b - c), within the supports' own combination, and not negative."""
    one, made = parents(), children(weight, 1.0)
    a, b, c = (one.density[DONORS[:, part]] for part in range(3))
    support = (one.support[DONORS] * np.array([1, weight, -weight])[:, None, None]).sum(
        axis=1
    ) > 0.5
    assert np.array_equal(made.support, support)
    assert np.allclose(made.density, np.maximum((a + weight * (b - c)) * support, 0), atol=1e-7)


def test_the_share_is_the_probability_of_a_pixel() -> None:
    """CR is the share of pixels that come from the donors, and each child draws its own."""
    reference = operators(bounds_of(lumps(SIZE)))
    taken = np.stack([reference.taken(Mixing(1.0, 0.7, 5, 3, child)) for child in range(POPSIZE)])
    assert taken.mean() == pytest.approx(0.7, abs=0.03)
    assert not np.array_equal(taken[0], taken[1])


def test_crossover_leaves_the_parents_alone() -> None:
    """Children are new individuals; the population they come from is unchanged."""
    backend, own = loaded(bounds_of(lumps(SIZE))), parents()
    backend.crossover(own, CrossoverPlan(DONORS, np.ones(POPSIZE, np.float32), 0.9, 3))
    assert np.array_equal(own.density, parents().density)
    assert np.array_equal(own.support, parents().support)
