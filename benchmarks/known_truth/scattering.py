"""Far fields of particles: of their projection, or of slabs one behind the other.

Lengths are pixels of the density, frequencies cycles per such pixel. A particle is drawn finer than
that and on a grid of its own, so that neither the pattern nor the truth knows its voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .volumes import VOXELS, Generator, volume

Field = NDArray[np.complex128]
Axis = NDArray[np.float64]
_SLABS = 8
_EDGE = 0.05
"""Of the highest projected density: what exceeds it belongs to the particle."""


@dataclass(frozen=True)
class Particle:
    """Slabs of projected density along the beam, (slabs, rows, columns), real or complex."""

    slabs: NDArray[np.complexfloating] | NDArray[np.floating]
    depths: NDArray[np.floating]
    """Of the slabs' middles, pixels."""
    spacing: float
    """Of the slabs' samples, pixels."""
    extent: float
    """Largest diameter of the projection, pixels."""
    place: tuple[float, float] = (0.0, 0.0)
    """(row, column) of the middle, pixels."""

    @property
    def is_real(self) -> bool:
        """Whether it neither absorbs nor turns the phase."""
        return not np.iscomplexobj(self.slabs)

    @property
    def projection(self) -> NDArray[np.inexact]:
        """The sum of the slabs, (rows, columns)."""
        total: NDArray[np.inexact] = self.slabs.sum(axis=0)
        return total

    def at(self, place: tuple[float, float]) -> Particle:
        """The same particle elsewhere."""
        return replace(self, place=place)

    def times(self, factor: float) -> Particle:
        """The same particle in stronger light."""
        return replace(self, slabs=self.slabs * factor)

    def reach(self, angle: float) -> tuple[float, float]:
        """Lowest and highest coordinate along a direction, pixels."""
        low, high = _reach(np.abs(self.projection), self.spacing, angle)
        middle = np.cos(angle) * self.place[0] + np.sin(angle) * self.place[1]
        return low + float(middle), high + float(middle)


def particle(kind: str, extent: float, random: Generator) -> Particle:
    """A random particle; its projection has that largest diameter, pixels."""
    density = volume(kind, random)
    slabs = density.reshape(VOXELS, VOXELS, _SLABS, -1).sum(axis=3).transpose(2, 0, 1)
    spacing = extent / _widest(slabs.sum(axis=0))
    depths = (np.arange(_SLABS) - (_SLABS - 1) / 2) * (VOXELS / _SLABS) * spacing
    middle = [-_middle(slabs.sum(axis=0), spacing, angle) for angle in (0.0, np.pi / 2)]
    return Particle(slabs.astype(np.float64), depths, spacing, extent, (middle[0], middle[1]))


def absorbing(shape: Particle, core: Particle, random: Generator) -> Particle:
    """The exit wave, less the incoming one, of a particle with a core of another material.

    1 - exp(-(mu + i phi)), the phase up to 1.2 radians where the particle is thickest and the
    absorption up to 0.6; the core's share of them is drawn anew.
    """
    body, inner = (np.abs(part.projection) for part in (shape, core))
    body, inner = body / body.max(), inner / inner.max() * (body > _EDGE * body.max())
    phases, losses = random.uniform(0.3, 1.2, 2), random.uniform(0.05, 0.6, 2)
    turn = phases[0] * body + random.uniform(-0.8, 0.8) * phases[1] * inner
    loss = losses[0] * body + losses[1] * inner
    wave = 1 - np.exp(-(loss + 1j * turn))
    return replace(shape, slabs=wave[None], depths=np.zeros(1))


def far_field(
    particles: Sequence[Particle], rows: Axis, columns: Axis, curvature: float = 0.0
) -> Field:
    """The amplitude at frequencies (rows, columns), the sum over all particles.

    ``curvature``: half the wavelength in pixels; the Ewald sphere is that times the square of the
    frequency away from the plane through zero.
    """
    squared = rows[:, None] ** 2 + columns[None, :] ** 2
    total = np.zeros(squared.shape, np.complex128)
    for one in particles:
        slabs = one.slabs if curvature else one.projection[None]
        depths = one.depths if curvature else np.zeros(1)
        for slab, depth in zip(slabs, depths, strict=True):
            field = _transform(slab, one, rows, columns)
            total += field * np.exp(-2j * np.pi * curvature * depth * squared) if depth else field
    return total


def _transform(slab: NDArray[np.inexact], one: Particle, rows: Axis, columns: Axis) -> Field:
    """The Fourier integral of one slab at any frequencies."""
    axis = (np.arange(VOXELS) - (VOXELS - 1) / 2) * one.spacing
    left, right = (
        np.exp(-2j * np.pi * np.outer(frequency, axis + place))
        for frequency, place in zip((rows, columns), one.place, strict=True)
    )
    field: Field = left @ slab @ right.T * one.spacing**2
    return field


def _reach(image: NDArray[np.floating], spacing: float, angle: float) -> tuple[float, float]:
    rows, columns = np.nonzero(image > _EDGE * image.max())
    along = np.cos(angle) * rows + np.sin(angle) * columns
    middle = (len(image) - 1) / 2 * (np.cos(angle) + np.sin(angle))
    return (
        float((along.min() - middle - 0.5) * spacing), float((along.max() - middle + 0.5) * spacing)
    )  # fmt: skip


def _middle(image: NDArray[np.floating], spacing: float, angle: float) -> float:
    low, high = _reach(image, spacing, angle)
    return (low + high) / 2


def _widest(image: NDArray[np.floating]) -> float:
    """Largest diameter in samples."""
    reaches = (_reach(image, 1.0, angle) for angle in np.linspace(0, np.pi, 36, endpoint=False))
    return max(high - low for low, high in reaches)
