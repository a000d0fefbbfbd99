"""The gpu backend with its CUDA kernels' own source against the reference, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.hostmachine import HostMachine, SmallMachine
from helpers.physics import bounds_of, disc, lumps, noise, pattern_of, settings_of
from numpy.typing import NDArray

from spring_mpi.engine.algorithms import ALGORITHMS, rule
from spring_mpi.engine.backend import Problem, ShrinkWrap
from spring_mpi.engine.backends.gpu.backend import GpuBackend, Population
from spring_mpi.engine.backends.reference import reference_backend
from spring_mpi.engine.bounds import ModulusBounds
from spring_mpi.engine.crossover import crossover_plan
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.engine.random import job_key
from spring_mpi.errors import LaunchError
from spring_mpi.model.settings import IA

KEY = job_key(1, "test")
CONSTRAINTS = ("positive", "real", "complex")
SIZES = (32, 21)


def data_of(size: int, constraint: str) -> ModulusBounds:
    """Measured, masked and bounded pixels."""
    density = lumps(size) * (1 + 0.3j * lumps(size)) if constraint == "complex" else lumps(size)
    data = bounds_of(1e3 * density, disc(size, 3))
    upper = np.where(np.isinf(data.upper), 1e5, data.upper).astype(np.float32)
    return ModulusBounds(data.lower, upper, data.norm)


@pytest.fixture
def pair(host_machine: HostMachine, size: int, constraint: str) -> tuple[Any, Any]:
    """Both backends, loaded with the same data."""
    settings = settings_of(
        object__constraint=constraint, global__popsize=6, init__supportsize=size // 2
    )
    backends = (reference_backend(), GpuBackend(host_machine, print))
    for backend in backends:
        backend.load([Problem(data_of(size, constraint), KEY)], settings)
    return backends


def distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Relative rms."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def both(pair: tuple[Any, Any], generation: int = 0) -> tuple[Any, Any]:
    """The same population for both."""
    reference, gpu = pair
    population = reference.create(generation)
    return population, gpu.restore(reference.save(population))


def agree(pair: tuple[Any, Any], populations: tuple[Any, Any], limit: float = 1e-5) -> None:
    """Densities differ by less than the limit, supports not at all."""
    one, other = (
        backend.save(population) for backend, population in zip(pair, populations, strict=True)
    )
    assert distance(other["density"], one["density"]) < limit
    assert np.array_equal(other["support"], one["support"])


on_all = pytest.mark.parametrize("constraint", CONSTRAINTS)
on_sizes = pytest.mark.parametrize("size", SIZES)


@on_all
@on_sizes
def test_start_densities(pair: tuple[Any, Any]) -> None:
    agree(pair, tuple(backend.create(1) for backend in pair))


@on_all
@on_sizes
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_iterations(pair: tuple[Any, Any], algorithm: str) -> None:
    populations = both(pair)
    for backend, population in zip(pair, populations, strict=True):
        backend.iterate(population, rule(algorithm, IA()), 5)
    agree(pair, populations)


@on_all
@on_sizes
def test_errors_and_areas(pair: tuple[Any, Any]) -> None:
    one, other = both(pair)
    assert np.allclose(pair[0].errors(one), pair[1].errors(other), rtol=1e-5)
    assert np.array_equal(pair[0].areas(one), pair[1].areas(other))


CUTS = {
    "threshold": ShrinkWrap(1.5, 0.2, 0, 4, 400),
    "too few": ShrinkWrap(1.5, 0.99, 0, 40, 400),
    "too many": ShrinkWrap(1.5, 0.01, 0, 4, 40),
    "area": ShrinkWrap(2.0, None, 60, 4, 400),
    "area out of bounds": ShrinkWrap(2.0, None, 600, 4, 100),
}


@on_all
@on_sizes
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_shrinkwrap(pair: tuple[Any, Any], cut: ShrinkWrap) -> None:
    """The same pixels, but for some whose strength rounding decides."""
    populations = both(pair)
    for backend, population in zip(pair, populations, strict=True):
        backend.iterate(population, rule("ER", IA()), 3)
        backend.shrinkwrap(population, cut)
    one, other = (b.save(p) for b, p in zip(pair, populations, strict=True))
    areas = [saved["support"].sum(axis=(1, 2)) for saved in (one, other)]
    assert np.abs(areas[0] - areas[1]).max() <= 1
    assert (one["support"] != other["support"]).sum(axis=(1, 2)).max() <= 2
    assert not other["density"][~other["support"]].any()


@on_all
@on_sizes
def test_registration(pair: tuple[Any, Any]) -> None:
    """Shifted, mirrored and turned individuals move alike; the leaders stay as they are."""
    reference, gpu = pair
    size = reference.create(0).density.shape[1]
    leader = lumps(size).astype(reference.create(0).density.dtype)
    turn = np.exp(0.7j) if np.iscomplexobj(leader) else -1
    mirrored = np.roll(leader[::-1, ::-1], (5, -3), axis=(0, 1)).conj()
    densities = np.stack(
        [np.roll(leader, 4, axis=0), leader, turn * mirrored, leader[::-1], turn * leader, leader.T]
    ).astype(leader.dtype)
    arrays = {"density": densities, "support": np.abs(densities) > 0.2}
    populations = (reference.restore(arrays), gpu.restore(arrays))
    for backend, population in zip(pair, populations, strict=True):
        backend.register(population, np.array([1, 1, 1, 5, 5, 5]))
    agree(pair, populations)


@on_all
@on_sizes
def test_crossover(pair: tuple[Any, Any]) -> None:
    """The same random numbers, donors and pixels."""
    populations = both(pair)
    cross = crossover_plan(settings_of(global__popsize=6), [KEY], 3)
    children = tuple(b.crossover(p, cross) for b, p in zip(pair, populations, strict=True))
    agree(pair, children, limit=1e-6)


@on_all
@pytest.mark.parametrize("size", [32])
def test_copies_and_replacements(pair: tuple[Any, Any]) -> None:
    _, gpu = pair
    population, others = gpu.create(0), gpu.create(1)
    before = gpu.copy(population)
    flags = np.array([True, False, True, False, False, True])
    gpu.replace(population, others, flags)
    assert np.array_equal(population.density[flags], others.density[flags])
    assert np.array_equal(population.density[~flags], before.density[~flags])
    assert not np.array_equal(population.density[flags], before.density[flags])


@pytest.mark.parametrize("strongest", [1, 3, 7])
def test_of_equally_strong_pixels_the_first_are_kept(
    host_machine: HostMachine, strongest: int
) -> None:
    """Exactly as many as wanted, also where their strengths are all the same."""
    image = np.full((1, 4, 4), 2.0, np.float32)
    image[0, 2, 2] = 3
    density, support = image.copy(), np.zeros((1, 4, 4), np.uint8)
    sizes = (np.int64(16), np.int32(1), np.float32(-1), *[np.int64(strongest)] * 3)
    host_machine.module("kernels.cu")("keep_strongest", (1, 1), image, density, support, *sizes)
    expected = np.zeros(16, np.uint8)
    expected[[10, *range(strongest - 1)]] = 1
    assert np.array_equal(support.ravel(), expected)
    assert np.array_equal(density != 0, support != 0)


@pytest.mark.parametrize("count", [1, 100, 4095])
def test_selection_is_the_rank_in_a_sorted_image(host_machine: HostMachine, count: int) -> None:
    """For negative values, zeros of both signs and infinities too."""
    image = noise(64, 3).astype(np.float32)
    image[0, :5] = (np.inf, -np.inf, 0.0, -0.0, 1e-42)
    support = np.zeros((1, 64, 64), np.uint8)
    sizes = (np.int64(64**2), np.int32(1), np.float32(-1), *[np.int64(count)] * 3)
    host_machine.module("kernels.cu")(
        "keep_strongest", (1, 1), image[None], image[None].copy(), support, *sizes
    )
    weakest = np.sort(image.ravel())[-count]
    assert support.sum() == count
    assert np.array_equal(support[0] != 0, image >= weakest)


@pytest.mark.parametrize("constraint", ["positive", "complex"])
def test_whole_reconstructions_agree(host_machine: HostMachine, constraint: str) -> None:
    """Both backends find the same density, to more than 0.999."""
    settings = settings_of(
        global__popsize=6, global__generations=5, init__supportsize=14, IA__it=20,
        object__constraint=constraint,
    )  # fmt: skip
    pattern = pattern_of(1e3 * lumps(32), disc(32, 2), pid=(1,), cropsize=32, size=32)
    one, other = (
        reconstruct(pattern, settings, backend=backend).data
        for backend in (reference_backend(), GpuBackend(host_machine, print))
    )
    overlap = abs(np.vdot(one, other)) / np.linalg.norm(one) / np.linalg.norm(other)
    assert overlap > 0.999


def test_where_memory_is_short_the_batch_is_halved(host_machine: HostMachine) -> None:
    """The numbers stay the same, and people are told."""
    settings = settings_of(global__popsize=7, init__supportsize=16)
    said: list[str] = []
    small = SmallMachine(host_machine.builder, 2)
    populations = []
    for backend in (GpuBackend(host_machine, print), GpuBackend(small, said.append)):
        backend.load([Problem(data_of(32, "positive"), KEY)], settings)
        population = backend.create(0)
        backend.iterate(population, rule("RAAR", IA()), 4)
        backend.shrinkwrap(population, CUTS["area"])
        backend.register(population, np.zeros(7, int))
        populations.append((backend.save(population), backend.errors(population)))
    (one, errors), (other, other_errors) = populations
    assert np.array_equal(one["density"], other["density"])
    assert np.array_equal(one["support"], other["support"])
    assert np.array_equal(errors, other_errors)
    assert said == [
        "memory is short on this processor: 4 individuals at once from now on",
        "memory is short on this processor: 2 individuals at once from now on",
    ]


def test_each_problem_has_its_own_start_support(host_machine: HostMachine) -> None:
    """Two problems of one population begin with supports of their own sizes."""
    data, settings = data_of(32, "positive"), settings_of(global__popsize=4, init__supportsize=16)
    pair: tuple[Any, Any] = (reference_backend(), GpuBackend(host_machine, print))
    for backend in pair:
        backend.load([Problem(data, KEY), Problem(data, KEY + 1, 9)], settings)
    agree(pair, (pair[0].create(0), population := pair[1].create(0)))
    areas = pair[1].areas(population)
    assert areas[3] > 2 * areas[4]


def test_no_room_for_one_individual_is_an_error(host_machine: HostMachine) -> None:
    backend = GpuBackend(SmallMachine(host_machine.builder, 0), lambda text: None)
    backend.load([Problem(data_of(32, "positive"), KEY)], settings_of(global__popsize=4))
    with pytest.raises(LaunchError, match=r"does not suffice.*lower global\.popsize"):
        backend.create(0)


def test_darkness_has_no_phase(host_machine: HostMachine) -> None:
    """An empty density projects to finite moduli, as in the reference."""
    data = data_of(16, "positive")
    backends: tuple[Any, ...] = (reference_backend(), GpuBackend(host_machine, print))
    for level in (0.0, 1e-44, 1e-30, 1e-20):
        arrays = {
            "density": np.full((4, 16, 16), level, np.float32),
            "support": np.ones((4, 16, 16), bool),
        }
        saved = []
        for backend in backends:
            backend.load([Problem(data, KEY)], settings_of(global__popsize=4))
            population = backend.restore(arrays)
            backend.iterate(population, rule("ER", IA()), 1)
            saved.append(backend.save(population)["density"])
        assert np.isfinite(saved[1]).all()
        assert distance(saved[1], saved[0]) < 1e-5


def test_a_population_has_a_length() -> None:
    assert len(Population(np.zeros((3, 2, 2)), np.zeros((3, 2, 2)))) == 3
