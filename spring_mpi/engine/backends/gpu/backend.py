"""A population as one array on a device: every operation is a few kernels over all individuals.

What the device is, a `Machine` tells: its array library, its transforms, and how it launches the
kernels of ``kernels.cu``. Nothing here touches CUDA, so that tests run all of it on a processor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....model.settings import Settings
from ...algorithms import Rule
from ...backend import Areas, CrossoverPlan, Errors, Flags, Indices, Problem, ShrinkWrap
from ...crossover import forced_pixel
from ...random import Purpose
from ...start import spheres, start_support
from .iteration import FusedIteration, Iteration
from .machine import Array, Machine, blocks
from .registration import motions
from .two_pass import TwoPasses, has_two_passes
from .workspace import Workspace

_SLABS = 16
"""Parts of an image that are summed up side by side; the sums are added in one order, always."""
_LOW = 0xFFFFFFFF


@dataclass
class Population:
    """Individuals one after the other on the device."""

    density: Array
    """(popsize, size, size), float32 or complex64."""
    support: Array
    """(popsize, size, size), uint8."""

    def __len__(self) -> int:
        return len(self.density)


class GpuBackend:
    """See `spring_mpi.engine.backend.Backend`.

    Parameters
    ----------
    say
        Takes what people should know, such as that memory is short.
    two_pass
        Iterate by the kernels of ``two_pass.cu`` where they know the size.
    """

    def __init__(
        self, machine: Machine, say: Callable[[str], None], *, two_pass: bool = False
    ) -> None:
        self._machine, self._say, self._two_pass = machine, say, two_pass
        self._kernels = machine.module("kernels.cu")
        self.name, self.device = machine.name, machine.device

    def load(self, problems: Sequence[Problem], settings: Settings) -> None:
        xp = self._machine.xp
        self._settings, self._popsize = settings, settings.global_.popsize
        self._size, self._total = problems[0].bounds.size, len(problems) * self._popsize
        self._keys = [problem.key for problem in problems]
        self._inits = [problem.init(settings) for problem in problems]
        norms = [problem.bounds.norm for problem in problems]
        self._norms: Errors = np.repeat(norms, self._popsize)
        self._is_real, self._is_positive = settings.object.is_real, settings.object.is_positive
        columns = slice(0, self._size // 2 + 1) if self._is_real else slice(None)
        self._workspace = Workspace(
            self._machine, self._say, self._size, self._total, is_real=self._is_real
        )
        self._machine.release()
        bounds = (
            np.stack([problem.bounds.lower for problem in problems]),
            np.stack([problem.bounds.upper for problem in problems]),
        )
        self._lower, self._upper = (
            xp.asarray(np.ascontiguousarray(bound[:, :, columns])) for bound in bounds
        )
        self._squares = _squared_frequencies(xp, self._size)
        # Both give the same to single precision, not to the last bit: chosen, never measured.
        if self._two_pass and has_two_passes(self._size):
            self._iteration: Iteration = TwoPasses(
                self._machine, self._workspace, *bounds,
                popsize=self._popsize, is_real=self._is_real, is_positive=self._is_positive,
            )  # fmt: skip
        else:
            self._iteration = FusedIteration(
                self._machine, self._workspace, self._kernels, self._lower, self._upper,
                popsize=self._popsize, is_positive=self._is_positive,
            )  # fmt: skip

    def create(self, generation: int) -> Population:
        starts = [start_support(init, self._size).astype(np.uint8) for init in self._inits]

        def make() -> Population:
            density = self._empty(self._total)
            self._start(density, generation)
            supports = self._machine.xp.asarray(np.stack(starts)).repeat(self._popsize, 0)
            return Population(density, supports)

        population = self._workspace.with_memory(make)
        power, overlap = self._sums(population.density)[:, 1:].T
        scales = np.divide(overlap, power, out=np.ones_like(power), where=power > 0)
        population.density *= self._machine.xp.asarray(scales.astype(np.float32))[:, None, None]
        return population

    def copy(self, population: Population) -> Population:
        return self._workspace.with_memory(
            lambda: Population(population.density.copy(), population.support.copy())
        )

    def iterate(self, population: Population, rule: Rule, count: int) -> None:
        def improve(part: slice) -> None:
            density, support = population.density[part], population.support[part]
            step = self._iteration.prepared(density, support, rule, part.start)
            key = (rule, count, density, support, part.start)
            self._machine.replay(key, partial(step, count))

        self._workspace.in_batches(len(population), improve)

    def shrinkwrap(self, population: Population, wrap: ShrinkWrap) -> None:
        transfer = self._machine.xp.exp(-2 * (np.pi * wrap.sigma) ** 2 * self._squares)
        transfer = (transfer / self._size**2).astype(np.float32)

        def cut(part: slice) -> None:
            density, support = population.density[part], population.support[part]
            self._keep(self._blurred(density, transfer), density, support, wrap)

        self._workspace.in_batches(len(population), cut)

    def errors(self, population: Population) -> Errors:
        return np.sqrt(self._sums(population.density)[:, 0] / self._norms)

    def areas(self, population: Population) -> Areas:
        areas: Areas = self._machine.host(population.support.sum(axis=(1, 2), dtype=np.int64))
        return areas

    def register(self, population: Population, targets: Indices) -> None:
        asarray, anchors = self._machine.xp.asarray, np.unique(targets)
        spectra = self._workspace.with_memory(
            lambda: self._spectra(population.density[asarray(anchors)])
        )
        places = np.searchsorted(anchors, targets)

        def move(part: slice) -> None:
            density, support = population.density[part], population.support[part]
            found = motions(self._machine, self._spectra(density), spectra[asarray(places[part])],
                            self._empty(len(density)))  # fmt: skip
            found = found.at_rest(targets[part] == np.arange(part.start, part.stop))
            moved = Population(self._machine.xp.empty_like(density), support.copy())
            self._launch(
                "move", len(density), density, support, moved.density, moved.support,
                asarray(found.moves), asarray(found.factors),
                np.int32(self._size),
            )  # fmt: skip
            density[...], support[...] = moved.density, moved.support

        self._workspace.in_batches(len(population), move)

    def crossover(self, population: Population, plan: CrossoverPlan) -> Population:
        xp, pixels = self._machine.xp, self._size**2
        children = self._workspace.with_memory(
            lambda: Population(self._empty(self._total), xp.empty_like(population.support))
        )
        forced = np.array(
            [
                forced_pixel(key, plan.generation, own, pixels)
                for key in self._keys
                for own in range(self._popsize)
            ]
        )
        words = np.array([(key & _LOW, key >> 32) for key in self._keys], np.uint32)
        self._launch(
            "cross", self._total, population.density, population.support,
            children.density, children.support,
            xp.asarray(plan.donors.astype(np.int32)), xp.asarray(plan.weights),
            xp.asarray(forced), xp.asarray(words), np.int32(self._popsize), np.int64(pixels),
            np.float32(plan.rate), np.uint32(plan.generation), np.uint32(Purpose.MIXING),
            np.int32(self._is_positive), pixels=-(-pixels // 4),
        )  # fmt: skip
        return children

    def replace(self, population: Population, others: Population, where: Flags) -> None:
        chosen = np.flatnonzero(where)

        def put(part: slice) -> None:
            indices = self._machine.xp.asarray(chosen[part])
            population.density[indices] = others.density[indices]
            population.support[indices] = others.support[indices]

        self._workspace.in_batches(len(chosen), put)

    def save(self, population: Population) -> Mapping[str, NDArray[Any]]:
        support = self._machine.host(population.support)
        return {"density": self._machine.host(population.density), "support": support != 0}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> Population:
        xp, support = self._machine.xp, arrays["support"].astype(np.uint8)
        return self._workspace.with_memory(
            lambda: Population(xp.array(arrays["density"]), xp.asarray(support))
        )

    def is_usable(self) -> bool:
        return self._machine.is_usable()

    # ---- one part of a population at a time

    def _start(self, density: Array, generation: int) -> None:
        items, counts = self._spheres(generation)
        self._launch(
            "start", len(density), density, self._machine.xp.asarray(items),
            self._machine.xp.asarray(counts), np.int32(items.shape[1]), np.int32(self._size),
            np.float64(self._settings.init.gamma),
        )  # fmt: skip

    def _spheres(self, generation: int) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """(popsize, most, 5): radius, row, column, strength as two numbers; and how many."""
        items = np.zeros((self._total, self._settings.init.items, 5))
        counts = np.empty(self._total, np.int32)
        for index in range(self._total):
            problem, own = divmod(index, self._popsize)
            init, key = self._inits[problem], self._keys[problem]
            drawn = spheres(init, key, generation, own, is_real=self._is_real)
            counts[index] = len(drawn)
            for row, item in zip(items[index], drawn, strict=False):
                row[:] = (*item[:3], item.strength.real, item.strength.imag)
        return items, counts

    def _blurred(self, density: Array, transfer: Array) -> Array:
        scratch = self._workspace.scratch
        image, half = scratch.image[: len(density)], scratch.half[: len(density)]
        self._machine.xp.abs(density, out=image)
        self._machine.forward(image, half)
        half *= transfer
        self._machine.backward(half, image)
        return image

    def _keep(self, blurred: Array, density: Array, support: Array, wrap: ShrinkWrap) -> None:
        area = min(max(wrap.area, wrap.least), wrap.most)
        self._kernels(
            "keep_strongest", (1, len(density)), blurred, density, support,
            np.int64(self._size**2), np.int32(1 if self._is_real else 2),
            np.float32(-1 if wrap.threshold is None else wrap.threshold),
            np.int64(area), np.int64(wrap.least), np.int64(wrap.most),
        )  # fmt: skip

    def _sums(self, densities: Array) -> NDArray[np.float64]:
        """(popsize, 3): squared distance to the data; |F|^2 and |F| A over the measured pixels."""
        parts = []

        def compare(part: slice) -> None:
            density = densities[part]
            spectrum, _ = self._workspace.spectra(len(density))
            self._machine.forward(density, spectrum)
            sums = self._machine.xp.empty((len(density), _SLABS, 3))
            self._kernels(
                "compare", (_SLABS, len(density)), spectrum, self._lower, self._upper, sums,
                np.int32(part.start), np.int32(self._popsize), np.int64(self._lower[0].size),
                np.int32(self._lower.shape[2]), np.int32(self._size),
                np.int32(self._is_real), np.float32(1 / self._size),
            )  # fmt: skip
            parts.append(self._machine.host(sums).sum(axis=1))

        self._workspace.in_batches(len(densities), compare)
        return np.concatenate(parts)

    def _spectra(self, densities: Array) -> Array:
        shape = (len(densities), *self._lower.shape[1:])
        spectra = self._machine.xp.empty(shape, np.complex64)
        self._machine.forward(densities, spectra)
        return spectra

    @property
    def _type(self) -> type[np.inexact]:
        return np.float32 if self._is_real else np.complex64

    def _empty(self, popsize: int) -> Array:
        return self._machine.xp.empty((popsize, self._size, self._size), self._type)

    def _launch(self, kernel: str, individuals: int, *arguments: Any, pixels: int = 0) -> None:
        """A kernel that there is for real and for complex densities, over all their pixels."""
        name = f"{kernel}_{'real' if self._is_real else 'complex'}"
        grid = (blocks(pixels or self._size**2), individuals)
        self._kernels(name, grid, *arguments)


def _squared_frequencies(xp: Any, size: int) -> Array:
    """|q|^2 of a half spectrum, cycles per pixel squared, (size, size // 2 + 1) float64."""
    rows, columns = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    return xp.asarray(rows[:, None] ** 2 + columns[None, :] ** 2)
