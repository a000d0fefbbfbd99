"""The two-pass kernels, their own source on the processor, against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.hostmachine import HostMachine
from helpers.physics import bounds_of, disc, lumps, noise, pattern_of, settings_of

from spring_mpi.engine.algorithms import ALGORITHMS, rule
from spring_mpi.engine.backend import Problem
from spring_mpi.engine.backends.gpu.backend import GpuBackend
from spring_mpi.engine.backends.gpu.two_pass import bit_reversed, has_two_passes, in_tiles
from spring_mpi.engine.backends.reference import reference_backend
from spring_mpi.engine.bounds import ModulusBounds
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.engine.random import job_key
from spring_mpi.model.settings import IA

KEY = job_key(1, "test")


def data_of(size: int, *, is_real: bool) -> ModulusBounds:
    """Measured, free, saturated and bounded pixels."""
    density = lumps(size) if is_real else lumps(size) * (1 + 0.3j * lumps(size))
    data = bounds_of(1e3 * density, disc(size, 3))
    kind = np.random.default_rng(3).integers(0, 4, (size, size))
    kind = np.minimum(kind, np.roll(kind[::-1, ::-1], 1, axis=(0, 1)))
    upper = np.where(kind == 0, np.inf, np.where(kind == 1, 2 * data.lower, data.upper))
    return ModulusBounds(data.lower, upper.astype(np.float32), data.norm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("constraint", ["positive", "real", "complex"])
@pytest.mark.parametrize(("size", "popsize"), [(64, 5), (128, 4)])
def test_iterations(
    host_machine: HostMachine, size: int, popsize: int, constraint: str, algorithm: str
) -> None:
    """For sizes with and without the radix-2 stage, and for an odd individual without partner."""
    is_real = constraint != "complex"
    settings = settings_of(object__constraint=constraint, global__popsize=popsize)
    data = data_of(size, is_real=is_real)
    densities = np.stack([noise(size, one, is_complex=not is_real) for one in range(popsize)])
    densities *= np.sqrt(popsize * data.norm) / np.linalg.norm(densities)
    single = np.float32 if is_real else np.complex64
    supports = np.stack([disc(size, 20 + 4 * one) for one in range(popsize)])
    results = []
    double = reference_backend(precision="double")
    backends: tuple[Any, ...] = (double, GpuBackend(host_machine, print, two_pass=True))
    for backend in backends:
        backend.load([Problem(data, KEY)], settings)
        start = densities if backend is double else densities.astype(single)
        population = backend.restore({"density": start, "support": supports})
        backend.iterate(population, rule(algorithm, IA()), 5)
        results.append(backend.save(population)["density"])
    one, other = results
    assert np.linalg.norm(one - other) < 1e-5 * np.linalg.norm(one)


@pytest.mark.parametrize("constraint", ["positive", "complex"])
def test_whole_reconstructions_agree(host_machine: HostMachine, constraint: str) -> None:
    settings = settings_of(
        global__popsize=5, global__generations=4, init__supportsize=14, IA__it=20,
        object__constraint=constraint,
    )  # fmt: skip
    pattern = pattern_of(1e3 * lumps(64), disc(64, 2), pid=(1,), cropsize=64, size=64)
    backends = (reference_backend(), GpuBackend(host_machine, print, two_pass=True))
    one, other = (reconstruct(pattern, settings, backend=backend).data for backend in backends)
    overlap = abs(np.vdot(one, other)) / np.linalg.norm(one) / np.linalg.norm(other)
    assert overlap > 0.999


class Counting(HostMachine):
    """Knows which source files were asked for."""

    def __init__(self, builder: Any) -> None:
        super().__init__(builder)
        self.sources: list[str] = []

    def module(self, source: str, **constants: int) -> Any:
        self.sources.append(source)
        return super().module(source, **constants)


@pytest.mark.parametrize(("size", "is_known"), [(64, True), (66, False), (32, False)])
def test_other_sizes_use_the_library(host_machine: HostMachine, size: int, is_known: bool) -> None:
    machine = Counting(host_machine.builder)
    backend = GpuBackend(machine, print, two_pass=True)
    backend.load([Problem(data_of(size, is_real=True), KEY)], settings_of(global__popsize=4))
    assert has_two_passes(size) == ("two_pass.cu" in machine.sources) == is_known


def test_the_order_is_that_of_the_transform() -> None:
    """Tiles hold rows and columns in bit-reversed order, tile by tile."""
    assert bit_reversed(8).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]
    image = np.arange(64, dtype=np.float32).reshape(8, 8)
    tiles = in_tiles(image, 2)
    assert tiles.shape == (4, 8, 2)
    assert tiles[1, 3].tolist() == [image[6, 2], image[6, 6]]
