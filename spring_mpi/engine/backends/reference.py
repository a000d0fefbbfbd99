"""The reference backend: plain numpy and scipy.fft, any size; the meaning of every operation.

Real densities use half spectra (rfft2) throughout. All transforms are unitary. Every individual
is worked through on its own, so that its arrays stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ...model.alignment import Anchor, Motion
from ...model.settings import Settings
from ..algorithms import Rule
from ..backend import Flags, ShrinkWrap
from ..bounds import ModulusBounds
from ..crossover import forced_pixel
from ..random import Purpose, uniforms
from .host import HostBackend, Image, Individual, Mixing

# Darker moduli have no phase; far enough from 0 that no division by it overflows float32.
_DARK = 1e-30


def reference_backend(*, precision: str = "single") -> HostBackend:
    """The reference backend; ``precision`` double is for tests."""
    return HostBackend("reference", partial(NumpyOperators, precision=precision))


class NumpyOperators:
    """See `spring_mpi.engine.backends.host.Operators`; ``precision`` double is for tests."""

    iterated_together = wrapped_together = 1

    def __init__(
        self, bounds: ModulusBounds, settings: Settings, *, precision: str = "single"
    ) -> None:
        known = settings.object
        self._is_real, self._is_positive, self._size = known.is_real, known.is_positive, bounds.size
        self._real = np.dtype(np.float32 if precision == "single" else np.float64)
        self._dark = self._real.type(_DARK)
        # Of the spectrum of a real density, half says all.
        columns = slice(0, self._size // 2 + 1) if self._is_real else slice(None)
        self._lower = bounds.lower[:, columns].astype(self._real)
        self._upper = bounds.upper[:, columns].astype(self._real)
        self._multiplicity = _multiplicity(self._size) if self._is_real else np.ones(self._size)

    def scaled(self, density: Image) -> Image:
        density = density.astype(self._real if self._is_real else np.result_type(self._real, 1j))
        modulus = _modulus(self._forward(density))
        measured = (self._lower == self._upper) * self._multiplicity
        power = np.sum(measured * modulus**2)
        scale = np.sum(measured * modulus * self._lower) / power if power else 1.0
        return density * self._real.type(scale)

    def iterate(self, individuals: Sequence[Individual], rule: Rule, count: int) -> None:
        for individual in individuals:
            for _ in range(count):
                self._update(individual.density, individual.support, rule)

    def shrinkwrap(self, individuals: Sequence[Individual], wrap: ShrinkWrap) -> None:
        for individual in individuals:
            blurred = self.blurred(np.abs(individual.density), wrap.sigma)
            individual.support[:] = _kept(blurred, wrap)
            np.multiply(individual.density, individual.support, out=individual.density)

    def distance(self, density: Image) -> float:
        modulus = _modulus(self._forward(density))
        gap = modulus - np.clip(modulus, self._lower, self._upper)
        return float(np.sum(gap**2 * self._multiplicity, dtype=np.float64))

    def anchor(self, target: Image) -> Anchor:
        return Anchor(target)

    def motion(self, density: Image, anchor: Any) -> Motion:
        motion: Motion = anchor.motion(density)
        return motion

    def crossover(
        self, parent: Individual, donors: Sequence[Individual], child: Individual, mixing: Mixing
    ) -> None:
        taken, weight = self.taken(mixing), self._real.type(mixing.weight)
        mixed = _combined([donor.density for donor in donors], weight)
        child.density[...] = np.where(taken, mixed, parent.density)
        mixed = _combined([donor.support.astype(self._real) for donor in donors], weight)
        child.support[...] = np.where(taken, mixed > 0.5, parent.support)
        np.multiply(child.density, child.support, out=child.density)
        if self._is_positive:
            np.maximum(child.density, 0, out=child.density)

    def project(self, density: Image) -> Image:
        """The nearest density whose moduli lie within the bounds; phases of zeros become 0."""
        transform = self._forward(density)
        modulus = _modulus(transform)
        allowed = np.clip(modulus, self._lower, self._upper)
        transform *= allowed / np.maximum(modulus, self._dark)
        dark = modulus < self._dark
        if dark.any():
            transform[dark] = allowed[dark]
        return self._backward(transform)

    def blurred(self, image: Image, sigma: float) -> Image:
        """Convolution with a Gaussian on the periodic grid, by its transfer function."""
        rows, columns = np.fft.fftfreq(self._size), np.fft.rfftfreq(self._size)
        squared = rows[:, None] ** 2 + columns[None, :] ** 2
        # The transform of a Gaussian of standard deviation sigma is exp(-2 pi^2 sigma^2 q^2).
        transfer = np.exp(-2 * (np.pi * sigma) ** 2 * squared).astype(self._real)
        blurred: Image = fft.irfft2(fft.rfft2(image) * transfer, s=image.shape)
        return blurred

    def taken(self, mixing: Mixing) -> Flags:
        """Pixels of a child that come from its donors; at least one does."""
        pixels, counter = self._size**2, (mixing.generation, mixing.child)
        taken = uniforms(mixing.key, Purpose.MIXING, *counter, pixels) < mixing.rate
        taken[forced_pixel(mixing.key, *counter, pixels)] = True
        return taken.reshape(self._size, self._size)

    def _update(self, density: Image, support: Flags, rule: Rule) -> None:
        projected = self.project(density)
        inside = support
        # The projection onto the support, with the sign where it is known.
        if self._is_positive:
            tested = 2 * projected - density if rule.reflected else projected
            inside = support & (tested >= 0)
        density *= self._real.type(rule.a)
        density += self._real.type(rule.b) * projected
        np.copyto(density, projected, where=inside)

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


def _combined(donors: Sequence[Image], weight: Any) -> Image:
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


def _kept(image: Image, wrap: ShrinkWrap) -> Flags:
    """The pixels that a shrink-wrap keeps of a blurred image."""
    if wrap.threshold is None:
        return _strongest(image, min(max(wrap.area, wrap.least), wrap.most))
    kept: Flags = image > wrap.threshold * image.max()
    area = int(np.count_nonzero(kept))
    if wrap.least <= area <= wrap.most:
        return kept
    return _strongest(image, wrap.least if area < wrap.least else wrap.most)


def _strongest(image: Image, count: int) -> Flags:
    """The ``count`` strongest pixels; any of those that equal the weakest of them."""
    order = np.argpartition(image, image.size - count, axis=None)
    kept = np.zeros(image.size, bool)
    kept[order[image.size - count :]] = True
    return kept.reshape(image.shape)
