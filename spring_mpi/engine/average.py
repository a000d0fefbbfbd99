"""The reconstruction: the aligned best individuals, averaged and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model.alignment import Anchor, canonical, orientation_sureness
from ..model.pattern import Pattern
from ..model.rings import Profile
from ..model.settings import Settings
from .backend import Errors
from .crossover import islands
from .metrics import prtf, ring_correlation

Density = NDArray[Any]


@dataclass(frozen=True)
class Average:
    """What the best individuals agree on; images are (size, size), centred as in `canonical`.

    Its fields are fields of the `Result` of the same names.
    """

    data: Density
    support: NDArray[np.uint8]
    """1 where more than half of the averaged supports hold the pixel."""
    best: Density
    std: NDArray[np.float32]
    support_frequency: NDArray[np.float32]
    prtf: Profile
    ring_correlation: Profile
    """Between the averages of the first two islands, (size // 2,); empty with one island."""
    members: int
    """How many individuals were averaged."""
    orientation_sureness: float
    """See `orientation_sureness`."""


def average(
    densities: Density,
    supports: NDArray[np.bool_],
    fitness: Errors,
    pattern: Pattern,
    settings: Settings,
) -> Average:
    """Average the individuals within ``final.error_factor`` of the best fitness of their island.

    Parameters
    ----------
    densities, supports
        (popsize, size, size).
    fitness
        (popsize,), lower is better.
    """
    home, best = islands(settings), int(fitness.argmin())
    chosen = np.flatnonzero(fitness <= settings.final.error_factor * _island_best(fitness, home))
    aligned, frames = _aligned(densities, supports, chosen, best)
    # All by one motion: what they agree on decides how it lies, not each for itself.
    motion = canonical(aligned.mean(axis=0), frames.mean(axis=0) > 0.5)
    for density in aligned:
        density[...] = motion.move(density)
    frequency = motion.move_support(frames.mean(axis=0, dtype=np.float32))
    means = [aligned[home[chosen] == island].mean(axis=0) for island in np.unique(home)]
    data = aligned.mean(axis=0)
    return Average(
        data=data,
        support=(frequency > 0.5).astype(np.uint8),
        best=motion.move(densities[best]),
        std=aligned.std(axis=0).astype(np.float32),
        support_frequency=frequency,
        prtf=prtf(aligned, pattern.amplitude, pattern.measured),
        ring_correlation=ring_correlation(means[0], means[1]) if len(means) > 1 else np.empty(0),
        members=len(chosen),
        orientation_sureness=orientation_sureness(data, frequency > 0.5),
    )


def _island_best(fitness: Errors, home: NDArray[np.int64]) -> Errors:
    """The best fitness on every individual's island, (popsize,)."""
    return np.array([fitness[home == island].min() for island in home])


def _aligned(
    densities: Density, supports: NDArray[np.bool_], chosen: NDArray[np.int64], best: int
) -> tuple[Density, NDArray[np.bool_]]:
    anchor = Anchor(densities[best])
    moved, frames = densities[chosen], supports[chosen]
    for density, frame in zip(moved, frames, strict=True):
        motion = anchor.motion(density, subpixel=True)
        density[...], frame[...] = motion.move(density), motion.move_support(frame)
    return moved, frames
