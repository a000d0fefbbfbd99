"""Simulated single shots: projected particles, their diffraction, and what a detector makes of it.

Particles are projections of uniform solids along the beam; lengths are pixels of the density that
a pattern of the same number of detector pixels resolves (field of view / detector pixels). The
particle is drawn twice as fine as the detector sees it, so that the pattern holds no aliases and
the truth, like that of an experiment, is band-limited.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Density = NDArray[np.float64]
Generator = np.random.Generator
_OVERSAMPLING = 2


@dataclass(frozen=True)
class Detector:
    """A flat detector with a gap between two halves and a hole for the beam."""

    shape: tuple[int, int] = (264, 272)
    """(rows, columns)."""
    center: tuple[float, float] = (133.5, 137.5)
    """(row, column) of the zero frequency, 0.0 = centre of the first pixel."""
    gap: tuple[int, int] = (132, 136)
    """Rows from, up to but without."""
    hole_radius: float = 5.0
    """Pixels."""
    gain: float = 10.0
    """Detector units per photon."""
    read_noise: float = 2.0
    """Detector units, rms."""
    satvalue: float = 3.0e4
    """Detector units; nothing higher is recorded."""
    field: int = 256
    """Field of view in density pixels: the side of the crop in detector pixels."""

    def excluded(self) -> NDArray[np.bool_]:
        """True in the gap and the hole, (rows, columns)."""
        rows, columns = np.ogrid[: self.shape[0], : self.shape[1]]
        distance = np.hypot(rows - self.center[0], columns - self.center[1])
        in_gap = (rows >= self.gap[0]) & (rows < self.gap[1])
        return (distance < self.hole_radius) | in_gap

    def record(self, photons: Density, random: Generator) -> NDArray[np.float32]:
        """A frame in detector units from the expected photons per pixel, (rows, columns)."""
        counted = random.poisson(photons) * self.gain
        noisy = counted + random.normal(0, self.read_noise, photons.shape)
        return np.where(self.excluded(), 0, np.minimum(noisy, self.satvalue)).astype(np.float32)


def diffraction(density: Density, detector: Detector, photons: float) -> Density:
    """Expected photons per pixel, (rows, columns), ``photons`` in all, hole and gap included.

    ``density`` is square and oversampled as the functions of `SHAPES` make it; the detector's
    centre need not lie on a pixel's centre.
    """
    cycles = [
        (np.arange(length) - middle) / (detector.field * _OVERSAMPLING)
        for length, middle in zip(detector.shape, detector.center, strict=True)
    ]
    transforms = [np.exp(-2j * np.pi * np.outer(cycle, _axis(len(density)))) for cycle in cycles]
    amplitude = transforms[0] @ density @ transforms[1].T
    intensity = np.abs(amplitude) ** 2
    expected: Density = intensity * (photons / intensity.sum())
    return expected


def truth(density: Density, size: int) -> NDArray[np.float32]:
    """The band-limited density on the grid of a pattern, (size, size), centred.

    Binning narrows the field of view and leaves the pixel of the density as it is.
    """
    axis = _axis(size)
    cycles = axis / (size * _OVERSAMPLING)
    forward = np.exp(-2j * np.pi * np.outer(cycles, _axis(len(density))))
    backward = np.exp(2j * np.pi * np.outer(axis, axis / size)) / size
    sampled: NDArray[np.complex128] = backward @ (forward @ density @ forward.T) @ backward.T
    return sampled.real.astype(np.float32)


def _axis(length: int) -> Density:
    return np.arange(length, dtype=np.float64) - length // 2


def _grid(diameter: float) -> tuple[Density, Density]:
    """Rows and columns of fine pixels, in density pixels, about a particle of that diameter."""
    half = int(np.ceil(diameter * _OVERSAMPLING * 0.8)) + 2
    axis = np.arange(-half, half + 1) / _OVERSAMPLING
    return axis[:, None], axis[None, :]


def _ball(rows: Density, columns: Density, radius: float) -> Density:
    """Thickness of a ball along the beam."""
    thickness: Density = 2 * np.sqrt(np.maximum(radius**2 - rows**2 - columns**2, 0))
    return thickness


def sphere(diameter: float, random: Generator) -> Density:
    """A ball."""
    rows, columns = _grid(diameter)
    return _ball(rows, columns, diameter / 2)


def spheroid(diameter: float, random: Generator) -> Density:
    """A spheroid with an aspect of 1.3 to 1.8, turned about the beam."""
    rows, columns = _turned(*_grid(diameter), random.uniform(0, np.pi))
    aspect = random.uniform(1.3, 1.8)
    return _ball(rows * aspect, columns, diameter / 2)


def polyhedron(diameter: float, random: Generator) -> Density:
    """A convex body of 4 to 7 pairs of parallel facets, anywhere in space."""
    rows, columns = _grid(diameter)
    normals = random.normal(size=(random.integers(4, 8), 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    near, far = -np.inf, np.inf
    for row, column, depth in np.vstack([normals, np.eye(3)]):
        reach = diameter / 2 * random.uniform(0.55, 0.8)
        # A beam within the plane of a facet crosses it so far away that the others decide.
        slope = max(abs(depth), 1e-9)
        across = (row * rows + column * columns) * np.copysign(1.0, depth)
        near = np.maximum(near, (-reach - across) / slope)
        far = np.minimum(far, (reach - across) / slope)
    thickness: Density = np.maximum(far - near, 0)
    return thickness


def aggregate(diameter: float, random: Generator) -> Density:
    """3 to 6 touching balls of different sizes."""
    rows, columns = _grid(diameter)
    density, (row, column) = np.zeros(np.broadcast(rows, columns).shape), (0.0, 0.0)
    angle = random.uniform(0, 2 * np.pi)
    for _ in range(random.integers(3, 7)):
        radius = diameter * random.uniform(0.12, 0.22)
        density += _ball(rows - row, columns - column, radius)
        angle += random.uniform(-2.2, 2.2)
        row, column = row + 1.4 * radius * np.sin(angle), column + 1.4 * radius * np.cos(angle)
    return density


def hollow(diameter: float, random: Generator) -> Density:
    """A ball with a hole out of its middle."""
    rows, columns = _grid(diameter)
    radius, shift = diameter / 2, diameter * random.uniform(0, 0.08, 2)
    inner = _ball(rows - shift[0], columns - shift[1], radius * random.uniform(0.4, 0.6))
    return _ball(rows, columns, radius) - inner


def core_shell(diameter: float, random: Generator) -> Density:
    """A ball with a denser core out of its middle."""
    rows, columns = _grid(diameter)
    radius, shift = diameter / 2, diameter * random.uniform(-0.1, 0.1, 2)
    core = _ball(rows - shift[0], columns - shift[1], radius * random.uniform(0.35, 0.5))
    return _ball(rows, columns, radius) + random.uniform(1, 2) * core


def branched(diameter: float, random: Generator) -> Density:
    """Arms of balls in 3 to 4 directions."""
    rows, columns = _grid(diameter)
    density = np.zeros(np.broadcast(rows, columns).shape)
    arms, turn = int(random.integers(3, 5)), random.uniform(0, 2 * np.pi)
    radius = diameter * 0.09
    for arm in range(arms):
        angle = turn + 2 * np.pi * (arm + random.uniform(-0.2, 0.2)) / arms
        for distance in np.arange(0, diameter * random.uniform(0.3, 0.45), radius):
            row, column = distance * np.sin(angle), distance * np.cos(angle)
            density = np.maximum(density, _ball(rows - row, columns - column, radius))
    return density


def _turned(rows: Density, columns: Density, angle: float) -> tuple[Density, Density]:
    sine, cosine = np.sin(angle), np.cos(angle)
    return rows * cosine - columns * sine, rows * sine + columns * cosine


def shapes() -> dict[str, Callable[[float, Generator], Density]]:
    """All particles by name: functions of the diameter in density pixels."""
    known = (sphere, spheroid, polyhedron, aggregate, hollow, core_shell, branched)
    return {shape.__name__: shape for shape in known}
