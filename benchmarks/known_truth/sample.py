"""Simulated patterns with their truth, each from its class and a seed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .conditions import CLASSES, Conditions, ordinary
from .detector import (
    BINNING,
    CROPSIZE,
    SIZE,
    Detector,
    careless_mask,
    detector,
    expected,
    full_value,
    pixel_means,
    record,
    saturation_level,
)  # fmt: skip
from .scattering import Particle, absorbing, far_field, particle
from .volumes import KINDS, Generator

if TYPE_CHECKING:
    from spring_mpi.model.pattern import Pattern
    from spring_mpi.model.settings import Settings

SETS = {"development": 0, "validation": 10_000, "test": 20_000, "hard": 40_000, "suite": 50_000}
"""The first seed of each set; a set has at most 10,000, so that no two share one."""
_LARGEST = SIZE // 2


@dataclass(frozen=True)
class Sample:
    """One pattern as a user would give it, and what is known of it besides."""

    fault: str
    """Its class, one of `CLASSES`."""
    seed: int
    raw: NDArray[np.float32]
    """The frame, detector units, (row, column)."""
    mask: NDArray[np.bool_]
    """True = excluded."""
    center: tuple[float, float]
    """As given, (row, column), raw pixels."""
    true_center: tuple[float, float]
    satvalue: float
    """As given, detector units."""
    true_satvalue: float
    """At and above which pixels of this frame are saturated."""
    gain: float
    """As given, detector units per photon."""
    true_gain: float
    background: float
    """As given, detector units."""
    supportsize: int
    """As given, pixels of the density."""
    truth: NDArray[np.float32] | NDArray[np.complex64]
    """(SIZE, SIZE), sqrt(photons), band-limited, centred; zero for a blank."""
    photons: float
    """Expected in measured pixels."""
    extent: float
    """Largest diameter of all that was hit, pixels of the density."""
    hole_edge: float
    """Radius within which most pixels are not measured, binned pixels."""
    conditions: Conditions
    cropsize: int = CROPSIZE
    size: int = SIZE

    @property
    def missing_speckles(self) -> float:
        """2 r D / N: speckles across the unmeasured centre."""
        return 2 * self.hole_edge * self.extent / self.size

    @property
    def can_be_right(self) -> bool:
        """False for blanks, a wrong mask, and particles too far apart."""
        return self.conditions.can_be_right

    def pattern(self, **changes: Any) -> Pattern:
        """The pattern as prepared from what is given; ``changes`` replace arguments of it."""
        from spring_mpi.model.pattern import Pattern

        arguments: dict[str, Any] = {
            "mask": self.mask, "center": self.center, "pid": (1, self.seed),
            "cropsize": self.cropsize, "size": self.size, "satvalue": self.satvalue,
            "background": self.background, "gain": self.gain,
        }  # fmt: skip
        return Pattern(self.raw, **{**arguments, **changes})

    def settings(self, popsize: int = 16, generations: int = 20) -> Settings:
        """Settings of a small search from the given start support."""
        from spring_mpi.model.settings import Settings

        settings = Settings().set("global", "popsize", popsize)
        settings.set("global", "generations", generations)
        settings.set("init", "supportsize", self.supportsize)
        if self.conditions.is_complex:
            settings.set("object", "constraint", "complex")
        return settings


def sample(fault: str, seed: int) -> Sample:
    """The pattern of a class and a seed: always the same."""
    random = np.random.default_rng([seed, zlib.crc32(fault.encode())])
    return sample_of(CLASSES[fault](ordinary(random), random), fault, seed, random)


def sample_of(c: Conditions, fault: str, seed: int, random: Generator) -> Sample:
    """The pattern under conditions; particle and noise are drawn."""
    particles = _particles(c, random)
    extent = _common_extent(particles)
    hole_radius = BINNING * c.missing * SIZE / (2 * extent)
    d = detector(c, hole_radius, random)
    intensity = pixel_means(np.abs(far_field(particles, *d.frequencies(), c.curvature)) ** 2)
    level = saturation_level(intensity, d, c.saturation * hole_radius)
    if c.saturation <= 1:
        level *= 1.3
    unsaturated = intensity < level
    scale = c.photons / intensity[unsaturated & ~d.excluded].sum()
    is_lit = 0.0 if c.is_blank else 1.0
    light = expected(is_lit * scale * intensity, c, d, random)
    # A few photons more: what is full is so for certain, what is not for nearly all pixels.
    level = scale * level + 10.0
    raw = record(light, level, c, d, random)
    mask = d.hole if c.dead == "gap" else d.excluded
    if c.wrong_polarity:
        mask = ~careless_mask(d, random)
    full = full_value(level, c)
    angle, radius = random.uniform(0, 2 * np.pi), BINNING * c.centre_error
    return Sample(
        fault=fault,
        seed=seed,
        raw=raw,
        mask=mask,
        center=(d.centre[0] + radius * np.sin(angle), d.centre[1] + radius * np.cos(angle)),
        true_center=d.centre,
        satvalue=full,
        true_satvalue=(1 - 1.2 * c.plateau) * full,
        gain=c.gain * c.gain_factor,
        true_gain=c.gain,
        background=c.dark,
        supportsize=int(np.clip(round(c.support * extent), 12, _LARGEST)),
        truth=_truth(particles, is_lit * np.sqrt(scale)),
        photons=is_lit * c.photons,
        extent=extent,
        hole_edge=_hole_edge(unsaturated & ~d.excluded, d),
        conditions=c,
    )


def _particles(c: Conditions, random: Generator) -> list[Particle]:
    one = particle(c.kind, c.extent, random)
    if c.is_complex:
        return [absorbing(one, particle(str(random.choice(list(KINDS))), c.extent, random), random)]
    if not c.second:
        return [one]
    other = particle(str(random.choice(list(KINDS))), c.extent * random.uniform(0.8, 1.2), random)
    other = other.times(one.projection.sum() * one.spacing**2 * random.uniform(0.5, 1.2)
                        / (other.projection.sum() * other.spacing**2))  # fmt: skip
    angle = random.uniform(0, 2 * np.pi)
    ends = [part.reach(angle) for part in (one, other)]
    widths = sum(high - low for low, high in ends)
    far = 1.1 * _LARGEST * random.uniform(1, 1.6) - widths
    gap = random.uniform(0.5, 6) if c.second == "fits" else max(far, 0.5)
    apart = ends[0][1] - ends[1][0] + gap
    shift = np.array([np.cos(angle), np.sin(angle)]) * apart
    return [_moved(one, -shift / 2), _moved(other, shift / 2)]


def _moved(one: Particle, shift: NDArray[np.float64]) -> Particle:
    return one.at((one.place[0] + float(shift[0]), one.place[1] + float(shift[1])))


def _common_extent(particles: Sequence[Particle]) -> float:
    """Largest diameter of all, pixels."""
    widths = []
    for angle in np.linspace(0, np.pi, 36, endpoint=False):
        reaches = [one.reach(angle) for one in particles]
        widths.append(max(high for _, high in reaches) - min(low for low, _ in reaches))
    return float(max(widths))


def _truth(particles: Sequence[Particle], strength: float) -> Any:
    """The density whose moduli squared are the photons of a binned pixel."""
    axis = (np.arange(SIZE) - SIZE // 2) / SIZE
    spectrum = BINNING * strength * far_field(particles, axis, axis)
    density = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(spectrum), norm="ortho"))
    if all(one.is_real for one in particles):
        return density.real.astype(np.float32)
    return density.astype(np.complex64)


def _hole_edge(measured: NDArray[np.bool_], d: Detector) -> float:
    """The radius at which half of a ring is measured first, linear between rings, binned pixels."""
    rows, columns = np.ogrid[: measured.shape[0], : measured.shape[1]]
    ring = np.rint(np.hypot(rows - d.centre[0], columns - d.centre[1])).astype(int)
    # The middle of the pattern may lie between pixels, without one at radius 0.
    share = np.bincount(ring.ravel(), measured.ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
    radius = int(np.argmax(share >= 0.5))
    if radius:
        radius -= (share[radius] - 0.5) / (share[radius] - share[radius - 1])
    return float(radius) / BINNING
