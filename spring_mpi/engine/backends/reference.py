"""The reference backend: plain numpy and scipy.fft, any size; the meaning of every operation.

Real densities use half spectra (rfft2) throughout. All transforms are unitary. Every individual
is worked through on its own, so that its arrays stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ...settings import Settings
from ..algorithms import Rule
from ..alignment import Anchor, Motion
from ..genetics import forced_pixel
from ..interval import Interval
from ..population import Areas, Cross, Cut, Errors, Flags, Indices, Problem
from ..random import Purpose, uniforms
from ..start import start_density, start_support

Image = NDArray[Any]
Item = TypeVar("Item")
Value = TypeVar("Value")
# Darker moduli have no phase; far enough from 0 that no division by it overflows float32.
_DARK = 1e-30


@dataclass
class Population:
    """Individuals side by side."""

    density: Image
    """(popsize, size, size), float32 or complex64."""
    support: Flags
    """(popsize, size, size)."""

    def __len__(self) -> int:
        return len(self.density)


class ReferenceBackend:
    """See `spring_mpi.engine.population.Backend`; ``precision`` double is for tests."""

    name = "reference"
    device = "cpu"

    def __init__(self, *, precision: str = "single") -> None:
        self._real = np.dtype(np.float32 if precision == "single" else np.float64)
        self._dark = self._real.type(_DARK)

    def load(self, problems: Sequence[Problem], settings: Settings) -> None:
        self._settings, self._popsize = settings, settings.global_.popsize
        self._size = problems[0].interval.size
        self._keys = [problem.key for problem in problems]
        norms = [problem.interval.norm for problem in problems]
        self._norms: Errors = np.repeat(norms, self._popsize)
        constraint = settings.object.constraint
        self._is_real, self._is_positive = constraint != "complex", constraint == "positive"
        self._bounds = [self._bounds_of(problem.interval) for problem in problems]
        self._multiplicity = _multiplicity(self._size) if self._is_real else np.ones(self._size)

    def create(self, generation: int) -> Population:
        support = start_support(self._settings.init, self._size)

        def start(one: int) -> Image:
            problem, own = self._problem(one)
            key = self._keys[problem]
            density = start_density(self._settings, self._size, key, generation, own)
            return self._scaled(density, problem)

        densities = self._each(start, range(len(self._keys) * self._popsize))
        return Population(np.stack(densities), np.repeat(support[None], len(densities), axis=0))

    def copy(self, population: Population) -> Population:
        return Population(population.density.copy(), population.support.copy())

    def iterate(self, population: Population, rule: Rule, count: int) -> None:
        def improve(one: int) -> None:
            problem, _ = self._problem(one)
            for _ in range(count):
                self._update(population.density[one], population.support[one], rule, problem)

        self._each(improve, range(len(population)))

    def shrinkwrap(self, population: Population, cut: Cut) -> None:
        def wrap(one: int) -> None:
            density, support = population.density[one], population.support[one]
            support[:] = _keep(self._blurred(np.abs(density), cut.sigma), cut)
            density *= support

        self._each(wrap, range(len(population)))

    def errors(self, population: Population) -> Errors:
        def distance(one: int) -> float:
            return self._distance(population.density[one], self._problem(one)[0])

        squares = self._each(distance, range(len(population)))
        return np.sqrt(np.array(squares) / self._norms)

    def areas(self, population: Population) -> Areas:
        return np.array([np.count_nonzero(support) for support in population.support], np.int64)

    def register(self, population: Population, targets: Indices) -> None:
        chosen = set(targets.tolist())
        anchors = {index: self._anchor(population.density[index]) for index in chosen}

        def move(one: int) -> None:
            if one != targets[one]:
                motion = self._motion(population.density[one], anchors[int(targets[one])])
                population.density[one] = motion.move(population.density[one])
                population.support[one] = motion.move_support(population.support[one])

        self._each(move, range(len(population)))

    def crossover(self, population: Population, cross: Cross) -> Population:
        children = self.copy(population)

        def mix(child: int) -> None:
            self._cross(population, children, cross, child)

        self._each(mix, range(len(children)))
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

    def project(self, density: Image, problem: int = 0) -> Image:
        """The nearest density whose moduli lie in the intervals; phases of zeros become 0."""
        transform = self._forward(density)
        modulus = _modulus(transform)
        allowed = np.clip(modulus, *self._bounds[problem])
        transform *= allowed / np.maximum(modulus, self._dark)
        dark = modulus < self._dark
        if dark.any():
            transform[dark] = allowed[dark]
        return self._backward(transform)

    def _problem(self, one: int) -> tuple[int, int]:
        """Whose an individual is, and which one of it."""
        return divmod(one, self._popsize)

    def _bounds_of(self, interval: Interval) -> tuple[Image, Image]:
        """Lower and upper moduli of a spectrum, half a one where densities are real."""
        columns = slice(0, self._size // 2 + 1) if self._is_real else slice(None)
        lower, upper = interval.lower[:, columns], interval.upper[:, columns]
        return lower.astype(self._real), upper.astype(self._real)

    def _update(self, density: Image, support: Flags, rule: Rule, problem: int) -> None:
        projected = self.project(density, problem)
        inside = support
        if self._is_positive:
            tested = 2 * projected - density if rule.reflected else projected
            inside = support & (tested >= 0)
        density *= self._real.type(rule.a)
        density += self._real.type(rule.b) * projected
        np.copyto(density, projected, where=inside)

    def _each(self, action: Callable[[Item], Value], items: Iterable[Item]) -> list[Value]:
        """What the action returns for each item; items have nothing to do with one another."""
        return [action(item) for item in items]

    def _anchor(self, target: Image) -> Any:
        """What `_motion` needs of a target, which may itself move meanwhile."""
        return Anchor(target)

    def _motion(self, density: Image, anchor: Any) -> Motion:
        motion: Motion = anchor.motion(density)
        return motion

    def _cross(
        self, population: Population, children: Population, cross: Cross, child: int
    ) -> None:
        """Mix the donors into a copy of the child's parent."""
        donors, weight = cross.donors[child], cross.weights[child]
        taken = self._taken(cross, child)
        density, support = children.density[child], children.support[child]
        mixed = _combined(population.density[donors], self._real.type(weight))
        np.copyto(density, mixed, where=taken)
        mixed = _combined(population.support[donors].astype(self._real), weight)
        np.copyto(support, mixed > 0.5, where=taken)
        self._constrain(density, support)

    def _constrain(self, density: Image, support: Flags) -> None:
        density *= support
        if self._is_positive:
            np.maximum(density, 0, out=density)

    def _taken(self, cross: Cross, child: int) -> Flags:
        """Pixels of a child that come from its donors; at least one does."""
        pixels, (problem, own) = self._size**2, self._problem(child)
        key = self._keys[problem]
        taken = uniforms(key, Purpose.MIXING, cross.generation, own, pixels) < cross.share
        taken[forced_pixel(key, cross.generation, own, pixels)] = True
        return taken.reshape(self._size, self._size)

    def _scaled(self, density: Image, problem: int) -> Image:
        """The density scaled so that its moduli fit the measured ones by least squares."""
        density = density.astype(self._real if self._is_real else np.result_type(self._real, 1j))
        modulus = _modulus(self._forward(density))
        lower, upper = self._bounds[problem]
        measured = (lower == upper) * self._multiplicity
        power = np.sum(measured * modulus**2)
        scale = np.sum(measured * modulus * lower) / power if power else 1.0
        return density * self._real.type(scale)

    def _distance(self, density: Image, problem: int) -> float:
        modulus = _modulus(self._forward(density))
        gap = modulus - np.clip(modulus, *self._bounds[problem])
        return float(np.sum(gap**2 * self._multiplicity, dtype=np.float64))

    def _blurred(self, image: Image, sigma: float) -> Image:
        """Convolution with a Gaussian on the periodic grid, by its transfer function."""
        rows, columns = np.fft.fftfreq(self._size), np.fft.rfftfreq(self._size)
        squared = rows[:, None] ** 2 + columns[None, :] ** 2
        transfer = np.exp(-2 * (np.pi * sigma) ** 2 * squared).astype(self._real)
        blurred: Image = fft.irfft2(fft.rfft2(image) * transfer, s=image.shape)
        return blurred

    def _forward(self, density: Image) -> Image:
        forward = fft.rfft2 if self._is_real else fft.fft2
        transform: Image = forward(density, norm="ortho")
        return transform

    def _backward(self, transform: Image) -> Image:
        sides = (self._size, self._size)
        backward = fft.irfft2 if self._is_real else fft.ifft2
        density: Image = backward(transform, s=sides, norm="ortho", overwrite_x=True)
        return density


def _modulus(transform: Image) -> Image:
    modulus: Image = np.sqrt(transform.real**2 + transform.imag**2)
    return modulus


def _combined(donors: Image, weight: np.floating) -> Image:
    """a + F (b - c) of three donors a, b, c."""
    mixed: Image = donors[0] + weight * (donors[1] - donors[2])
    return mixed


def _multiplicity(size: int) -> NDArray[np.float64]:
    """How many pixels of the full spectrum a column of the half spectrum stands for."""
    twice = np.full(size // 2 + 1, 2.0)
    twice[0] = 1.0
    if size % 2 == 0:
        twice[-1] = 1.0
    return twice


def _keep(image: Image, cut: Cut) -> Flags:
    """The pixels that a cut keeps of a blurred image."""
    if cut.threshold is None:
        return _strongest(image, min(max(cut.area, cut.least), cut.most))
    kept: Flags = image > cut.threshold * image.max()
    area = int(np.count_nonzero(kept))
    if cut.least <= area <= cut.most:
        return kept
    return _strongest(image, cut.least if area < cut.least else cut.most)


def _strongest(image: Image, count: int) -> Flags:
    """The ``count`` strongest pixels; any of those that equal the weakest of them."""
    order = np.argpartition(image, image.size - count, axis=None)
    kept = np.zeros(image.size, bool)
    kept[order[image.size - count :]] = True
    return kept.reshape(image.shape)
