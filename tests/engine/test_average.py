"""The average: who is taken, and what is said of their agreement."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.physics import Density, disc, lumps, noise, pattern_of, settings_of

from spring_mpi.engine.average import Average, average
from spring_mpi.engine.metrics import correlation
from spring_mpi.model.alignment import canonical, register, twin

SIZE = 32


def population(*, spread: float = 0.0, is_complex: bool = False) -> tuple[Density, Density]:
    """Four copies of an object and their supports: shifted, mirrored, with noise of their own."""
    target = lumps(SIZE) * (np.exp(0.3j * np.arange(SIZE)) if is_complex else 1)
    mirrored = twin(target)
    copies = [target, np.roll(target, (3, -2), (0, 1)), mirrored, np.roll(mirrored, 5, axis=1)]
    noisy = [one + spread * noise(SIZE, seed) for seed, one in enumerate(copies)]
    densities = np.stack(noisy)
    return densities, np.stack([np.abs(one) > 0.2 for one in copies])


def averaged(fitness: list[float], *, islands: int = 1, spread: float = 0.0) -> Average:
    settings = settings_of(global__popsize=4 * islands, global__islands=islands)
    densities, supports = (np.concatenate([one] * islands) for one in population(spread=spread))
    return average(densities, supports, np.array(fitness), pattern_of(lumps(SIZE)), settings)


def test_motions_of_one_object_average_to_it() -> None:
    """Copies that differ by shift and twin alone are one object: no spread, transfer function 1."""
    result = averaged([1, 1, 1, 1])
    target = canonical(lumps(SIZE), lumps(SIZE) > 0.2).move(lumps(SIZE))
    assert np.allclose(result.data, target, atol=1e-6)
    assert np.allclose(result.best, target, atol=1e-6)
    assert result.std.max() < 1e-6
    assert np.allclose(result.prtf, 1)
    assert np.array_equal(result.support, target > 0.2)
    assert set(np.unique(result.support_frequency).tolist()) == {0.0, 1.0}


def test_complex_copies_average_too() -> None:
    """Copies that differ by a global phase as well are one object, whose sum is made positive."""
    densities, supports = population(is_complex=True)
    turned = densities * np.exp(1j * np.arange(4))[:, None, None]
    settings = settings_of(global__popsize=4, object__constraint="complex")
    pattern = pattern_of(densities[0])
    result = average(turned, supports, np.ones(4), pattern, settings)
    assert correlation(result.best, result.data) == pytest.approx(1)
    assert result.std.max() < 1e-6
    assert result.data[result.support > 0].sum().imag == pytest.approx(0, abs=1e-6)
    assert result.data[result.support > 0].sum().real > 0


@pytest.mark.parametrize(
    ("fitness", "members"),
    [([1, 1.04, 1.06, 2], 2), ([1, 1, 1, 1], 4), ([3, 2, 1, 1.5], 1), ([1.05, 1, 1.05, 9], 3)],
)
def test_those_near_the_best_are_averaged(fitness: list[float], members: int) -> None:
    """Members are those within 5 % of the best fitness."""
    assert averaged(fitness).members == members


def test_one_member_claims_no_agreement() -> None:
    """With a single member mean and best are the same, and the transfer function is unknown."""
    result = averaged([1, 2, 3, 4], spread=0.1)
    assert np.array_equal(result.data, result.best)
    assert np.isnan(result.prtf).all()


def test_the_mean_of_noisy_members_is_nearer_the_truth() -> None:
    """Averaging reduces independent noise, and the spread tells how much there was."""
    result = averaged([1, 1, 1, 1], spread=0.05)
    motion = register(lumps(SIZE), result.data)
    target = motion.move(lumps(SIZE))
    assert np.linalg.norm(result.data - target) < 0.7 * np.linalg.norm(result.best - target)
    outside = ~disc(SIZE, 24)
    assert result.std[outside].mean() == pytest.approx(0.05, rel=0.4)


def test_islands_are_compared() -> None:
    """With two islands each is averaged by its own best fitness, and the two are correlated."""
    result = averaged([1, 1, 9, 9, 5, 5, 5, 5], islands=2)
    assert result.members == 6
    assert np.allclose(result.ring_correlation, 1)
    assert averaged([1, 1, 1, 1]).ring_correlation.size == 0
