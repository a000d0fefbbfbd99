"""What a detector makes of a far field: modules, hole, gap, saturation, noise, and its faults."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .conditions import Conditions
from .volumes import Generator

Image = NDArray[np.float64]
Flags = NDArray[np.bool_]
SHAPE = (272, 280)
"""(rows, columns) of a frame."""
CROPSIZE, SIZE = 256, 128
BINNING = CROPSIZE // SIZE
MIDDLE = (136.5, 139.5)
"""Where the zero frequency is, apart from what `Conditions.off_grid` adds: on a binned pixel."""
_LEAST_HOLE = 2.5
_MODULE = 70


@dataclass(frozen=True)
class Detector:
    """Where it is and what it misses; all in raw pixels."""

    centre: tuple[float, float]
    """(row, column) of the zero frequency."""
    hole: Flags
    gap: Flags

    @property
    def excluded(self) -> Flags:
        """What a right mask has."""
        return self.hole | self.gap

    def frequencies(self) -> tuple[Image, Image]:
        """Of rows and of columns, cycles per pixel of the density."""
        rows, columns = (
            (np.arange(length) - middle) / CROPSIZE
            for length, middle in zip(SHAPE, self.centre, strict=True)
        )
        return rows, columns


def detector(c: Conditions, hole_radius: float, random: Generator) -> Detector:
    """One with a hole of that radius about the beam, and a gap near it."""
    centre = (MIDDLE[0] + c.off_grid[0], MIDDLE[1] + c.off_grid[1])
    shift = random.uniform(-0.7, 0.7, 2)
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(rows - centre[0] - shift[0], columns - centre[1] - shift[1])
    axis = 0 if c.gap_in_rows else 1
    across = (rows, columns)[axis] - centre[axis] - random.uniform(-6, 6)
    gap = np.broadcast_to(np.abs(across) < c.gap / 2, SHAPE)
    return Detector(centre, distance < max(hole_radius, _LEAST_HOLE), gap)


def pixel_means(intensity: Image) -> Image:
    """Means over the areas of pixels, to second order, from values at their middles."""
    return np.asarray(np.maximum(intensity + ndimage.laplace(intensity) / 24, 0))


def saturation_level(intensity: Image, d: Detector, radius: float) -> float:
    """The highest intensity beyond a radius and outside what is excluded."""
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    beyond = np.hypot(rows - d.centre[0], columns - d.centre[1]) > radius
    return float(intensity[beyond & ~d.excluded].max())


def expected(intensity: Image, c: Conditions, d: Detector, random: Generator) -> Image:
    """Photons per pixel with all that changes the light itself."""
    light = ndimage.gaussian_filter(intensity, c.coherence) if c.coherence else intensity
    if c.background:
        light = light + _scattering(c.background, d, random)
    if c.shadow < 1:
        light = np.where(_shadowed(d, random), c.shadow * light, light)
    return light


def _scattering(strength: float, d: Detector, random: Generator) -> Image:
    """Smooth, not quite about the beam, and a streak in half of the cases."""
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    shift = random.uniform(-15, 15, 2)
    squared = (rows - d.centre[0] - shift[0]) ** 2 + (columns - d.centre[1] - shift[1]) ** 2
    light: Image = strength * (1 / 3 + 2 / 3 * np.exp(-squared / (2 * random.uniform(30, 80) ** 2)))
    if random.random() < 0.5:
        streak = np.exp(-(((columns - d.centre[1]) / 3) ** 2) - np.abs(rows - d.centre[0]) / 60)
        light = light + 2 * strength * streak
    return light


def _shadowed(d: Detector, random: Generator) -> Flags:
    """A sector of 20 to 70 degrees, or all beyond a line."""
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    down, right = rows - d.centre[0], columns - d.centre[1]
    angle = random.uniform(0, 2 * np.pi)
    along = np.cos(angle) * down + np.sin(angle) * right
    if random.random() < 0.5:
        return np.asarray(along > random.uniform(20, 60))
    width = np.deg2rad(random.uniform(20, 70)) / 2
    near = along > np.cos(width) * np.hypot(down, right)
    return np.asarray(near & (np.hypot(down, right) > random.uniform(8, 25)))


def record(
    light: Image, level: float, c: Conditions, d: Detector, random: Generator
) -> NDArray[np.float32]:
    """A frame in detector units; ``level``: photons at which pixels are full."""
    gains = np.full(SHAPE, c.gain)
    gains[:, SHAPE[1] // 2 :] *= c.half_gain
    if c.gain_spread:
        gains *= np.maximum(1 + random.normal(0, c.gain_spread, SHAPE), 0.1)
    counts = random.poisson(light) * _alive(c, d, random)
    values = counts * gains + c.dark + random.normal(0, c.read_noise * c.gain, SHAPE)
    if c.common_mode:
        values += c.gain * random.normal(0, c.common_mode, _modules().max() + 1)[_modules()]
    full = full_value(level, c)
    if c.plateau:
        # Every pixel has a pedestal of its own, so that the plateau is not quite flat.
        pedestals = full * random.normal(c.plateau, 0.05 * c.plateau, SHAPE)
        values = np.minimum(values + pedestals, full) - pedestals
    else:
        values = np.minimum(values, full)
    if c.hot_pixels:
        places = random.integers(0, SHAPE[0] * SHAPE[1], c.hot_pixels)
        values.flat[places] += c.gain * 10 ** random.uniform(1, 3, c.hot_pixels)
    if c.clips_negatives:
        values = np.maximum(values - c.dark, 0) + c.dark
    return np.where(d.hole, 0, values).astype(np.float32)


def full_value(level: float, c: Conditions) -> float:
    """Detector units of a pixel that is full at ``level`` photons, as single precision holds it."""
    return float(np.float32((level * c.gain + c.dark) / (1 - c.plateau)))


def careless_mask(d: Detector, random: Generator) -> Flags:
    """A mask of more than is bad: borders of modules, and a region that somebody distrusted."""
    rows, columns = (np.arange(length) for length in SHAPE)
    mask = d.excluded | (rows % (SHAPE[0] // 2) < 2)[:, None] | (columns % _MODULE < 2)[None, :]
    row, column = (int(random.integers(0, length - 60)) for length in SHAPE)
    mask[row : row + random.integers(20, 60), column : column + random.integers(20, 60)] = True
    return np.asarray(mask)


def _alive(c: Conditions, d: Detector, random: Generator) -> Flags:
    """Which pixels count: not the gap, and not a dead module."""
    alive = ~d.gap
    if c.dead == "module":
        height, width = random.integers(25, 100, 2)
        row, column = (int(random.integers(60, length - 120)) for length in SHAPE)
        alive[row : row + height, column : column + width] = False
    return alive


def _modules() -> NDArray[np.int64]:
    """The number of every pixel's module: two rows of four."""
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return np.asarray((rows >= SHAPE[0] // 2) * (SHAPE[1] // _MODULE) + columns // _MODULE)
